package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/docker/go-units"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/cache"
)

// duOptions are the flags of stoker du.
type duOptions struct {
	images  imageOptions
	builder builderOptions
	format  string
}

func newDu(streams Streams) *cobra.Command {
	var o duOptions
	cmd := &cobra.Command{
		Use:   "du [flags]",
		Short: "Show the cache as a tree by base image: live, dead, foreign",
		Long: `Show what each node's cache holds, as a tree by base image.

A line of the tree has the size of all that stands on it, too. A layer that
several images share stands below them and counts once.

With --image, --images or --run, the given images are a plan, and each line
tells how many bytes are live, dead and foreign to it. Those of --image and
--images are still to be built upon: what is theirs is live. Those of --run
were: the run counts as over, so that what is theirs is dead, whether their jobs
were built, skipped, failed or cut short, unless --image or --images name them
too. As the plan is known by its base images only, every step upon them counts
as the plan's.

--format json writes an array with an object for each node:
  node                     its name or address
  total                    records, bytes, in_use (records), last_used; with a
                           plan also states: the live, dead and foreign bytes
  layers                   the bottom layers, each an object:
    image                  the image that pulled it first; empty: not pulled yet
    id, bytes              its record
    state, reason          with a plan: live, dead or foreign, and why
    steps                  records and bytes of the steps on it and on no layer
                           above
    total                  of it and all above it
    layers                 the layers right above it
  other                    what hangs on no layer, by kind: kind, total
Sizes are in bytes. The totals of layers and other add up to the node's.`,
		Example: `  stoker du
  stoker du --images bases.txt
  stoker du --run stoker-out --format json`,
		Args: noArguments, SuggestFor: []string{"df", "cache", "usage"},
		RunE: func(cmd *cobra.Command, _ []string) error { return runDu(cmd.Context(), o, streams) },
	}
	o.images.addTo(cmd)
	o.builder.addTo(cmd.Flags())
	addFormat(cmd, &o.format)
	return cmd
}

func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &flagError{fmt.Errorf("no arguments are taken, got %q", args)}
	}
	return nil
}

// The formats of du and prune.
const (
	formatTable = "table"
	formatJSON  = "json"
)

func addFormat(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", formatTable, "how to print: table or json")
}

func checkFormat(format string) error {
	if format != formatTable && format != formatJSON {
		return &flagError{fmt.Errorf("--format %q: use table or json", format)}
	}
	return nil
}

