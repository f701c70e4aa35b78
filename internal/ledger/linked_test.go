package ledger

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/graph"
)

// What was linked is found by its image, as the builder calls it: links on links, and on a
// directory that was made upon the image; what stands on images is not.
func TestLinkedUpon(t *testing.T) {
	id := func(n int) string { return fmt.Sprintf("%032x", n) }
	step := func(n int, op, text, as string, on ...int) Step {
		s := Step{ID: id(n), StepForm: &StepForm{Kind: StepRun, Op: op, Text: text, LinkedAs: as}}
		for _, o := range on {
			s.On = append(s.On, id(o))
		}
		return s
	}
	base := func(n int, text string) Step { return Step{ID: id(n), StepForm: &StepForm{Kind: StepBase, Text: text}} }
	steps := []Step{
		base(1, "r/a:1"), base(2, "r/b:1"),
		step(3, "copy", "COPY x /x", "COPY --link x /x"),
		step(4, "merge", "COPY x /x", "LINK COPY --link x /x", 1, 3),
		step(5, "copy", "COPY --link y /y", ""),
		step(6, "merge", "LINK COPY --link y /y", "", 4, 5),
		step(7, "file", "WORKDIR /w", "", 2),
		step(8, "merge", "COPY x /x", "LINK COPY --link x /x", 7, 3),
		step(9, "exec", "RUN true", "", 2),
		step(10, "merge", "of nothing that is known", "", 99, 3),
		step(11, "merge", "upon no image", "", 3, 5),
	}
	number := func(id graph.ID) string { return fmt.Sprint(id[15]) }
	tell := func(vertices []graph.Vertex) string {
		var told []string
		for _, v := range vertices {
			if v.Kind == graph.Any {
				continue
			}
			text := number(v.ID)
			for _, r := range v.Results {
				text += " " + r.Description
				for _, on := range r.On {
					text += " " + number(on)
				}
			}
			told = append(told, text)
		}
		return strings.Join(told, "; ")
	}
	got := LinkedUpon(steps)
	want := map[string]string{
		"r/a:1": "1; 3 COPY --link x /x; 4 LINK COPY --link x /x 1 3; 5 COPY --link y /y; 6 LINK COPY --link y /y 1 3 5",
		"r/b:1": "2; 7; 3 COPY --link x /x; 8 LINK COPY --link x /x 7 3",
	}
	for image, want := range want {
		if told := tell(got[image]); told != want {
			t.Errorf("%s: %s, want %s", image, told, want)
		}
		// Whatever is built upon each comes after it.
		for i, v := range got[image] {
			for _, in := range v.Inputs {
				if !slices.ContainsFunc(got[image][:i], func(before graph.Vertex) bool { return before.ID == in }) {
					t.Errorf("%s: %s comes before what it stands on", image, number(v.ID))
				}
			}
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d images, want %d", len(got), len(want))
	}
}
