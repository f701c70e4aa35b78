// Package choose keeps some of an input's rows: those that an expression is true of, that
// a list names, or a sample.
package choose

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"

	"github.com/stoker-build/stoker/internal/mistakes"
	"github.com/stoker-build/stoker/internal/rows"
	"github.com/stoker-build/stoker/internal/rows/text"
)

// The flags that choose rows, for messages.
const (
	WhereFlag  = "--where"
	SelectFlag = "--select"
	SampleFlag = "--sample"
)

// Choice says which rows are kept. The zero value keeps all.
type Choice struct {
	// Where is an expression over a row's columns; empty for none.
	Where string
	// Select are the only rows that are kept; nil for all.
	Select *List
	// Sample is how many rows are kept; 0 for all. Which these are follows from Seed and
	// from the rows themselves.
	Sample int
	Seed   int
}

// From keeps the rows of an input that all parts of the choice keep, in their order.
func (c Choice) From(in rows.Input) (rows.Input, error) {
	all := in
	for _, part := range []struct {
		flag  string
		given bool
		keep  func(rows.Input) ([]rows.Row, error)
	}{
		{whereText(c.Where), c.Where != "", c.where},
		{SelectFlag, c.Select != nil, func(in rows.Input) ([]rows.Row, error) { return c.Select.from(in, all) }},
		{SampleFlag, c.Sample > 0, c.sample},
	} {
		if !part.given {
			continue
		}
		kept, err := part.keep(in)
		if err != nil {
			return rows.Input{}, err
		}
		if len(kept) == 0 {
			return rows.Input{}, &mistakes.InputError{What: part.flag, Problems: []string{fmt.Sprintf("none of the %d rows of %s is left", len(in.Rows), in.Name)},
				Hint: "nothing would be built: choose otherwise, or leave the flag out"}
		}
		in.Notes = append(slices.Clip(in.Notes), fmt.Sprintf("%s: %d of %d rows", part.flag, len(kept), len(in.Rows)))
		in.Rows = kept
	}
	return in, nil
}

// sample keeps the rows whose digests are lowest: the same ones on every machine, and
// most of them also when the input has grown.
func (c Choice) sample(in rows.Input) ([]rows.Row, error) {
	digests := make([]string, len(in.Rows))
	places := make([]int, len(in.Rows))
	for i, row := range in.Rows {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d\n%s", c.Seed, row.Identity))
		digests[i], places[i] = string(sum[:]), i
	}
	slices.SortFunc(places, func(a, b int) int { return cmp.Or(cmp.Compare(digests[a], digests[b]), cmp.Compare(a, b)) })
	places = places[:min(c.Sample, len(places))]
	slices.Sort(places)
	kept := make([]rows.Row, len(places))
	for i, place := range places {
		kept[i] = in.Rows[place]
	}
	return kept, nil
}

// List is ids of rows, as a file has them.
type List struct {
	name string
	ids  []text.Line
}

// ReadList reads a list: one id on each line, with comments as in an image list.
func ReadList(name string, r io.Reader) (*List, error) {
	list := &List{name: name}
	found := mistakes.Findings{Hint: "each line must be one id; what follows a # is a comment"}
	for line, err := range text.Lines(r) {
		if err != nil {
			found.Add(mistakes.Line(line.Number), err)
			continue
		}
		list.ids = append(list.ids, line)
	}
	if err := found.Err(name); err != nil {
		return nil, err
	}
	if len(list.ids) == 0 {
		return nil, &mistakes.InputError{What: name, Problems: []string{"no ids in it"}, Hint: found.Hint}
	}
	return list, nil
}

// How many ids that no row has are compared with those that rows have.
const mostCompared = 50

// from keeps the rows of an input that the list names. What it names must be in the whole
// input, of which some may be left out already.
func (l *List) from(in, all rows.Input) ([]rows.Row, error) {
	known := map[string]bool{}
	for _, row := range all.Rows {
		for _, id := range row.IDs() {
			known[id] = true
		}
	}
	named := map[string]bool{}
	var found mistakes.Findings
	var ids []string
	compared := 0
	for _, id := range l.ids {
		named[id.Text] = true
		if known[id.Text] {
			continue
		}
		problem := fmt.Sprintf("no row of %s has the id %q", all.Name, mistakes.Begin(id.Text))
		if compared++; compared <= mostCompared {
			if ids == nil {
				ids = sortedKeys(known)
			}
			problem += mistakes.DidYouMean(id.Text, "", ids)
		}
		found.Add(mistakes.Line(id.Number), fmt.Errorf("%s", problem))
	}
	found.Hint = "a row is named by its id, instance_id or name, or by its job's name, as --dry-run shows it"
	if err := found.Err(l.name); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(in.Rows), func(row rows.Row) bool {
		return !slices.ContainsFunc(row.IDs(), func(id string) bool { return named[id] })
	}), nil
}
