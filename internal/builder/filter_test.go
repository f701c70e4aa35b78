package builder

import (
	"strings"
	"testing"
	"testing/quick"

	"github.com/containerd/containerd/v2/pkg/filters"
)

// described is a record as BuildKit's filters see it.
func described(description string) filters.Adaptor {
	return filters.AdapterFunc(func(path []string) (string, bool) {
		if len(path) == 1 && path[0] == "description" {
			return description, true
		}
		return "", false
	})
}

// BuildKit parses prune filters with containerd's parser. Whatever a reference
// holds, the filter must be accepted, and match that reference alone.
func TestDescriptionFilterIsExact(t *testing.T) {
	odd := []string{
		"docker.io/swebench/sweb.eval.x86_64.django_1776_django-11099:latest",
		`a"b`, `a\b`, `a,b`, `a|b`, `a.*`, "a/b", `^$`, "a b", "(", "[", "a'b", "", "\n\t", "ümlaut", "a==b", "~=", "\ufffd",
	}
	for _, ref := range odd {
		checkFilter(t, ref)
	}
	if err := quick.Check(func(ref string) bool { return checkFilter(t, strings.ToValidUTF8(ref, "")) }, nil); err != nil {
		t.Error(err)
	}

	parsed, err := filters.ParseAll(DescriptionFilter([]string{"r/x.y:1", "r/z:1"}))
	if err != nil {
		t.Fatal(err)
	}
	for description, want := range map[string]bool{
		"pulled from r/x.y:1@sha256:aa": true, "pulled from r/z:1@sha256:bb": true,
		"pulled from r/xzy:1@sha256:aa": false, "pulled from r/x.y:2@sha256:aa": false,
	} {
		if got := parsed.Match(described(description)); got != want {
			t.Errorf("%q: %v, want %v", description, got, want)
		}
	}
}

func checkFilter(t *testing.T, ref string) bool {
	t.Helper()
	parsed, err := filters.ParseAll(DescriptionFilter([]string{ref}))
	if err != nil {
		t.Errorf("%q: %v", ref, err)
		return false
	}
	if !parsed.Match(described("pulled from " + ref + "@sha256:aa")) {
		t.Errorf("%q is not found by its own filter", ref)
		return false
	}
	const other = "pulled from other@sha256:aa"
	if parsed.Match(described(other)) != strings.Contains(other, ref) {
		t.Errorf("%q finds another image", ref)
		return false
	}
	return true
}
