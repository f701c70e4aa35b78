// Package picture draws what a terminal shows as SVG: one screen, or a film of several. It is pure:
// the same cells always give the same text. The pictures have no scripts, and are light or dark as
// the reader's system is.
package picture

import (
	"fmt"
	"slices"
	"strings"
)

// Screen is what a terminal shows at one moment: rows of cells, from the top.
type Screen [][]Cell

// Cell is one place of a screen. The second cell of a wide character has no text.
type Cell struct {
	Text  string
	Width int // in places; 0 for the second cell of a wide character
	Style Style
}

// Style is how a cell looks.
type Style struct {
	Foreground, Background Colour
	Bold, Faint, Italic    bool
	Underline              bool
}

// Colour is empty for the terminal's own, else what Named or RGB gives.
type Colour string

// Named is one of the terminal's sixteen colours, which are others in light and dark.
func Named(n int) Colour { return Colour(fmt.Sprintf("c%d", n)) }

// RGB is a colour that is the same in light and dark.
func RGB(r, g, b uint8) Colour { return Colour(fmt.Sprintf("#%02x%02x%02x", r, g, b)) }

// Text is the screen without colours, without blanks at the ends of rows and below the last.
func (s Screen) Text() string {
	var rows []string
	for _, row := range s {
		var b strings.Builder
		for _, cell := range row {
			b.WriteString(cell.Text)
		}
		rows = append(rows, strings.TrimRight(b.String(), " "))
	}
	return strings.TrimRight(strings.Join(rows, "\n"), "\n")
}

// Trim drops the empty rows at the end.
func (s Screen) Trim() Screen {
	end := len(s)
	for end > 0 && len(pieces(s[end-1])) == 0 {
		end--
	}
	return s[:end]
}

// Equal tells whether two screens look the same.
func (s Screen) Equal(other Screen) bool {
	return slices.EqualFunc(s, other, func(a, b []Cell) bool { return slices.Equal(a, b) })
}

// piece is a part of a row that is drawn at once: text, or one glyph again and again.
type piece struct {
	from, width int // in cells
	text        string
	style       Style
}

// pieces divides a row. Blanks between words of one style belong to a piece, more than one blank end it:
// each piece begins at its own place, so that what stands below each other does so in every font.
func pieces(row []Cell) []piece {
	var all []piece
	at, blanks := 0, 0
	for _, cell := range row {
		switch {
		case cell.Width == 0:
			continue
		case blank(cell):
			blanks++
		case len(all) > 0 && blanks <= 1 && joins(all[len(all)-1], cell, blanks):
			last := &all[len(all)-1]
			last.text += strings.Repeat(" ", blanks) + cell.Text
			last.width += blanks + cell.Width
			blanks = 0
		default:
			all = append(all, piece{from: at, width: cell.Width, text: cell.Text, style: cell.Style})
			blanks = 0
		}
		at += cell.Width
	}
	return all
}

// blank tells whether a cell shows nothing.
func blank(c Cell) bool {
	return strings.TrimSpace(c.Text) == "" && c.Style.Background == "" && !c.Style.Underline
}

// joins tells whether a cell goes on with a piece. Glyphs that are drawn as shapes stand by themselves.
func joins(p piece, c Cell, blanks int) bool {
	if p.style != c.Style {
		return false
	}
	first := []rune(p.text)[0]
	if isBlock(first) || isBlock([]rune(c.Text)[0]) {
		return blanks == 0 && c.Text == string(first)
	}
	return true
}
