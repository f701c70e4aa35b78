package picture

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// row is a row of a screen, each rune a cell in a style.
func row(text string, style Style) []Cell {
	var cells []Cell
	for _, r := range text {
		cells = append(cells, Cell{Text: string(r), Width: 1, Style: style})
	}
	return cells
}

// rows is a screen of plain text.
func rows(lines ...string) Screen {
	var s Screen
	for _, line := range lines {
		s = append(s, row(line, Style{}))
	}
	return s
}

func TestDrawRow(t *testing.T) {
	green, faint := Style{Foreground: Named(2)}, Style{Faint: true}
	for _, c := range []struct {
		name string
		row  []Cell
		want string
	}{
		{"nothing", nil, ""},
		{"blanks", row("   ", Style{}), ""},
		{"words of one piece", row("ab cd", Style{}), `<text x="0" textLength="42">ab cd</text>`},
		{"blanks divide", row(" ab  c", Style{}), `<text x="8.4" textLength="16.8">ab</text><text x="42">c</text>`},
		{"styles divide", append(row("ab", green), row("cd", faint)...),
			`<text x="0" textLength="16.8" class="c2">ab</text><text x="16.8" textLength="16.8" class="f">cd</text>`},
		{"all of a style", row("a", Style{Foreground: RGB(1, 2, 255), Bold: true, Italic: true, Underline: true}),
			`<text x="0" style="fill:#0102ff" class="b i u">a</text>`},
		{"a background is drawn below blanks, too", row(" a", Style{Background: Named(1)}),
			`<rect x="0" y="-13.5" width="16.8" height="18" class="c1"/><text x="0" textLength="16.8"> a</text>`},
		{"what has a meaning in XML", row("<&", Style{}), `<text x="0" textLength="16.8">&lt;&amp;</text>`},
		{"a wide character takes two places", []Cell{{Text: "世", Width: 2}, {}, {Text: "a", Width: 1}},
			`<text x="0" textLength="25.2">世a</text>`},
		{"a bar", append(row("██", green), row("░a", faint)...),
			`<rect x="0" y="-11.5" width="16.8" height="14" class="s4 c2"/><rect x="16.8" y="-11.5" width="8.4" height="14" class="s1"/>` +
				`<text x="25.2" class="f">a</text>`},
		{"a low block stands on the ground", row("▂", Style{}), `<rect x="0" y="-1" width="8.4" height="3.5" class="s4"/>`},
		{"two quarters", row("▞", Style{}), `<path d="M4.2 -11.5h4.2v7h-4.2zM0 -4.5h4.2v7h-4.2z" class="s4"/>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := drawRow(c.row); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestStill(t *testing.T) {
	got := string(Still(rows("one  ", "two", "one", "", ""), 10, Caption{Title: "a <title>", Description: "one & two"}))
	wellFormed(t, got)
	for _, want := range []string{
		`<title id="title">a &lt;title&gt;</title>`, `<desc id="desc">one &amp; two</desc>`, `aria-labelledby="title desc"`,
		`<use href="#r0"/><use href="#r1" y="18"/><use href="#r0" y="36"/>`, `width="84" height="54"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if n := strings.Count(got, ">one<"); n != 1 {
		t.Errorf("an equal row is written %d times", n)
	}
}

func TestLongTitleIsCut(t *testing.T) {
	if got := title(strings.Repeat("t", 100), 300); !strings.Contains(got, "…<") || strings.Count(got, "t") > 50 {
		t.Errorf("got %s", got)
	}
}

// screens are frames with one number each, a tenth of a second apart.
func screens(numbers ...int) []Frame {
	var all []Frame
	for i, n := range numbers {
		all = append(all, Frame{time.Duration(i) * 100 * time.Millisecond, rows(fmt.Sprint(n))})
	}
	return all
}

func TestCut(t *testing.T) {
	half := Cut{Length: 200 * time.Millisecond, Rate: 20, Hold: time.Second}
	for _, c := range []struct {
		name   string
		cut    Cut
		frames []Frame
		want   string
	}{
		{"twice as fast, as many a second as there may be", half, screens(0, 1, 2, 3, 4), "0:0 50:1 100:2 150:3 200:4"},
		{"fewer a second", Cut{Length: 200 * time.Millisecond, Rate: 10}, screens(0, 1, 2, 3, 4), "0:0 100:2 200:4"},
		{"what does not change is one frame", half, screens(0, 0, 1, 1, 1), "0:0 100:1"},
		{"the last is shown where there is no time for it", Cut{Length: 250 * time.Millisecond, Rate: 10}, screens(0, 1, 2, 3, 4, 5), "0:0 100:2 200:4 250:5"},
		{"one frame", half, screens(7), "0:7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, f := range c.cut.apply(c.frames) {
				got = append(got, fmt.Sprintf("%d:%s", f.At.Milliseconds(), f.Screen.Text()))
			}
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("got %s, want %s", text, c.want)
			}
		})
	}
}

