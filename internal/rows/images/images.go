// Package images reads rows from an image list: one reference on each line.
package images

import (
	"fmt"
	"io"
	"path"

	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/mistakes"
	"github.com/stoker-build/stoker/internal/rows"
	"github.com/stoker-build/stoker/internal/rows/text"
)

// Image is one line of an image list.
type Image struct {
	Line int
	Ref  string // as written
}

const hint = "each line must be one image reference, such as docker.io/library/debian:12"

// Read reads an image list: one reference per line, blank lines and
// comments (from # on) allowed. A reference that is listed again is left out
// and mentioned in notes. What cannot be read, or holds no reference at all,
// is a *mistakes.InputError that lists every bad line.
func Read(name string, r io.Reader) (images []Image, notes []string, err error) {
	found := mistakes.Findings{Hint: hint}
	seen := map[string]int{}
	for line, err := range text.Lines(r) {
		at := mistakes.Line(line.Number)
		if err != nil {
			found.Add(at, err)
			continue
		}
		parsed, err := imageref.Parse(line.Text)
		if err != nil {
			found.Add(at, fmt.Errorf("%q: %s", mistakes.Begin(line.Text), mistakes.Begin(err.Error())))
			continue
		}
		if first, again := seen[parsed.String()]; again {
			notes = append(notes, fmt.Sprintf("%s %s: %s is the same as line %d; it is built once", name, at, line.Text, first))
			continue
		}
		seen[parsed.String()] = line.Number
		images = append(images, Image{Line: line.Number, Ref: line.Text})
	}
	if err := found.Err(name); err != nil {
		return nil, nil, err
	}
	if len(images) == 0 {
		return nil, nil, &mistakes.InputError{What: name, Problems: []string{"no image references in it"},
			Hint: "write one image reference per line"}
	}
	return images, notes, nil
}

// Input makes rows of an image list.
func Input(name string, images []Image, notes []string) (rows.Input, error) {
	in := rows.Input{Name: name, Rows: make([]rows.Row, len(images)), Notes: notes}
	for i, img := range images {
		columns, err := columnsOf(img.Ref)
		if err != nil {
			return rows.Input{}, err
		}
		in.Rows[i] = rows.Row{Place: mistakes.Line(img.Line), Columns: columns, Base: img.Ref,
			Name: columns["Name"].(string), Identity: columns["Ref"].(string)}
	}
	in.Complete()
	return in, nil
}

// columnsOf are the parts of a reference: Ref with registry and tag spelled
// out, Repo without tag and digest, Name as the last path element of that, and
// Tag, which is empty when the image is given by digest alone.
func columnsOf(ref string) (map[string]any, error) {
	parsed, err := imageref.Parse(ref)
	if err != nil {
		return nil, err
	}
	return map[string]any{"Ref": parsed.String(), "Repo": parsed.Repository(), "Name": path.Base(parsed.Path()), "Tag": parsed.Tag()}, nil
}
