package cli

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/check"
)

// What is not in a context from elsewhere is a fault before anything is built, and no build
// tries it again.
func TestNotInRemoteContexts(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 1))
	server := httptest.NewServer(http.FileServer(http.Dir(w.dir)))
	t.Cleanup(server.Close)
	w.write("repo/Dockerfile", "FROM scratch\nCOPY own /own\n")
	w.write("repo/own", "own\n")
	w.commit()
	w.shell("cd repo && tar -czf ../repo.tar.gz *")
	git := server.URL + "/repo.git#main"
	want := map[string]string{}
	var rows []string
	for id, c := range map[string]struct{ context, file, why string }{
		"file":       {git, "Nope", "the context does not have the Dockerfile"},
		"archive":    {server.URL + "/repo.tar.gz", "Nope", "the context does not have the Dockerfile"},
		"branch":     {git + "-not", "Dockerfile", "the repository does not have the branch, tag or commit"},
		"directory":  {git + ":nope", "Dockerfile", "the repository does not have the directory"},
		"repository": {server.URL + "/nope.git#main", "Dockerfile", "the repository does not exist, or may not be read"},
	} {
		want[id] = c.why
		rows = append(rows, fmt.Sprintf(`{"id":%q,"context":%q,"file":%q}`, id, c.context, c.file))
	}
	flags := []string{"-f", "{{.file}}", "-t", w.registry.Host() + "/tasks/{{.id}}:1", "{{.context}}"}
	code, out := w.rows(rows, flags...)
	for _, e := range w.manifest() {
		if e.Failure == nil || e.Failure.Class != string(builder.Permanent) || e.Failure.Why != want[e.Name] || e.AttemptCount > 1 {
			t.Errorf("%s failed with %+v after %d attempts, want: %s", e.Name, e.Failure, e.AttemptCount, want[e.Name])
		}
	}
	if s := w.summary(); code != ExitFailed || s.Failed != len(want) {
		t.Errorf("exit code %d, %d failed\n%s", code, s.Failed, out)
	}
	code, d, _ := w.checked(append([]string{"--builder", w.daemon.Addr(), "--rows", w.path("rows.jsonl"), "--push", "--state-dir", w.path("state"), "--output-dir", w.path("out")}, flags...))
	if code != ExitFailed {
		t.Errorf("the check has exit code %d", code)
	}
	for id, why := range want {
		found := false
		for _, f := range d.Findings {
			found = found || f.Severity == check.Fault && strings.HasPrefix(f.Text, why+": ") && strings.Contains(strings.Join(f.Jobs, " "), id)
		}
		if !found {
			t.Errorf("of %s nothing is found of: %s\n%+v", id, why, d.Findings)
		}
	}
}
