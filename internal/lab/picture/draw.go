package picture

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
	"text/template"
)

// The measures of a picture, in pixels.
const (
	cellWidth  = 8.4
	cellHeight = 18
	ascent     = 13.5 // from a row's top to the line that its text stands on
	padding    = 16
	barHeight  = 34 // of the window's title bar
	barText    = 21 // the baseline of the title in it
)

// Caption is what a picture says about itself.
type Caption struct {
	// Title stands in the window's title bar, and is read to those who do not see the picture.
	Title string
	// Description is read to them, too.
	Description string
}

// Still draws one screen. It is as wide as columns cells and as high as the screen's last row that is not empty.
func Still(s Screen, columns int, caption Caption) []byte {
	s = s.Trim()
	b := &builder{rows: map[string]int{}}
	frame := b.frame(s)
	return b.picture(size{columns, len(s)}, caption, "", frame)
}

// size is of a screen, in cells.
type size struct{ columns, rows int }

func (s size) Width() float64 { return float64(s.columns) * cellWidth }
func (s size) Height() int    { return s.rows * cellHeight }

// builder collects rows, each of which is written once however many frames show it.
type builder struct {
	rows map[string]int // their numbers, by how they are drawn
	defs strings.Builder
}

// frame is one screen, as references to its rows.
func (b *builder) frame(s Screen) string {
	var out strings.Builder
	for y, row := range s {
		drawn := drawRow(row)
		if drawn == "" {
			continue
		}
		n, known := b.rows[drawn]
		if !known {
			n = len(b.rows)
			b.rows[drawn] = n
			fmt.Fprintf(&b.defs, "<g id=\"r%d\">%s</g>\n", n, drawn)
		}
		if y == 0 {
			fmt.Fprintf(&out, `<use href="#r%d"/>`, n)
		} else {
			fmt.Fprintf(&out, `<use href="#r%d" y="%d"/>`, n, y*cellHeight)
		}
	}
	return out.String()
}

// document is a picture: a window with a title bar, and the frames in it as far as they are within.
var document = template.Must(template.New("picture").Funcs(template.FuncMap{"escape": escape, "number": number}).Parse(
	`<svg xmlns="http://www.w3.org/2000/svg" width="{{number .Width}}" height="{{.Height}}" viewBox="0 0 {{number .Width}} {{.Height}}" ` +
		`xml:space="preserve" role="img" aria-labelledby="title desc">
<title id="title">{{escape .Title}}</title>
<desc id="desc">{{escape .Description}}</desc>
<style>
{{.Style}}</style>
<defs>
{{.Rows}}</defs>
<rect class="window" x=".5" y=".5" width="{{number .Right}}" height="{{.Bottom}}" rx="8"/>
<path class="line" d="M1 {{.Bar}}.5H{{number .Right}}"/>
<g class="button"><circle cx="20" cy="17" r="5.5"/><circle cx="38" cy="17" r="5.5"/><circle cx="56" cy="17" r="5.5"/></g>
{{.Head}}
<svg x="{{.X}}" y="{{.Y}}" width="{{number .Size.Width}}" height="{{.Size.Height}}" ` +
		`viewBox="0 {{number .Top}} {{number .Size.Width}} {{.Size.Height}}">{{.Frames}}</svg>
</svg>
`))

// picture is the whole document around the frames.
func (b *builder) picture(s size, c Caption, style, frames string) []byte {
	const above = barHeight + padding/2 + 2
	width, height := s.Width()+2*padding, above+s.Height()+padding-2
	var out bytes.Buffer
	// A buffer takes everything, and the template is that of a test.
	_ = document.Execute(&out, map[string]any{
		"Width": width, "Height": height, "Right": width - 1, "Bottom": height - 1, "Bar": barHeight,
		"Title": c.Title, "Description": c.Description, "Head": title(c.Title, width),
		"Style": theme() + style, "Rows": b.defs.String(), "Frames": frames,
		"X": padding, "Y": above, "Size": s, "Top": -ascent,
	})
	return out.Bytes()
}

