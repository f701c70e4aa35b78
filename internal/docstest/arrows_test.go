package docstest

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestArrows makes sure that packages import what the architecture says.
func TestArrows(t *testing.T) {
	document := read(t, "docs/architecture.md")
	_, rest, found := strings.Cut(document, "Arrows run one way")
	_, rest, begun := strings.Cut(rest, "```text\n")
	block, _, ended := strings.Cut(rest, "\n```")
	if !found || !begun || !ended {
		t.Fatal("docs/architecture.md has no block of arrows")
	}
	allowed, err := arrows(block)
	if err != nil {
		t.Fatalf("docs/architecture.md: %v", err)
	}
	for _, text := range astray(allowed, imports(goFiles(t))) {
		t.Errorf("docs/architecture.md: %s", text)
	}
}

// links are packages of this program by the packages that import them, each by its
// path below internal.
type links map[string]map[string]bool

func (l links) add(from, to string) {
	if l[from] == nil {
		l[from] = map[string]bool{}
	}
	if to != "" {
		l[from][to] = true
	}
}

const (
	internal  = "internal/"
	nothing   = "nothing of ours"
	module    = "github.com/stoker-build/stoker/"
	arrowSign = "->"
)

var parenthesis = regexp.MustCompile(`\([^)]*\)`)

// arrows reads lines such as "a, b -> c, d (why)".
func arrows(block string) (links, error) {
	all := links{}
	for _, line := range strings.Split(block, "\n") {
		from, to, found := strings.Cut(parenthesis.ReplaceAllString(line, ""), arrowSign)
		if !found {
			return nil, fmt.Errorf("%q is no line of arrows", line)
		}
		for _, f := range strings.Split(from, ",") {
			for _, t := range strings.Split(to, ",") {
				if t = strings.TrimSpace(t); t == nothing {
					t = ""
				}
				all.add(strings.TrimSpace(f), t)
			}
		}
	}
	return all, nil
}

// imports are what the packages below internal import of each other, for whichever
// system, their tests aside.
func imports(files []goFile) links {
	all := links{}
	for _, f := range files {
		from, is := strings.CutPrefix(path.Dir(f.name), internal)
		if !is || strings.HasSuffix(f.name, "_test.go") {
			continue
		}
		all.add(from, "")
		for _, i := range f.syntax.Imports {
			name, _ := strconv.Unquote(i.Path.Value)
			if to, is := strings.CutPrefix(name, module+internal); is {
				all.add(from, to)
			}
		}
	}
	return all
}

// astray tells of imports that have no arrow, and of arrows without an import.
func astray(allowed, imported links) (found []string) {
	for _, from := range slices.Sorted(maps.Keys(imported)) {
		if allowed[from] == nil {
			found = append(found, fmt.Sprintf("no arrow begins at internal/%s", from))
		}
		for _, to := range slices.Sorted(maps.Keys(imported[from])) {
			if !allowed[from][to] {
				found = append(found, fmt.Sprintf("internal/%s imports internal/%s, and no arrow leads there", from, to))
			}
		}
	}
	for _, from := range slices.Sorted(maps.Keys(allowed)) {
		if imported[from] == nil {
			found = append(found, fmt.Sprintf("there is no internal/%s, where an arrow begins", from))
			continue
		}
		for _, to := range slices.Sorted(maps.Keys(allowed[from])) {
			if !imported[from][to] {
				found = append(found, fmt.Sprintf("an arrow leads from internal/%s to internal/%s, which it does not import", from, to))
			}
		}
	}
	return found
}

func TestReadingOfArrows(t *testing.T) {
	allowed, err := arrows("a, b -> c (some), d/e\na -> f\nc, d/e, f -> nothing of ours\ng -> a")
	if err != nil {
		t.Fatal(err)
	}
	file := func(dir, imports string) goFile {
		return parse(t, internal+dir+"/x.go", "package x\nimport (\n"+imports+")\n")
	}
	ours := func(name string) string { return strconv.Quote(module+internal+name) + "\n" }
	got := astray(allowed, imports([]goFile{
		file("a", ours("c")+ours("f")+"\"fmt\"\n"), file("b", ours("c")+ours("d/e")), file("c", ours("b")), file("d/e", ""), file("f", ""), file("h", ""),
	}))
	want := []string{
		"internal/c imports internal/b, and no arrow leads there",
		"no arrow begins at internal/h",
		"an arrow leads from internal/a to internal/d/e, which it does not import",
		"there is no internal/g, where an arrow begins",
	}
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	if _, err := arrows("a, b"); err == nil {
		t.Error("a line without an arrow is read")
	}
}
