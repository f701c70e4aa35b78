package builder

import (
	"crypto/sha256"
	"testing"

	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/buildflags"
	"github.com/moby/buildkit/client"

	"github.com/stoker-build/stoker/internal/plan"
)

// A hash changes with what outputs make of an image, and not with where it goes, or whether
// that is said yet.
func TestOutputsInHashes(t *testing.T) {
	annotations, err := buildflags.ParseAnnotations([]string{"k=v"})
	if err != nil {
		t.Fatal(err)
	}
	type attrs = map[string]string
	of := func(annotated bool, outputs ...attrs) [sha256.Size]byte {
		o := build.Options{}
		if annotated {
			o.Annotations = annotations
		}
		for _, a := range outputs {
			e := client.ExportEntry{Type: client.ExporterImage, Attrs: a}
			for key, value := range o.Annotations {
				a[key.String()] = value
			}
			if a["dest"] != "" {
				e.Type = client.ExporterOCI
			}
			o.Exports = append(o.Exports, e)
		}
		sum := sha256.New()
		addExports(sum, &plan.Job{Options: o})
		return [sha256.Size]byte(sum.Sum(nil))
	}
	plain, annotated := of(false), of(true)
	if plain == annotated {
		t.Error("an annotation does not change the hash")
	}
	for name, outputs := range map[string][]attrs{
		"pushed":          {{"push": "true", "unpack": "false"}},
		"without TLS":     {{"push": "true", "registry.insecure": "true"}},
		"to a file":       {{"dest": "x.tar"}},
		"to two places":   {{"push": "true"}, {"dest": "x.tar"}},
		"at a level":      {{"push": "true", "compression": "gzip", "compression-level": "1"}},
		"by another name": {{"push": "true", "name": "r.example/x:1"}},
	} {
		if of(false, outputs...) != plain || of(true, outputs...) != annotated {
			t.Errorf("%s, it has another hash than before that was said", name)
		}
	}
	seen := map[[sha256.Size]byte]string{plain: "nothing"}
	for name, outputs := range map[string][]attrs{
		"zstd":               {{"push": "true", "compression": "zstd"}},
		"zstd at 3":          {{"push": "true", "compression": "zstd", "compression-level": "3"}},
		"all zstd":           {{"push": "true", "compression": "zstd", "force-compression": "true"}},
		"docker's types":     {{"push": "true", "oci-mediatypes": "false"}},
		"rewritten":          {{"push": "true", "rewrite-timestamp": "true"}},
		"of a moment":        {{"push": "true", "source-date-epoch": "1"}},
		"zstd in a file":     {{"dest": "x.tar", "compression": "zstd"}},
		"inline":             {{"push": "true", "attestation-inline": "true"}},
		"artifact":           {{"push": "true", "oci-artifact": "true"}},
		"no distributable":   {{"push": "true", "prefer-nondist-layers": "true"}},
		"an annotation":      {{"push": "true", "annotation.k": "w"}},
		"of a manifest":      {{"push": "true", "annotation-manifest.k": "w"}},
		"estargz":            {{"push": "true", "compression": "estargz"}},
		"two, one with zstd": {{"push": "true", "compression": "zstd"}, {"dest": "x.tar", "compression": "zstd"}},
	} {
		hash := of(false, outputs...)
		if other, known := seen[hash]; known {
			t.Errorf("%s has the hash of %s", name, other)
		}
		seen[hash] = name
	}
}

// A hash changes with whether provenance is attached, whichever way that is said.
func TestProvenanceInHashes(t *testing.T) {
	of := func(attests ...string) [sha256.Size]byte {
		t.Helper()
		parsed, err := buildflags.ParseAttests(attests)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.New()
		addExports(sum, &plan.Job{Options: build.Options{Attests: parsed.ToMap()}})
		return [sha256.Size]byte(sum.Sum(nil))
	}
	const most, none = "type=provenance,mode=max", "type=provenance,disabled=true"
	t.Setenv("BUILDX_NO_DEFAULT_ATTESTATIONS", "")
	byDefault, without, full := of(), of(none), of(most)
	if byDefault == without || byDefault == full || without == full {
		t.Errorf("by default %x, without provenance %x, with all of it %x: all have to differ", byDefault, without, full)
	}
	t.Setenv("BUILDX_NO_DEFAULT_ATTESTATIONS", "1")
	if of() != without || of(none) != without {
		t.Error("without the default, the hash is not that without provenance")
	}
	if of(most) != full {
		t.Error("the default counts where provenance is asked for")
	}
}
