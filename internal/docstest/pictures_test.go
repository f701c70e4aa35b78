package docstest

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	pictures = "docs/pictures"
	// largestPicture keeps a page with some of them quick to load.
	largestPicture = 300 << 10
)

// picture is a picture in a document: ![text](place) or <img src="place">.
var picture = regexp.MustCompile(`!\[[^\]]*\]\(([^)\s]+)\)|<(?:img|source)\b[^>]*\b(?:src|srcset)="([^"\s]+)"`)

// pictures are the places of a document's own pictures, from the repository's directory.
func (d document) pictures() []string {
	var places []string
	for _, m := range picture.FindAllStringSubmatch(d.text, -1) {
		if place := m[1] + m[2]; !strings.Contains(place, "://") {
			places = append(places, filepath.Join(filepath.Dir(d.name), place))
		}
	}
	return places
}

// Every picture of the documents is there and fit to be shown, and every picture is in a document.
func TestPictures(t *testing.T) {
	shown := map[string]bool{}
	for _, doc := range documents(t) {
		for _, place := range doc.pictures() {
			shown[place] = true
			if err := checkPicture(filepath.Join(root, place)); err != nil {
				t.Errorf("%s: %s: %v", doc.name, place, err)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(root, pictures, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no pictures: %v", err)
	}
	for _, file := range files {
		if place := filepath.Join(pictures, filepath.Base(file)); !shown[place] {
			t.Errorf("%s is in no document", place)
		}
	}
}

// checkPicture tells what makes a file no picture that may be shown: GitHub runs no scripts, and who cannot see needs words.
func checkPicture(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var errs []error
	if len(data) > largestPicture {
		errs = append(errs, errors.New("it is too large"))
	}
	if strings.HasSuffix(path, ".png") {
		_, err := png.Decode(bytes.NewReader(data))
		return errors.Join(append(errs, err, checkDark(path))...)
	}
	has, err := elements(data)
	if err != nil {
		return err
	}
	for _, name := range []string{"svg", "title", "desc"} {
		if !has[name] {
			errs = append(errs, errors.New("it has no "+name))
		}
	}
	if has["script"] {
		errs = append(errs, errors.New("it has a script"))
	}
	if !strings.Contains(string(data), "prefers-color-scheme") {
		errs = append(errs, errors.New("it is the same in light and dark"))
	}
	return errors.Join(errs...)
}

// checkDark tells where a picture of a page in light has no other in dark, or the other way.
func checkDark(path string) error {
	other, dark := strings.CutSuffix(path, "-dark.png")
	if !dark {
		other = strings.TrimSuffix(path, ".png") + "-dark"
	}
	_, err := os.Stat(other + ".png")
	return err
}

// elements are the names of a document's elements.
func elements(data []byte) (map[string]bool, error) {
	names := map[string]bool{}
	for d := xml.NewDecoder(strings.NewReader(string(data))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		if start, ok := token.(xml.StartElement); ok {
			names[start.Name.Local] = true
		}
	}
}

func TestPicturesOfADocument(t *testing.T) {
	d := document{name: "docs/a.md", text: "![x](pictures/a.svg) [no](b.svg)\n<img alt=\"y\" src=\"../c.svg\"> ![badge](https://example.com/d.svg)"}
	if got := strings.Join(d.pictures(), " "); got != "docs/pictures/a.svg c.svg" {
		t.Errorf("got %s", got)
	}
}

func TestPicturesThatMayNotBeShown(t *testing.T) {
	const good = `<svg><title>t</title><desc>d</desc><style>@media(prefers-color-scheme:dark){}</style></svg>`
	for text, want := range map[string]string{
		good:                                     "",
		"":                                       "no svg",
		good[:20]:                                "unexpected EOF",
		strings.ReplaceAll(good, "title", "p"):   "no title",
		strings.ReplaceAll(good, "desc", "p"):    "no desc",
		strings.ReplaceAll(good, "prefers-", ""): "the same in light and dark",
		strings.Replace(good, "<style", "<script/><style", 1): "a script",
		good + strings.Repeat(" ", largestPicture):            "too large",
	} {
		path := filepath.Join(t.TempDir(), "picture.svg")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := checkPicture(path)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
}
