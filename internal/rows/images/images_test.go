package images

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stoker-build/stoker/internal/mistakes"
)

func TestRead(t *testing.T) {
	tests := []struct {
		name, text string
		refs       []string
		notes      int
		problems   []string // each must be in the error
	}{
		{"plain", "debian:12\nexample.com:5000/a/b@sha256:" + strings.Repeat("a", 64) + "\n",
			[]string{"debian:12", "example.com:5000/a/b@sha256:" + strings.Repeat("a", 64)}, 0, nil},
		{"comments and blanks", "\xef\xbb\xbf# all of them\n\n  debian:12  # the newest\r\n\talpine\n", []string{"debian:12", "alpine"}, 0, nil},
		{"duplicates", "debian\ndebian:latest\ndocker.io/library/debian\n", []string{"debian"}, 2, nil},
		{"no newline at the end", "debian:12", []string{"debian:12"}, 0, nil},
		{"every bad line", "debian:12\nDebian\n\ntwo words\na:b:c\n", nil, 0, []string{"3 problems", `line 2: "Debian"`, `line 4: "two words"`, `line 5: "a:b:c"`}},
		{"empty", "", nil, 0, []string{"no image references"}},
		{"only comments", "# nothing\n\n", nil, 0, []string{"no image references"}},
		{"a line that is far too long", strings.Repeat("a", 100<<10), nil, 0, []string{"line 1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, notes, err := Read("bases.txt", strings.NewReader(tt.text))
			if len(tt.problems) > 0 {
				var input *mistakes.InputError
				if !errors.As(err, &input) {
					t.Fatalf("error is %v, want an InputError", err)
				}
				for _, p := range tt.problems {
					if !strings.Contains(err.Error(), p) {
						t.Errorf("error %q does not say %q", err, p)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var refs []string
			for _, img := range got {
				refs = append(refs, img.Ref)
			}
			if strings.Join(refs, " ") != strings.Join(tt.refs, " ") || len(notes) != tt.notes {
				t.Errorf("got %q and notes %q, want %q and %d notes", refs, notes, tt.refs, tt.notes)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{"debian:12\n", "\xef\xbb\xbf#x\n\na b\n", "a@sha256:" + strings.Repeat("0", 64), "::\n/../..\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, _, err := Read("f", strings.NewReader(text))
		if (err == nil) != (len(got) > 0) {
			t.Fatalf("%d images and error %v", len(got), err)
		}
		for _, img := range got {
			in, err := Input("f", []Image{img}, nil)
			if err != nil {
				t.Fatalf("%q was accepted, but: %v", img.Ref, err)
			}
			if n := in.Rows[0].Name; n == "" || n != filepath.Base(n) || strings.HasPrefix(n, ".") {
				t.Fatalf("%q gets the name %q", img.Ref, n)
			}
		}
	})
}

// A file of another kind is not shown on the terminal.
func TestListThatIsNone(t *testing.T) {
	for name, tt := range map[string]struct{ text, says string }{
		"a program":   {"\x7fELF\x02\x01\x01\x00\x00\n", "line 1: it has NUL characters"},
		"bytes":       {strings.Repeat("\xff\xfe\x1b[2J"+strings.Repeat("A", 300)+"\n", 100), "lines 1, 2, 3"},
		"a long line": {strings.Repeat("ä", 5000), `"` + strings.Repeat("ä", mistakes.Quoted) + `..."`},
		"prose":       {strings.Repeat("more words\nAnd again\nStill more:\n", 100) + strings.Repeat("Upper/X\nUpper/Y\nUpper/Z\nUpper/U\n", 100), "holds white space"},
	} {
		_, _, err := Read("list", strings.NewReader(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Fatalf("%s: error %v, want %q in it", name, err, tt.says)
		}
		if text := err.Error(); len(text) > 2000 || !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\x1b") {
			t.Errorf("%s: %d bytes: %q", name, len(text), text)
		}
	}
}