// title is the window's title between the buttons and the right edge, as far as there is room for it.
func title(text string, width float64) string {
	const buttons, glyph = 70, 6.2 // what a glyph of the title takes, about
	room := int((width - buttons - padding) / glyph)
	if letters := []rune(text); len(letters) > room {
		text = strings.TrimSpace(string(letters[:max(room-1, 0)])) + "…"
	}
	return fmt.Sprintf("<text class=\"title\" x=\"%s\" y=\"%d\">%s</text>", number((buttons+width-padding)/2), barText, escape(text))
}

// drawRow draws a row whose text stands on a line at 0.
func drawRow(row []Cell) string {
	var out strings.Builder
	for _, p := range pieces(row) {
		out.WriteString(p.draw())
	}
	return out.String()
}

func (p piece) draw() string {
	x, width := number(float64(p.from)*cellWidth), number(float64(p.width)*cellWidth)
	background := ""
	if p.style.Background != "" {
		paint := Style{Foreground: p.style.Background}
		background = fmt.Sprintf(`<rect x="%s" y="%s" width="%s" height="%d"%s/>`, x, number(-ascent), width, cellHeight, paint.attributes())
	}
	switch {
	case strings.TrimSpace(p.text) == "":
		return background
	case isBlock([]rune(p.text)[0]):
		return background + p.block()
	case p.width == 1:
		return background + fmt.Sprintf(`<text x="%s"%s>%s</text>`, x, p.style.attributes(), escape(p.text))
	}
	return background + fmt.Sprintf(`<text x="%s" textLength="%s"%s>%s</text>`, x, width, p.style.attributes(), escape(p.text))
}

// attributes are the colour and the classes of what is drawn in a style.
func (s Style) attributes(classes ...string) string {
	fill := ""
	if strings.HasPrefix(string(s.Foreground), "#") {
		fill = fmt.Sprintf(` style="fill:%s"`, s.Foreground)
	} else if s.Foreground != "" {
		classes = append(classes, string(s.Foreground))
	}
	for _, look := range []struct {
		has   bool
		class string
	}{{s.Bold, "b"}, {s.Faint, "f"}, {s.Italic, "i"}, {s.Underline, "u"}} {
		if look.has {
			classes = append(classes, look.class)
		}
	}
	if len(classes) == 0 {
		return fill
	}
	return fill + fmt.Sprintf(` class="%s"`, strings.Join(classes, " "))
}

// blocks are the glyphs that are drawn as shapes, since fonts leave seams between them.
var blocks = map[rune]struct {
	class   string // how strong its shade is
	eighths int    // its height
}{
	'█': {"s4", 8}, '▓': {"s3", 8}, '▒': {"s2", 8}, '░': {"s1", 8},
	'▇': {"s4", 7}, '▆': {"s4", 6}, '▅': {"s4", 5}, '▄': {"s4", 4}, '▃': {"s4", 3}, '▂': {"s4", 2}, '▁': {"s4", 1},
	diagonal: {"s4", 8},
}

// diagonal fills two quarters of its cell.
const diagonal = '▞'

func isBlock(r rune) bool {
	_, is := blocks[r]
	return is
}

// block draws one glyph as often as the piece has it. It keeps some distance from the rows above and below.
func (p piece) block() string {
	const gap, height = 2, cellHeight - 4
	glyph := []rune(p.text)[0]
	look := p.style
	look.Faint = false // the shade says it
	attributes := look.attributes(blocks[glyph].class)
	left, top := float64(p.from)*cellWidth, gap-ascent
	if glyph != diagonal {
		high := height * float64(blocks[glyph].eighths) / 8
		return fmt.Sprintf(`<rect x="%s" y="%s" width="%s" height="%s"%s/>`,
			number(left), number(top+height-high), number(float64(p.width)*cellWidth), number(high), attributes)
	}
	quarter := func(x, y float64) string {
		return fmt.Sprintf("M%s %sh%sv%dh-%sz", number(x), number(y), number(cellWidth/2), height/2, number(cellWidth/2))
	}
	var path strings.Builder
	for i := range p.width {
		x := left + float64(i)*cellWidth
		path.WriteString(quarter(x+cellWidth/2, top) + quarter(x, top+height/2))
	}
	return fmt.Sprintf(`<path d="%s"%s/>`, path.String(), attributes)
}

// number is a measure to a tenth of a pixel.
func number(v float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0") }

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
	return strings.NewReplacer("&#xA;", "\n", "&#34;", `"`, "&#39;", "'").Replace(b.String())
}
