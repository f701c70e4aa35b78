package journal

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docs/record.md has a row for each event, with its fields as they are in events.jsonl.
func TestEventsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/record.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## events.jsonl\n")
	section, _, _ = strings.Cut(section, "\n## ")
	documented := map[string][]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (.*?) \\| .+ \\|$").FindAllStringSubmatch(section, -1) {
		for _, name := range strings.Split(row[2], ", ") {
			documented[row[1]] = append(documented[row[1]], strings.Trim(name, "`"))
		}
	}
	for kind, event := range kinds {
		if want := fieldsOf(event); !slices.Equal(documented[kind], want) {
			t.Errorf("docs/record.md has of %s the fields %q, want %q", kind, documented[kind], want)
		}
	}
	for kind := range documented {
		if kinds[kind] == nil {
			t.Errorf("docs/record.md has %s, which is no event", kind)
		}
	}
}

// fieldsOf are the names of an event's fields in JSON, in their order.
func fieldsOf(event reflect.Type) (names []string) {
	for _, field := range reflect.VisibleFields(event) {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	return names
}
