package cli

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/check"
)

// A check does not ask for --link in a step that a build links by itself, leaves the plan's
// jobs as they are, and asks for it where a build does not.
func TestCheckOfCopiesLinkedByThemselves(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 1))
	base := w.pushLinkBase("linkbase:1", nil)
	for name, copies := range map[string]string{"linked": "/new/a.txt", "kept": "/tmp/a.txt"} {
		w.write("tasks/"+name+"/Dockerfile", "FROM "+base+"\nCOPY a.txt "+copies+"\n")
		w.write("tasks/"+name+"/a.txt", "a\n")
	}
	checked := func(which string, more ...string) (code int, advised []check.Finding) {
		code, _, by := w.checked(append([]string{"--builder", w.daemon.Addr(), "--each", w.path("tasks/" + which + "/Dockerfile"), "--allow-outside",
			"--state-dir", w.path("state"), "--output-dir", w.path("out"), "--fail-on", "advice", "--provenance=false", "-t", w.registry.Host() + "/tasks/{{.Name}}:1", "--push", "{{.Dir}}"}, more...))
		return code, by[check.Cost]
	}
	if code, advised := checked("linked"); code != ExitOK {
		t.Errorf("of a step that is linked by itself: exit code %d, %+v", code, advised)
	}
	for which, more := range map[string]string{"kept": "--force", "linked": "--auto-link=false"} {
		if code, advised := checked(which, more); code != ExitFailed || len(advised) != 1 || advised[0].Cost.Rule != "unlinked-copy" {
			t.Errorf("of %s with %s: exit code %d, %+v", which, more, code, advised)
		}
	}
	if code, out := runStoker(t.Context(), "build", "--builder", w.daemon.Addr(), "--each", w.path("tasks/linked/Dockerfile"), "--allow-outside", "--check-first",
		"--state-dir", w.path("state"), "--output-dir", w.path("out"), "-t", w.registry.Host()+"/tasks/{{.Name}}:1", "--push", "{{.Dir}}"); code != ExitOK {
		t.Errorf("a build that is checked first has exit code %d\n%s", code, out)
	}
	if text, err := os.ReadFile(w.path("tasks/linked/Dockerfile")); err != nil || string(text) != "FROM "+base+"\nCOPY a.txt /new/a.txt\n" {
		t.Errorf("the Dockerfile is %q, %v", text, err)
	}
}

// A file that no build can send is a fault of what copies it, and of nothing else.
func TestCheckOfWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 1))
	for name, copied := range map[string]string{"all": ".", "one": "a.txt", "without": "."} {
		w.write("tasks/"+name+"/Dockerfile", "FROM "+w.bases[0].Ref+"\nCOPY "+copied+" /new/\n")
		w.write("tasks/"+name+"/a.txt", "a\n")
		w.write("tasks/"+name+"/n\xff.txt", "")
	}
	w.write("tasks/without/.dockerignore", "n*\n")
	code, d, _ := w.checked([]string{"--builder", w.daemon.Addr(), "--each", w.path("tasks/*/Dockerfile"), "--allow-outside",
		"--state-dir", w.path("state"), "--output-dir", w.path("out"), "-t", w.registry.Host() + "/tasks/{{.Name}}:1", "--push", "{{.Dir}}"})
	faults := slices.DeleteFunc(d.Findings, func(f check.Finding) bool { return f.Severity != check.Fault })
	if code != ExitFailed || len(faults) != 1 || !slices.Equal(faults[0].Jobs, []string{"all"}) || !strings.Contains(faults[0].Text, `/tasks/all/n\xff.txt" cannot be sent: `) ||
		len(faults[0].Places) != 1 || faults[0].Places[0].Line != 2 {
		t.Errorf("exit code %d, %+v", code, faults)
	}
}
