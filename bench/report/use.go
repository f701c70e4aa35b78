package report

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Moment is how many bytes of a disk were in use at a moment.
type Moment struct {
	Seconds float64 `json:"s"`
	Bytes   float64 `json:"bytes"`
}

// Limit is what a disk can hold, and what is said about that.
type Limit struct {
	Bytes float64 `json:"bytes"`
	Name  string  `json:"name"`
}

// points is how many moments are enough for a curve as wide as a chart.
const points = 240

// Thin takes the highest moment of each of as many stretches of time as a chart can show, and the last.
func Thin(moments []Moment) []Moment {
	if len(moments) <= points {
		return moments
	}
	last := moments[len(moments)-1]
	stretch := last.Seconds / points
	var thin []Moment
	for _, m := range moments[:len(moments)-1] {
		if n := len(thin); n == 0 || m.Seconds >= float64(n)*stretch {
			thin = append(thin, m)
		} else if m.Bytes > thin[n-1].Bytes {
			thin[n-1] = m
		}
	}
	return append(thin, last)
}

// The measures of a chart of the disk's use, in pixels.
const (
	useWidth  = 860
	useTitle  = 36 // the title's baseline
	keyTop    = 64 // the baseline of the first way's line in the key
	keyStep   = 22
	keyMark   = 34 // the length of a way's line in the key
	plotLeft  = 72
	plotRight = useWidth - 28
	plotSpace = 300 // the plot's height
	useMargin = 24
)

// theirLines is how many looks of lines there are for the ways of others.
const theirLines = 5

// useStyle is light, and dark where the reader's system is.
const useStyle = `text{font:13px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;fill:#24272b}
.title{font-size:17px;font-weight:600}.middle{text-anchor:middle}.right{text-anchor:end}.strong{font-weight:600}
path{fill:none;stroke-width:2;stroke-linejoin:round}.grid{stroke-width:1}.limit{stroke-dasharray:6 4}.cross{stroke-width:2.5}
.ours{stroke-width:3}.area{fill-opacity:.13}
.frame{fill:#fbfbfa;stroke:#d5d8dc}.grid{stroke:#e4e6e9}.axis{fill:#5c636b}.limit,.cross{stroke:#b3261e}.full{fill:#b3261e}
.ours{stroke:#d9480f}.area,.dot{fill:#d9480f}.way0{stroke:#6d7883}.way1{stroke:#0b5cad}.way2{stroke:#7b3fb5}.way3{stroke:#0f6f78}.way4{stroke:#8a6a00}
@media(prefers-color-scheme:dark){text{fill:#e4e7ea}
.frame{fill:#15181c;stroke:#343a41}.grid{stroke:#262b31}.axis{fill:#a3abb4}.limit,.cross{stroke:#ff8078}.full{fill:#ff8078}
.ours{stroke:#ff8a50}.area,.dot{fill:#ff8a50}.way0{stroke:#98a1ab}.way1{stroke:#6cb2f7}.way2{stroke:#c79bf2}.way3{stroke:#56c8d0}.way4{stroke:#d9b84a}}
`

