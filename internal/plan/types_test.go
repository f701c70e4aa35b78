package plan

import (
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/mistakes"
)

func TestTypes(t *testing.T) {
	output := func(text string) func(*Spec) { return func(s *Spec) { s.Outputs = []string{text} } }
	from := func(text string) func(*Spec) { return func(s *Spec) { s.CacheFrom = []string{text} } }
	to := func(text string) func(*Spec) { return func(s *Spec) { s.CacheTo = []string{text} } }
	tests := []struct {
		name   string
		change func(*Spec)
		says   []string
	}{
		{"a slip", output("type=oic,dest=x"), []string{`--output "type=oic,dest=x": "oic" is no type of output; did you mean oci?`, "types of output: image, registry, oci"}},
		{"a slip in a template", output("type=oic,dest={{.Name}}"), []string{`"oic" is no type of output; did you mean oci?`}},
		{"a type that a row gives", output("type={{.Name}},dest=x"), []string{`"one" is no type of output`}},
		{"a key that is near dest", output("type=oci,dset=x"), []string{`--output "type=oci,dset=x": "dset" is not known; did you mean dest?`}},
		{"one for docker", output("type=docker,dst={{.Name}}"), []string{`"dst" is not known; did you mean dest?`}},
		{"a cache to nowhere", to("type=registri,ref=r.example/c"), []string{`--cache-to "type=registri,ref=r.example/c": "registri" is no type of cache; did you mean registry?`}},
		{"a cache from nowhere", from("type=loacl,src=x"), []string{`--cache-from "type=loacl,src=x": "loacl" is no type of cache; did you mean local?`}},
		{"image", output("type=image,name=r.example/a"), nil},
		{"docker without dest", output("type=docker,compression=zstd"), nil},
		{"cacheonly", output("type=cacheonly"), nil},
		{"a directory", output("out"), nil},
		{"a reference as a cache", from("r.example/cache:1"), nil},
		{"gha", to("type=gha,scope=x"), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := spec(t, dockerfile)
			tt.change(&s)
			_, err := newPlan(t, s, images("one"))
			wantInputError(t, err, tt.says...)
		})
	}
	if meant := mistakes.DidYouMean("xy", "", outputTypes); meant != "" {
		t.Errorf("a short word is said to mean%s", strings.TrimPrefix(meant, ";"))
	}
}
