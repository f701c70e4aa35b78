package rows

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/quick"
)

// Names are unique where case does not count, and cannot leave a directory.
func TestJobNamesAreSafe(t *testing.T) {
	check := func(raw []string) bool {
		list := make([]Row, len(raw))
		for i, s := range raw {
			list[i] = Row{Name: s, Identity: s}
		}
		seen := map[string]bool{}
		for _, n := range jobNames(list) {
			if n == "" || len(n) > maxName || n != filepath.Base(n) || n[0] == '.' || notInName.MatchString(n) || seen[strings.ToLower(n)] {
				t.Logf("name %q of %q", n, raw)
				return false
			}
			seen[strings.ToLower(n)] = true
		}
		return true
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
	long := strings.Repeat("long", 100)
	if !check([]string{"..", "../../etc", "", "", "a\x00b", "con/..", "A", "a", "a", "a-" + shortHash("a"), long, long, long + "x"}) {
		t.Error("known bad names")
	}
}

// Of rows that would like the same name a later one gets a digest of its values beside
// it, so that a row's name is the same in every format.
func TestNamesAreUnique(t *testing.T) {
	in := Input{Rows: []Row{{Name: "../a b"}, {Name: "A-B", Identity: "one"}, {Name: "A/B", Identity: "two"}}}
	for i := range in.Rows {
		in.Rows[i].Columns = map[string]any{}
	}
	in.Complete()
	for i, want := range []string{"a-b", "A-B-" + shortHash("one"), "A-B-" + shortHash("two")} {
		row := in.Rows[i]
		if row.Name != want || row.Columns[NameColumn] != want || row.Columns[IndexColumn] != i {
			t.Errorf("row %d is %q, with the columns %v, want %q", i, row.Name, row.Columns, want)
		}
	}
}
