package show

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/docker/go-units"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/plural"
	"github.com/stoker-build/stoker/internal/visible"
)

// Usage is what a node's cache holds.
type Usage struct {
	Node string
	Tree cache.Tree
	Plan bool // it was judged for a plan: the states count
}

// Write writes a table of which the last column is a tree by base image. What does
// not fit the width of a terminal is cut off the tree's names; a width of 0 is none.
func (u Usage) Write(w io.Writer, now time.Time, width int) error {
	rows := u.rows(now)
	var cells strings.Builder
	t := columns(&cells)
	for _, r := range rows {
		fmt.Fprintln(t, strings.Join(r.cells, "\t")+"\t")
	}
	// A strings.Builder never fails.
	_ = t.Flush()
	var text strings.Builder
	for i, line := range strings.Split(strings.TrimSuffix(cells.String(), "\n"), "\n") {
		text.WriteString(rows[i].beside(line, width) + "\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// usageRow is a line: sizes and counts, and a place in the tree.
type usageRow struct {
	cells []string
	lead  string // what leads to the name: the branches of the tree
	name  string
}

func (u Usage) rows(now time.Time) []usageRow {
	head := []string{"SIZE"}
	if u.Plan {
		head = append(head, "LIVE", "DEAD", "FOREIGN")
	}
	rows := []usageRow{{cells: append(head, "RECORDS", "IN USE", "LAST USED"), name: u.Node}}
	row := func(lead, name string, bytes cache.Bytes, use cache.Use) {
		rows = append(rows, usageRow{u.cells(bytes, use, now), lead, visible.Line(name)})
	}
	walk("", u.Tree.Layers, func(lead string, b, top *cache.Branch, layers int) {
		row(lead, branchName(top, layers), b.Total, b.Use)
	})
	for _, k := range u.Tree.Kinds {
		row("", kindName(k.Name), k.Total, k.Use)
	}
	bytes, use := u.Tree.Total()
	row("", "total", bytes, use)
	return rows
}

func (u Usage) cells(bytes cache.Bytes, use cache.Use, now time.Time) []string {
	cells := []string{size(bytes.Sum())}
	if u.Plan {
		cells = append(cells, size(bytes.Live), size(bytes.Dead), size(bytes.Foreign))
	}
	last := "-"
	if !use.Last.IsZero() {
		last = units.HumanDuration(now.Sub(use.Last)) + " ago"
	}
	return append(cells, fmt.Sprint(use.Records), fmt.Sprint(use.InUse), last)
}

// walk visits the lines of a tree from the top down, each a run of layers from b to
// top with nothing else between them.
func walk(lead string, list []*cache.Branch, visit func(lead string, b, top *cache.Branch, layers int)) {
	for i, b := range list {
		corner, below := "├─ ", "│  "
		if i == len(list)-1 {
			corner, below = "└─ ", "   "
		}
		if lead == "" && len(list) == 1 {
			corner, below = "", " "
		}
		top, layers := topOfRun(b)
		visit(lead+corner, b, top, layers)
		walk(lead+below, top.Layers, visit)
	}
}

// topOfRun follows layers with nothing else between them, which are printed as
// one line.
func topOfRun(b *cache.Branch) (top *cache.Branch, layers int) {
	for layers = 1; len(b.Layers) == 1 && b.Steps.Records == 0; layers++ {
		b = b.Layers[0]
	}
	return b, layers
}

// branchName says what a line of the tree is. What several images share has no
// image's name: its own is that of the image which happened to pull it first.
func branchName(top *cache.Branch, layers int) string {
	name := top.Ref
	if name == "" {
		name = "not pulled yet"
	}
	if n := ends(top); len(top.Layers) > 0 {
		name = "below " + plural.Of(n, "image")
	}
	name += ": " + plural.Of(layers, "layer")
	if n := top.Steps.Records; n > 0 {
		name += ", " + plural.Of(n, "step")
	}
	return name
}

// ends counts the layers above b that no other layer stands on.
func ends(b *cache.Branch) int {
	if len(b.Layers) == 0 {
		return 1
	}
	n := 0
	for _, above := range b.Layers {
		n += ends(above)
	}
	return n
}

// kindName says what records of a kind are that hang on no layer.
func kindName(kind string) string {
	names := map[string]string{
		cache.KindRegular:    "steps without a base image",
		cache.KindLocal:      "local contexts",
		cache.KindGit:        "git checkouts",
		cache.KindCacheMount: "cache mounts",
		cache.KindFrontend:   "frontends",
		cache.KindInternal:   "internal",
	}
	if name, ok := names[kind]; ok {
		return name
	}
	return kind
}

// leastOfName is how much of a name has to stay for its end to tell more than its
// beginning, in characters.
const leastOfName = 12

// beside writes the row's name beside its cells, and makes both fit a width. Of the
// name, what tells of its layers goes first, and then its beginning, the registry,
// rather than its end, by which images are told apart.
func (r usageRow) beside(cells string, width int) string {
	lead := cells + r.lead
	if width <= 0 {
		return lead + r.name
	}
	room := width - ansi.StringWidth(lead)
	ref := r.name
	if i := strings.LastIndex(ref, ": "); i >= 0 {
		ref = ref[:i]
	}
	if over := ansi.StringWidth(ref) - room; over > 0 && room >= leastOfName {
		return lead + ansi.TruncateLeft(ref, over+1, "…")
	}
	return truncate(lead+r.name, width)
}
