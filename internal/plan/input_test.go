package plan

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadImages(t *testing.T) {
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
		{"a line that is far too long", strings.Repeat("a", maxLine+1), nil, 0, []string{"line 1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, notes, err := ReadImages("bases.txt", strings.NewReader(tt.text))
			if len(tt.problems) > 0 {
				var input *InputError
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

func FuzzReadImages(f *testing.F) {
	for _, seed := range []string{"debian:12\n", "\xef\xbb\xbf#x\n\na b\n", "a@sha256:" + strings.Repeat("0", 64), "::\n/../..\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, _, err := ReadImages("f", strings.NewReader(text))
		if (err == nil) != (len(got) > 0) {
			t.Fatalf("%d images and error %v", len(got), err)
		}
		for _, img := range got {
			rows, err := ImageRows([]Image{img})
			if err != nil {
				t.Fatalf("%q was accepted, but: %v", img.Ref, err)
			}
			if n := jobNames(rows)[0]; n == "" || n != filepath.Base(n) || strings.HasPrefix(n, ".") {
				t.Fatalf("%q gets the name %q", img.Ref, n)
			}
		}
	})
}
