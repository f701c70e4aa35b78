package plan

import (
	"fmt"
	"testing"

	"github.com/containerd/platforms"
	"github.com/docker/buildx/build"
)

// What is surely copied of the context is told with its line, and nothing else.
func TestCopies(t *testing.T) {
	for name, tt := range map[string]struct{ dockerfile, want string }{
		"two sources":      {"FROM x\n\nCOPY a \\\n  b/ /to/\nADD c /c\n", "[{/a 3} {/b 3} {/c 5}]"},
		"with a link":      {"FROM x\nCOPY --chown=1:1 --link a /a\n", "[{/a 2}]"},
		"all of it":        {"FROM x\nCOPY . /to\n", "[{/ 2}]"},
		"patterns":         {"FROM x\nCOPY a* b[1] c? /to/\n", "[]"},
		"with its parents": {"FROM x\nCOPY --parents a/b /to/\n", "[]"},
		"a variable":       {"FROM x\nARG A=a\nCOPY $A /to\nCOPY ${B} /to\n", "[]"},
		"text":             {"FROM x\nCOPY <<END /to\na\nEND\n", "[]"},
		"from the web":     {"FROM x\nADD https://r.example/a /to\n", "[]"},
		"another stage":    {"FROM x AS one\nFROM x\nCOPY --from=one /a /to\nCOPY --from=r.example/y b /to\n", "[]"},
		"of no use":        {"FROM x AS one\nCOPY a /a\nFROM x\nCOPY b /b\n", "[{/b 4}]"},
		"does not convert": {"FROM ${NOTHING}\nCOPY a /a\n", "[]"},
		"another frontend": {"# syntax=r.example/frontend\nFROM x\nCOPY a /a\n", "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(files(t, map[string]string{"Dockerfile": tt.dockerfile}))
			source, err := (&sources{}).read(place{context: "."})
			if err != nil {
				t.Fatal(err)
			}
			job := &Job{Source: source}
			job.Options.Inputs = source.Inputs()
			if got := fmt.Sprint(job.Copies(t.Context(), platforms.DefaultSpec())); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// What is copied of the context is told beside named contexts, but for one that is taken in
// place of a stage: what that copies is not built.
func TestCopiesBesideContexts(t *testing.T) {
	for dockerfile, want := range map[string]string{
		"FROM base\nCOPY a /a\nCOPY --from=base b /b\n":                      "[{/a 2}]",
		"FROM x AS Base\nCOPY a /a\nFROM x\nCOPY --from=base /a /\nCOPY b /": "[]",
	} {
		t.Chdir(files(t, map[string]string{"Dockerfile": dockerfile}))
		source, err := (&sources{}).read(place{context: "."})
		if err != nil {
			t.Fatal(err)
		}
		job := &Job{Source: source}
		job.Options.Inputs = source.Inputs()
		job.Options.Inputs.NamedContexts = map[string]build.NamedContext{"base": {Path: "target:base"}}
		if got := fmt.Sprint(job.Copies(t.Context(), platforms.DefaultSpec())); got != want {
			t.Errorf("%q: %s, want %s", dockerfile, got, want)
		}
	}
}