// UseChart is an SVG of how the use of the disk went in each way, with the disk's size as a line and how each way ended
// in words. A cross stands where a way had filled the disk.
func (r Report) UseChart() string {
	p := r.plot()
	height := p.bottom + 2*useMargin
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img" aria-labelledby="title desc">
<title id="title">%s</title>
<desc id="desc">%s</desc>
<style>
%s</style>
<rect class="frame" x=".5" y=".5" width="%d" height="%d" rx="8"/>
<text class="title" x="%d" y="%d">%[3]s</text>
`, useWidth, height, html.EscapeString(r.Title), html.EscapeString(r.useText()), useStyle, useWidth-1, height-1, useMargin, useTitle)
	p.axes(&out)
	for i, row := range r.Rows {
		class := fmt.Sprintf("way%d", i%theirLines)
		if row.Ours {
			class = "ours"
		}
		p.key(&out, row, class, keyTop+i*keyStep)
		p.way(&out, row, class)
	}
	out.WriteString("</svg>\n")
	return out.String()
}

// useText tells what the chart shows.
func (r Report) useText() string {
	var lines []string
	for _, row := range r.Rows {
		lines = append(lines, row.Way+": "+r.outcome(row)+".")
	}
	return fmt.Sprintf("A line at %s: %s. ", size(r.Limit.Bytes), r.Limit.Name) + strings.Join(lines, " ")
}

// outcome is how a way ended.
func (r Report) outcome(row Row) string {
	if row.Short != "" {
		return "disk full, " + row.Short
	}
	return fmt.Sprintf("all %.0f built in %.0f s, peak %s", row.Values["built"], row.Values["wall"], size(row.Values["disk"]))
}

// plot is the area of a chart with its scales.
type plot struct {
	Report
	seconds, bytes float64 // at the ends of the axes
	top, bottom    int
}

func (r Report) plot() plot {
	p := plot{Report: r, bytes: r.Limit.Bytes, top: keyTop + len(r.Rows)*keyStep + useMargin/2}
	p.bottom = p.top + plotSpace
	for _, row := range r.Rows {
		for _, m := range row.Use {
			p.seconds, p.bytes = max(p.seconds, m.Seconds), max(p.bytes, m.Bytes)
		}
	}
	p.seconds *= 1.02
	p.bytes = math.Ceil(p.bytes/tick(p.bytes)+0.2) * tick(p.bytes)
	return p
}

// tick is the distance of the lines on an axis: 1, 2 or 5 times a power of ten.
func tick(end float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(max(end, 1)/4)))
	for _, times := range []float64{1, 2, 5} {
		if end/(times*power) <= 8 {
			return times * power
		}
	}
	return 10 * power
}

func (p plot) x(seconds float64) float64 {
	return plotLeft + seconds/max(p.seconds, 1)*(plotRight-plotLeft)
}
func (p plot) y(bytes float64) float64 { return float64(p.bottom) - bytes/p.bytes*plotSpace }

func (p plot) axes(out *strings.Builder) {
	for v := 0.0; v <= p.bytes; v += tick(p.bytes) {
		fmt.Fprintf(out, `<path class="grid" d="M%d %.1fH%d"/><text class="axis right" x="%d" y="%.1f">%s</text>`+"\n",
			plotLeft, p.y(v), plotRight, plotLeft-8, p.y(v)+4, axisSize(v))
	}
	for v := 0.0; v <= p.seconds; v += tick(p.seconds) {
		fmt.Fprintf(out, `<text class="axis middle" x="%.1f" y="%d">%.0f s</text>`+"\n", p.x(v), p.bottom+22, v)
	}
	fmt.Fprintf(out, `<path class="limit" d="M%d %.1fH%d"/><text class="full right" x="%d" y="%.1f">%s</text>`+"\n",
		plotLeft, p.y(p.Limit.Bytes), plotRight, plotRight-2, p.y(p.Limit.Bytes)-7, html.EscapeString(p.Limit.Name))
}

// axisSize is a size without the digits that all sizes of an axis have in common.
func axisSize(v float64) string {
	if v == 0 {
		return "0"
	}
	number, unit, _ := strings.Cut(size(v), " ")
	if strings.Contains(number, ".") {
		number = strings.TrimSuffix(strings.TrimRight(number, "0"), ".")
	}
	return number + " " + unit
}

// key is a way's line in the key: how it looks, what it is, and how it ended.
func (p plot) key(out *strings.Builder, row Row, class string, y int) {
	name, end := "", "axis"
	if row.Ours {
		name = ` class="strong"`
	}
	if row.Short != "" {
		end = "full"
	}
	fmt.Fprintf(out, `<path class="%s" d="M%d %dh%d"/>`, class, useMargin, y-4, keyMark)
	p.mark(out, row, place{useMargin + keyMark, float64(y - 4)})
	fmt.Fprintf(out, `<text%s x="%d" y="%d">%s: <tspan class="%s">%s</tspan></text>`+"\n",
		name, useMargin+keyMark+16, y, html.EscapeString(row.Way), end, html.EscapeString(p.outcome(row)))
}

// way draws how the use went. The area below a curve of ours is filled.
func (p plot) way(out *strings.Builder, row Row, class string) {
	if len(row.Use) == 0 {
		return
	}
	var curve strings.Builder
	command := "M"
	var end place
	for _, m := range row.Use {
		end = place{p.x(m.Seconds), p.y(m.Bytes)}
		fmt.Fprintf(&curve, "%s%.1f %.1f", command, end.x, end.y)
		command = "L"
	}
	if row.Ours {
		fmt.Fprintf(out, `<path class="area" d="%sV%dH%.1fZ"/>`, curve.String(), p.bottom, p.x(row.Use[0].Seconds))
	}
	fmt.Fprintf(out, `<path class="%s" d="%s"/>`, class, curve.String())
	p.mark(out, row, end)
	out.WriteString("\n")
}

type place struct{ x, y float64 }

// mark is what stands at a curve's end where that says something.
func (p plot) mark(out *strings.Builder, row Row, at place) {
	switch {
	case row.Short != "":
		fmt.Fprintf(out, `<path class="cross" d="M%.1f %.1fl10 10m0 -10l-10 10"/>`, at.x-5, at.y-5)
	case row.Ours:
		fmt.Fprintf(out, `<circle class="dot" cx="%.1f" cy="%.1f" r="4.5"/>`, at.x, at.y)
	}
}