func TestFilm(t *testing.T) {
	cut := Cut{Length: time.Second, Rate: 10, Hold: time.Second, Poster: 0.5}
	got := string(Film([]Frame{{0, rows("a")}, {time.Second / 2, rows("a", "b")}, {time.Second, rows("c", "b")}}, 10, cut, Caption{Title: "t"}))
	wellFormed(t, got)
	for _, want := range []string{
		"@keyframes film{0%{transform:translateY(-0px)}25%{transform:translateY(-36px)}50%{transform:translateY(-72px)}}",
		".film{transform:translateY(-36px);animation:film 2.0s step-end infinite}", "prefers-reduced-motion:reduce",
		`<g transform="translate(0 36)"><use href="#r0"/><use href="#r1" y="18"/></g>`,
		`<g transform="translate(0 72)"><use href="#r2"/><use href="#r1" y="18"/></g>`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "<script") {
		t.Error("a picture has a script")
	}
}

// Every colour can be read on its window: the contrast is at least what WCAG 2 asks for text.
func TestContrast(t *testing.T) {
	const least = 4.5
	for name, scheme := range map[string]colours{"light": light, "dark": dark} {
		for i, colour := range append(scheme.named[:], scheme.text, scheme.title) {
			if got := contrast(luminance(t, colour), luminance(t, scheme.window)); got < least {
				t.Errorf("%s: colour %d, %s, has a contrast of %.2f", name, i, colour, got)
			}
		}
		if got := contrast(luminance(t, blend(t, scheme.text, scheme.window, faint)), luminance(t, scheme.window)); got < least {
			t.Errorf("%s: faint text has a contrast of %.2f", name, got)
		}
	}
}

// contrast is that of two luminances, as WCAG 2 has it.
func contrast(a, b float64) float64 { return (max(a, b) + 0.05) / (min(a, b) + 0.05) }

// blend is a colour that lies over another with some opacity.
func blend(t *testing.T, over, under string, opacity float64) string {
	t.Helper()
	a, b := parts(t, over), parts(t, under)
	mixed := make([]uint8, 3)
	for i := range mixed {
		mixed[i] = uint8(math.Round(opacity*a[i] + (1-opacity)*b[i]))
	}
	return string(RGB(mixed[0], mixed[1], mixed[2]))
}

// luminance is a colour's, as WCAG 2 has it.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	var sum float64
	for i, part := range parts(t, colour) {
		if part /= 255; part <= 0.04045 {
			part /= 12.92
		} else {
			part = math.Pow((part+0.055)/1.055, 2.4)
		}
		sum += part * []float64{0.2126, 0.7152, 0.0722}[i]
	}
	return sum
}

// parts are a colour's red, green and blue.
func parts(t *testing.T, colour string) []float64 {
	t.Helper()
	match := regexp.MustCompile(`^#(..)(..)(..)$`).FindStringSubmatch(colour)
	if match == nil {
		t.Fatalf("%q is no colour", colour)
	}
	var all []float64
	for _, digits := range match[1:] {
		n, err := strconv.ParseUint(digits, 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, float64(n))
	}
	return all
}

func wellFormed(t *testing.T, text string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("not well-formed: %v in\n%s", err, text)
		}
	}
}