func runDu(ctx context.Context, o duOptions, streams Streams) (err error) {
	if err := checkFormat(o.format); err != nil {
		return err
	}
	images, err := o.images.read(streams.In)
	if err != nil {
		return err
	}
	done, err := o.builder.openState(streams.Err)
	if err != nil {
		return err
	}
	defer done()
	b, err := o.builder.connect(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	caches, err := o.builder.examine(ctx, b, images, o.images.platforms)
	if err != nil {
		return err
	}
	warnUnknown(streams.Err, caches)
	if o.format == formatJSON {
		return writeJSON(streams.Out, usagesOf(caches, o.images.given()))
	}
	for i, c := range caches {
		if i > 0 {
			fmt.Fprintln(streams.Out)
		}
		t := duTable{now: time.Now(), plan: o.images.given(), width: widthOf(streams.Out)}
		if err := t.write(streams.Out, c.node.Name(), c.Report.Tree()); err != nil {
			return err
		}
	}
	return nil
}

// warnUnknown tells which images count as foreign for want of knowledge.
func warnUnknown(w io.Writer, caches []nodeCache) {
	for _, c := range caches {
		for i, problem := range c.Problems {
			if problem != nil {
				fmt.Fprintf(w, "%s: not all of %s can be told: %s\n", c.node.Name(), c.Images[i].Ref, problem)
			}
		}
	}
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// widthOf returns the width of a terminal, and 0 for anything else.
func widthOf(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// duTable prints a tree for people.
type duTable struct {
	now   time.Time
	plan  bool // with the states
	width int  // of the terminal; 0: none
}

// write prints the tree. The names are in the last column, which needs no
// padding and is what gets shorter on a narrow terminal.
func (t duTable) write(w io.Writer, node string, tree cache.Tree) error {
	var text strings.Builder
	columns := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	states := ""
	if t.plan {
		states = "LIVE\tDEAD\tFOREIGN\t"
	}
	fmt.Fprintf(columns, "SIZE\t%sRECORDS\tIN USE\tLAST USED\t%s\n", states, node)
	t.branches(columns, "", tree.Layers)
	for _, k := range tree.Kinds {
		t.line(columns, k.Total, k.Use, kindName(k.Name))
	}
	bytes, use := tree.Total()
	t.line(columns, bytes, use, "total")
	if err := columns.Flush(); err != nil {
		return err
	}
	names := strings.LastIndex(strings.SplitN(text.String(), "\n", 2)[0], node)
	for line := range strings.Lines(text.String()) {
		if t.width > 0 {
			line = shortened(strings.TrimSuffix(line, "\n"), names, t.width) + "\n"
		}
		if _, err := io.WriteString(w, line); err != nil {
			return err
		}
	}
	return nil
}

// leastOfName is how much of a name has to stay for its end to tell more than its
// beginning, in characters.
const leastOfName = 12

// shortened makes a line fit a width. Of the name that begins at a byte of it, what
// tells of its layers goes first, and then its beginning, the registry, rather than its
// end, by which images are told apart.
func shortened(line string, name, width int) string {
	rest := strings.TrimLeft(line[name:], "├└│─ ")
	lead := line[:len(line)-len(rest)]
	room := width - ansi.StringWidth(lead)
	ref := rest
	if i := strings.LastIndex(rest, ": "); i >= 0 {
		ref = rest[:i]
	}
	if over := ansi.StringWidth(ref) - room; over > 0 && room >= leastOfName {
		return lead + ansi.TruncateLeft(ref, over+1, "…")
	}
	return ansi.Truncate(line, width, "…")
}

// branches prints layers that stand on the same one, behind lead.
func (t duTable) branches(w io.Writer, lead string, list []*cache.Branch) {
	for i, b := range list {
		corner, below := "├─ ", "│  "
		if i == len(list)-1 {
			corner, below = "└─ ", "   "
		}
		if lead == "" && len(list) == 1 {
			corner, below = "", " "
		}
		top, layers := topOfRun(b)
		t.line(w, b.Total, b.Use, lead+corner+branchName(top, layers))
		t.branches(w, lead+below, top.Layers)
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
		name = "below " + count(n, "image")
	}
	name += ": " + count(layers, "layer")
	if n := top.Steps.Records; n > 0 {
		name += ", " + count(n, "step")
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

func (t duTable) line(w io.Writer, bytes cache.Bytes, use cache.Use, name string) {
	states := ""
	if t.plan {
		states = fmt.Sprintf("%s\t%s\t%s\t", size(bytes.Live), size(bytes.Dead), size(bytes.Foreign))
	}
	last := "-"
	if !use.Last.IsZero() {
		last = units.HumanDuration(t.now.Sub(use.Last)) + " ago"
	}
	fmt.Fprintf(w, "%s\t%s%d\t%d\t%s\t%s\n", size(bytes.Sum()), states, use.Records, use.InUse, last, name)
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

func size(bytes int64) string { return bytesize.Text(bytes) }

// count is a number with its noun: 1 layer, 2 layers.
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// nodeUsage is a node in the output of stoker du --format json, which the
// command's help describes. Fields may be added, none changed.
type nodeUsage struct {
	Node   string       `json:"node"`
	Total  usage        `json:"total"`
	Layers []layerUsage `json:"layers"`
	Other  []otherUsage `json:"other"`
}

type layerUsage struct {
	Image  string       `json:"image"`
	ID     string       `json:"id"`
	Bytes  int64        `json:"bytes"`
	State  string       `json:"state,omitempty"`
	Reason string       `json:"reason,omitempty"`
	Steps  sum          `json:"steps"`
	Total  usage        `json:"total"`
	Layers []layerUsage `json:"layers"`
}

type otherUsage struct {
	Kind  string `json:"kind"`
	Total usage  `json:"total"`
}

type usage struct {
	sum
	InUse    int         `json:"in_use"`
	LastUsed *time.Time  `json:"last_used"`
	States   *stateBytes `json:"states,omitempty"`
}

type stateBytes struct {
	Live    int64 `json:"live"`
	Dead    int64 `json:"dead"`
	Foreign int64 `json:"foreign"`
}

// sum is a cache.Sum in JSON.
type sum struct {
	Records int   `json:"records"`
	Bytes   int64 `json:"bytes"`
}

func usagesOf(caches []nodeCache, plan bool) []nodeUsage {
	usages := make([]nodeUsage, len(caches))
	for i, c := range caches {
		tree := c.Report.Tree()
		bytes, use := tree.Total()
		usages[i] = nodeUsage{
			Node: c.node.Name(), Total: usageOf(bytes, use, plan),
			Layers: layersOf(tree.Layers, plan), Other: []otherUsage{},
		}
		for _, k := range tree.Kinds {
			usages[i].Other = append(usages[i].Other, otherUsage{k.Name, usageOf(k.Total, k.Use, plan)})
		}
	}
	return usages
}

func layersOf(branches []*cache.Branch, plan bool) []layerUsage {
	list := []layerUsage{}
	for _, b := range branches {
		l := layerUsage{
			Image: b.Ref, ID: b.Record.ID, Bytes: b.Record.Size, Steps: sum(b.Steps),
			Total: usageOf(b.Total, b.Use, plan), Layers: layersOf(b.Layers, plan),
		}
		if plan {
			l.State, l.Reason = b.Verdict.State.String(), b.Verdict.Reason.String()
		}
		list = append(list, l)
	}
	return list
}

func usageOf(bytes cache.Bytes, use cache.Use, plan bool) usage {
	u := usage{sum: sum{use.Records, bytes.Sum()}, InUse: use.InUse}
	if !use.Last.IsZero() {
		u.LastUsed = &use.Last
	}
	if plan {
		u.States = &stateBytes{bytes.Live, bytes.Dead, bytes.Foreign}
	}
	return u
}
