package report

import (
	"fmt"
	"html"
	"strings"
)

// The measures of a chart, in pixels.
const (
	chartWidth  = 860
	margin      = 16
	labelWidth  = 300 // of the ways' names
	valueWidth  = 150 // of the text behind the longest bar
	barHeight   = 18
	barStep     = 26
	titleHeight = 30 // of a panel's title
	headHeight  = 34 // of the chart's
	panelGap    = 14
)

// The colours: Stoker's ways stand out, a way that fell short is pale.
const (
	ourColour   = "#d9480f"
	theirColour = "#5c7080"
	paleOpacity = "0.4"
)

// Chart is an SVG with a panel of horizontal bars for each column that is to be charted.
func (r Report) Chart() string {
	var panels strings.Builder
	y := margin + headHeight
	for _, c := range r.Columns {
		if c.Chart {
			y = r.panel(&panels, c, y)
		}
	}
	height := y - panelGap + margin
	title := html.EscapeString(r.Title)
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d"`+
		` font-family="Helvetica, Arial, sans-serif" font-size="13" role="img" aria-label="%s">
<rect width="100%%" height="100%%" rx="6" fill="#ffffff"/>
<text x="%d" y="%d" font-size="16" font-weight="bold" fill="#1c2127">%s</text>
%s</svg>
`, chartWidth, height, chartWidth, height, title, margin, margin+headHeight/2, title, panels.String())
}

// panel draws one column from y downwards and returns where the next panel begins.
func (r Report) panel(b *strings.Builder, c Column, y int) int {
	fmt.Fprintf(b, `<text x="%d" y="%d" font-weight="bold" fill="#1c2127">%s</text>`+"\n",
		margin, y+titleHeight/2, html.EscapeString(c.Title))
	y += titleHeight
	largest := r.largest(c)
	for _, row := range r.Rows {
		r.bar(b, row, c, y, largest)
		y += barStep
	}
	return y + panelGap
}

func (r Report) largest(c Column) float64 {
	var largest float64
	for _, row := range r.Rows {
		largest = max(largest, row.Values[c.Key])
	}
	return largest
}

// bar draws one way's bar with its name before and its value behind it.
func (r Report) bar(b *strings.Builder, row Row, c Column, y int, largest float64) {
	const left = margin + labelWidth
	const room = chartWidth - left - valueWidth - margin
	width := 0.0
	if largest > 0 {
		width = max(1, room*row.Values[c.Key]/largest)
	}
	colour, opacity, text := theirColour, "1", row.cell(c)
	if row.Ours {
		colour = ourColour
	}
	if row.Short != "" {
		opacity = paleOpacity
		if c.Unit != Count {
			// A count says itself how much is missing.
			text += " (" + row.Short + ")"
		}
	}
	base := y + barHeight - 5
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end" fill="#1c2127">%s</text>`,
		left-8, base, html.EscapeString(row.Way))
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" rx="2" fill="%s" fill-opacity="%s"/>`,
		left, y, width, barHeight, colour, opacity)
	fmt.Fprintf(b, `<text x="%.1f" y="%d" fill="#1c2127">%s</text>`+"\n",
		left+width+6, base, html.EscapeString(text))
}
