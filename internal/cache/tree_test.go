package cache

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestTree(t *testing.T) {
	v := view(Exclusive, job("one", "FROM env1 | RUN make | COPY x"), job("two", "FROM env2 | LINK a"))
	v.Before = set("old")
	v.Records = append(stack("a", env1), rec("b2", "a1", pulled(env2)), rec("run", "a2", run("make")), rec("copy", "run", "[3/3] COPY x"),
		rec("other", "", pulled(alien)), rec("loose", "", "[2/2] LINK a"), rec("link", "b2 loose", "[2/2] LINK LINK a"), rec("old", "", "what is that"))
	finish(v, 0)
	tree := Classify(v).Tree()

	var lines []string
	var walk func(indent string, list []*Branch)
	walk = func(indent string, list []*Branch) {
		for _, b := range list {
			lines = append(lines, fmt.Sprintf("%s%s %s %s steps=%d %+v", indent, b.Record.ID, b.Ref, b.Verdict.State, b.Steps.Records, b.Total))
			walk(indent+" ", b.Layers)
		}
	}
	walk("", tree.Layers)
	want := []string{
		"a0 registry/env:1 live steps=0 {Live:4 Dead:3 Foreign:0 LeftOver:0}",
		" a1 registry/env:1 live steps=0 {Live:3 Dead:3 Foreign:0 LeftOver:0}",
		"  a2 registry/env:1 dead steps=2 {Live:0 Dead:3 Foreign:0 LeftOver:0}",
		"  b2 registry/env:2 live steps=1 {Live:2 Dead:0 Foreign:0 LeftOver:0}",
		"other registry/alien:1 live steps=0 {Live:1 Dead:0 Foreign:0 LeftOver:0}",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("tree:\n%s\nwant:\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if tree.Loose != (Bytes{Live: 1, LeftOver: 1}) {
		t.Errorf("loose = %+v, want 1 live byte and 1 left over", tree.Loose)
	}
}
