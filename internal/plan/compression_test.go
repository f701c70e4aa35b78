package plan

import (
	"maps"
	"testing"

	"github.com/moby/buildkit/client"
)

func TestCompression(t *testing.T) {
	for text, want := range map[string]Compression{
		"":             nil,
		"gzip":         {"compression": "gzip"},
		"gzip:1":       {"compression": "gzip", "compression-level": "1"},
		"zstd:22":      {"compression": "zstd", "compression-level": "22"},
		"uncompressed": {"compression": "uncompressed"},
	} {
		if got, err := ParseCompression(text); err != nil || !maps.Equal(got, want) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"lz4":            `"lz4" is none of gzip, zstd, estargz and uncompressed, with :LEVEL where wanted`,
		"gzip:10":        `"gzip:10": a level of gzip is a number from 0 to 9`,
		"zstd:fast":      `"zstd:fast": a level of zstd is a number from 1 to 22`,
		"uncompressed:1": `"uncompressed:1": uncompressed has no levels`,
		"gzip:":          `"gzip:": a level of gzip is a number from 0 to 9`,
	} {
		if _, err := ParseCompression(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestCompressedOutputs(t *testing.T) {
	zstd := Compression{"compression": "zstd"}
	tests := []struct {
		name   string
		c      Compression
		export client.ExportEntry
		want   map[string]string
	}{
		{"an image", zstd, client.ExportEntry{Type: client.ExporterImage, Attrs: map[string]string{"push": "true"}}, map[string]string{"push": "true", "compression": "zstd"}},
		{"without attributes", zstd, client.ExportEntry{Type: client.ExporterOCI}, map[string]string{"compression": "zstd"}},
		{"one that says so itself", zstd, client.ExportEntry{Type: client.ExporterImage, Attrs: map[string]string{"compression": "gzip"}}, map[string]string{"compression": "gzip"}},
		{"one with a level", zstd, client.ExportEntry{Type: client.ExporterImage, Attrs: map[string]string{"compression-level": "3"}}, map[string]string{"compression-level": "3"}},
		{"for docker", zstd, client.ExportEntry{Type: client.ExporterDocker}, nil},
		{"files", zstd, client.ExportEntry{Type: client.ExporterLocal}, nil},
		{"the builder's way", nil, client.ExportEntry{Type: client.ExporterImage}, nil},
	}
	for _, tt := range tests {
		given := maps.Clone(tt.export.Attrs)
		got := tt.c.compress([]client.ExportEntry{tt.export})[0].Attrs
		if !maps.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
		if !maps.Equal(given, tt.export.Attrs) {
			t.Errorf("%s: the attributes of the flag were changed", tt.name)
		}
	}
}

// Before it is said where an image goes, it is known how it will be packed.
func TestOutputsThatAreNotGivenYet(t *testing.T) {
	for push, want := range map[bool]map[string]string{false: {"compression": "zstd"}, true: {"compression": "zstd", "push": "true", "unpack": "false"}} {
		s := spec(t, dockerfile, "r.example/a:{{.Name}}")
		s.Push, s.Compression = push, Compression{"compression": "zstd"}
		p, err := newPlan(t, s, images("debian"))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Jobs[0].Outputs(); len(got) != 1 || got[0].Type != client.ExporterImage || !maps.Equal(got[0].Attrs, want) {
			t.Errorf("with push %t it has the outputs %v, want the attributes %v", push, got, want)
		}
		if n := len(p.Jobs[0].Options.Exports); (n == 1) != push {
			t.Errorf("with push %t it is given %d outputs", push, n)
		}
	}
}
