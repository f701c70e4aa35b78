package picture

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Frame is a screen that is shown from a moment on, until the next one is.
type Frame struct {
	At     time.Duration
	Screen Screen
}

// Cut is how a recording becomes a film.
type Cut struct {
	Length time.Duration // of the film without its end
	Rate   int           // frames a second, at most
	Hold   time.Duration // how long the last frame stays
	// Poster is the part of the length after which the film stands still for those who want no motion.
	Poster float64
}

// Film draws screens one after the other, again and again. The frames are in order; the film runs from the first to the
// last in the length of the cut.
func Film(frames []Frame, columns int, cut Cut, caption Caption) []byte {
	shown := cut.apply(frames)
	rows := 0
	for _, f := range shown {
		rows = max(rows, len(f.Screen.Trim()))
	}
	all := size{columns, rows}
	b := &builder{rows: map[string]int{}}
	var strip strings.Builder
	for i, f := range shown {
		fmt.Fprintf(&strip, `<g transform="translate(0 %d)">%s</g>`+"\n", i*all.Height(), b.frame(f.Screen))
	}
	return b.picture(all, caption, cut.style(shown, all), `<g class="film">`+strip.String()+"</g>")
}

// apply is the frames at the film's own time: those that are seen, which are no two alike in a row.
func (c Cut) apply(frames []Frame) []Frame {
	first, last := frames[0].At, frames[len(frames)-1].At
	speed := float64(c.Length) / float64(max(last-first, 1))
	var shown []Frame
	step := time.Second / time.Duration(c.Rate)
	for at := time.Duration(0); at <= c.Length; at += step {
		moment := first + time.Duration(float64(at)/speed)
		f := frames[max(lastBefore(frames, moment), 0)]
		if len(shown) == 0 || !shown[len(shown)-1].Screen.Equal(f.Screen) {
			shown = append(shown, Frame{at, f.Screen})
		}
	}
	if end := frames[len(frames)-1].Screen; !shown[len(shown)-1].Screen.Equal(end) {
		shown = append(shown, Frame{c.Length, end})
	}
	return shown
}

// lastBefore is the place of the last frame that is there at a moment; -1 for none.
func lastBefore(frames []Frame, moment time.Duration) int {
	next, _ := slices.BinarySearchFunc(frames, moment, func(f Frame, m time.Duration) int {
		if f.At <= m {
			return -1
		}
		return 1
	})
	return next - 1
}

// style moves the strip of frames by one after the other.
func (c Cut) style(shown []Frame, s size) string {
	whole := c.Length + c.Hold
	var b strings.Builder
	poster := lastBefore(shown, time.Duration(float64(c.Length)*c.Poster))
	fmt.Fprintf(&b, ".film{transform:translateY(-%dpx);animation:film %.1fs step-end infinite}\n", poster*s.Height(), whole.Seconds())
	b.WriteString("@media(prefers-reduced-motion:reduce){.film{animation:none}}\n@keyframes film{")
	for i, f := range shown {
		fmt.Fprintf(&b, "%s%%{transform:translateY(-%dpx)}", percent(f.At, whole), i*s.Height())
	}
	b.WriteString("}\n")
	return b.String()
}

func percent(part, whole time.Duration) string {
	text := fmt.Sprintf("%.2f", 100*float64(part)/float64(whole))
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}
