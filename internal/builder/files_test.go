package builder

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stoker-build/stoker/internal/graph"
)

// Which file was changed is told of what is taken: but for what is left out of what is
// sent, and of many files only that one of them was.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	write("src/a.py", "a")
	write("src/b.py", "b")
	write("src/left.out", "c")
	write("other.txt", "d")
	for i := range mostNamed + 1 {
		write(fmt.Sprintf("many/%d", i), "")
	}
	ignore, err := ignoredIn(func() string { write(".dockerignore", "**/*.out\n"); return filepath.Join(dir, ".dockerignore") }())
	if err != nil {
		t.Fatal(err)
	}
	read := func(taken graph.Taken) map[string]string { return newFiles().of(dir, taken, ignore) }
	src, pattern, many := graph.Taken{Path: "/src"}, graph.Taken{Path: "/*.txt", Wildcard: true}, graph.Taken{Path: "/many"}
	before, all := read(src), read(many)
	if names := slices.Sorted(maps.Keys(before)); !slices.Equal(names, []string{"src/", "src/a.py", "src/b.py"}) {
		t.Errorf("of a directory: %v", names)
	}
	if got := read(pattern); len(got) != 1 || got["other.txt"] == "" {
		t.Errorf("by a pattern: %v", got)
	}
	if len(all) != 1 || all["/many"] == "" {
		t.Errorf("of many: %v", all)
	}
	write("src/b.py", "changed")
	write("src/left.out", "changed")
	write("many/7", "changed")
	if after := read(src); len(after) != 3 || after["src/"] != before["src/"] || after["src/a.py"] != before["src/a.py"] || after["src/b.py"] == before["src/b.py"] {
		t.Errorf("before %v, and after %v", before, after)
	}
	if read(many)["/many"] == all["/many"] {
		t.Error("one of many files has changed, and that is not told")
	}
	// A directory without files is taken, too.
	before = read(src)
	if err := os.Mkdir(filepath.Join(dir, "src", "empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	if after := read(src); after["src/"] == before["src/"] || after["src/a.py"] != before["src/a.py"] || len(after) != 3 {
		t.Errorf("with a directory more: before %v, and after %v", before, after)
	}
	if got := read(graph.Taken{Path: "/src/empty"}); len(got) != 1 || got["src/empty/"] == "" {
		t.Errorf("of an empty directory: %v", got)
	}
	if got := read(graph.Taken{Path: "/nowhere"}); got != nil {
		t.Errorf("of what is not there: %v", got)
	}
	if err := os.Symlink("/", filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	if got := read(graph.Taken{Path: "/out/etc"}); got != nil {
		t.Errorf("through a link out of the directory: %v", got)
	}
}
