package show

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/node"
	"github.com/stoker-build/stoker/internal/visible"
)

const (
	// mostGauges is of how many nodes it is shown how full they are: of the fullest.
	mostGauges = 3
	// A gauge is as wide as there is room for, within these bounds; with less room it is
	// left out, and the figures stay.
	leastGauge, widestGauge = 10, 48
)

// sampled notes how full a node is.
func (s *State) sampled(e journal.Sampled) {
	if s.samples == nil {
		s.samples = map[string]journal.Sampled{}
	}
	s.samples[visible.Line(e.Node)] = e
}

// fullest are the last samples of all nodes, the fullest node first.
func (s *State) fullest() []journal.Sampled {
	var all []journal.Sampled
	for _, e := range s.samples {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b journal.Sampled) int {
		return cmp.Or(cmp.Compare(fullness(b), fullness(a)), cmp.Compare(a.Node, b.Node))
	})
	return all
}

// fullness is the share of what may be used that is used or promised.
func fullness(e journal.Sampled) float64 {
	if e.HighBytes <= 0 {
		return 0
	}
	return float64(e.UsedBytes+e.ReservedBytes) / float64(e.HighBytes)
}

// gauging draws how full nodes are, and what waits for them.
type gauging struct{ frame }

// gauges are how full the fullest nodes are, and what fills their caches.
func (f gauging) gauges() []string {
	most := mostGauges
	if f.height < 20 {
		most = 1
	}
	all := f.fullest()
	all = all[:min(len(all), most)]
	var lines []string
	for _, e := range all {
		lines = append(lines, f.gauge(e)...)
	}
	return lines
}

// gauge is how full one node is: a bar as long as all that may be used, with a mark at the low
// watermark, and figures. The bar's end is the high one.
func (f gauging) gauge(e journal.Sampled) []string {
	name := joined(" ", f.nodeWord(f.nodeOf(e.Node)), boundWord(e.Bound))
	parts := partsText(e.Cache)
	switch {
	case e.Bound == "" && parts == "":
		return nil
	case e.Bound == "":
		return []string{joined(" ", name, f.dim(parts))}
	case e.Unknown:
		return []string{f.warn(joined(" ", f.nodeWord(f.nodeOf(e.Node)), visible.Line(e.Bound)) + ": how full it is cannot be read")}
	}
	line := name + " " + size(e.UsedBytes) + " of " + size(e.HighBytes)
	for _, figures := range figuresOf(e) {
		if room := min(f.columns()-ansi.StringWidth(name+figures)-2, widestGauge); room >= leastGauge {
			line = name + " " + f.level(e, room) + " " + figures
			break
		}
	}
	if parts == "" {
		return []string{line}
	}
	return flow([]string{line, f.dim(parts)}, " · ", f.width)
}

// figuresOf says what a gauge shows, in ever fewer words.
func figuresOf(e journal.Sampled) []string {
	used, high, low := size(e.UsedBytes), " of "+size(e.HighBytes), ""
	if e.LowBytes > 0 && e.LowBytes < e.HighBytes {
		low = ", low " + size(e.LowBytes)
	}
	if e.ReservedBytes == 0 {
		return []string{used + high + low, used + high}
	}
	promised := " + " + size(e.ReservedBytes)
	return []string{used + promised + " promised" + high + low, used + promised + high + low, used + promised + high, used + high}
}

// boundWord is a bound in a word: where the disk is matters to nobody who watches.
func boundWord(bound string) string {
	switch {
	case strings.HasPrefix(bound, "the disk of "):
		return "disk"
	case bound == node.BudgetName:
		return "budget"
	}
	return visible.Line(bound)
}

// level is the bar of a gauge: used, promised, free.
func (f gauging) level(e journal.Sampled, cells int) string {
	at := func(bytes int64) int {
		return min(max(int(float64(bytes)*float64(cells)/float64(max(e.HighBytes, 1))+0.5), 0), cells)
	}
	used, promised, low := at(e.UsedBytes), at(e.UsedBytes+e.ReservedBytes), at(e.LowBytes)
	paint := f.good
	switch {
	case e.UsedBytes >= e.HighBytes:
		paint = f.bad
	case e.LowBytes > 0 && e.UsedBytes >= e.LowBytes:
		paint = f.warn
	}
	var b strings.Builder
	for i := range cells {
		switch {
		case i == low && 0 < low:
			b.WriteString("│")
		case i < used:
			b.WriteString(paint("█"))
		case i < promised:
			b.WriteString(f.info("▒"))
		default:
			b.WriteString(f.dim("░"))
		}
	}
	return b.String()
}

// partsText tells what a cache is made of; empty where that is not known.
func partsText(p *journal.Parts) string {
	if p == nil {
		return ""
	}
	all := p.Live + p.Dead + p.Foreign + p.LeftOver
	if all <= 0 {
		return ""
	}
	var parts []string
	for _, x := range []struct {
		bytes int64
		name  string
	}{{p.Live, "live"}, {p.Dead, "dead"}, {p.Foreign, "foreign"}, {p.LeftOver, "left over"}} {
		if x.bytes > 0 {
			parts = append(parts, percent(x.bytes, all)+" "+x.name)
		}
	}
	return "cache " + size(all) + ": " + strings.Join(parts, ", ")
}

// percent is a share, of which a little is told from nothing.
func percent(part, all int64) string {
	if share := int(float64(part)*100/float64(all) + 0.5); share > 0 {
		return fmt.Sprintf("%d%%", share)
	}
	return "<1%"
}

// waits tell how many jobs wait, and for what.
func (f gauging) waits() []string {
	total := map[string]int{}
	for _, e := range f.samples {
		for reason, n := range e.Waiting {
			total[reason] += n
		}
	}
	var parts []string
	for _, x := range waitTexts {
		if n := total[x.reason]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d for %s", n, x.text))
			delete(total, x.reason)
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(total)) {
		parts = append(parts, fmt.Sprintf("%d for %s", total[reason], visible.Line(reason)))
	}
	if len(parts) == 0 || f.stopping != "" {
		return nil
	}
	parts[0] = "waiting: " + parts[0]
	return []string{truncate(strings.Join(parts, ", "), f.width)}
}

// waitTexts say what jobs wait for, in the order in which that is told: what needs a look first.
var waitTexts = []struct{ reason, text string }{
	{"space", "space"}, {"registry", "a registry"}, {"node", "a node"},
	{"pause", "their next attempt"}, {"image", "another image"}, {"worker", "a worker"},
}
