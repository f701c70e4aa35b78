package docstest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/lab/labtest"
)

// quickStart is the README's section that is run as it stands.
const quickStart = "Quick start"

var update = flag.Bool("update", false, "paste the output of the README's quick start into it anew")

// TestQuickStart runs the README's quick start as a reader would who pastes it
// into a terminal line by line: on a clone, without caches of Stoker's own,
// without a network but for loopback, and with nothing that is not Go's or
// Debian's. What each block prints must end as the README says.
func TestQuickStart(t *testing.T) {
	labtest.Root(t, "a network of its own")
	labtest.Tools(t)
	readme := document{name: "README.md", text: read(t, "README.md")}
	steps := stepsOf(readme.section(quickStart))
	if len(steps) < 3 {
		t.Fatalf("the README's quick start has %d steps", len(steps))
	}
	outputs := newReader(t).run(t, steps)
	if *update {
		paste(t, readme, steps, outputs)
		return
	}
	for i, step := range steps {
		if want, got := shape(lastLine(step.shown)), shape(lastLine(outputs[i])); step.shown != "" && got != want {
			t.Errorf("README.md:%d: the output ends in\n%s\nbut is shown to end in\n%s\n"+
				"(go test ./internal/docstest -run TestQuickStart -update pastes it anew)", step.line, got, want)
		}
	}
}

// step is a block of commands with the output that is shown below it, if any.
type step struct {
	block
	shown     string
	shownLine int
}

func stepsOf(doc document) []step {
	var steps []step
	for _, b := range doc.blocks() {
		switch {
		case b.language == "sh":
			steps = append(steps, step{block: b})
		case b.language == "text" && len(steps) > 0:
			last := &steps[len(steps)-1]
			last.shown, last.shownLine = strings.Join(b.lines, "\n"), b.line
		}
	}
	return steps
}

// script is the steps as one shell script, in which a line that fails is the
// end. Each step begins with a mark.
func script(steps []step) string {
	var b strings.Builder
	fmt.Fprintln(&b, "set -e")
	for _, s := range steps {
		lines := strings.Join(s.lines, "\n")
		if s.exit != 0 {
			lines = fmt.Sprintf("set +e\n%s\n[ $? -eq %d ] || exit 99\nset -e", lines, s.exit)
		}
		fmt.Fprintf(&b, "echo '%s'\n%s\n", stepMark, lines)
	}
	return b.String()
}

const stepMark = "=== the next step ==="

// reader is who follows the README.
type reader struct{ dir, clones string }

// newReader makes a reader, and what is to be cloned: the files of this
// directory that git does not ignore.
func newReader(t *testing.T) reader {
	t.Helper()
	r := reader{dir: t.TempDir(), clones: filepath.Join(t.TempDir(), "stoker.git")}
	for _, args := range [][]string{
		{"init", "--quiet", "--bare", "--initial-branch", "main", r.clones},
		{"--git-dir", r.clones, "--work-tree", root, "add", "--all"},
		{"--git-dir", r.clones, "--work-tree", root, "-c", "user.name=test", "-c", "user.email=test@example", "commit", "--quiet", "-m", "All"},
	} {
		if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	return r
}

// A clone's programs are linked anew, which takes most of the time.
const quickStartTimeout = 10 * time.Minute

// run returns what each step printed.
func (r reader) run(t *testing.T, steps []step) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), quickStartTimeout)
	defer cancel()
	t.Cleanup(func() { r.stopRegistry(t) })
	// A network of its own: the fixed port is free, and nothing else is in reach.
	cmd := exec.CommandContext(ctx, "sh", "-c", "busybox ip link set lo up\n"+script(steps))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.Dir, cmd.Env = r.dir, r.environ(t)
	out, err := cmd.CombinedOutput()
	outputs := strings.Split(strings.ReplaceAll(string(out), r.dir, "~"), stepMark+"\n")[1:]
	if err != nil || len(outputs) != len(steps) {
		t.Fatalf("%v in step %d of %d, README.md:%d\n%s", err, len(outputs), len(steps), steps[max(len(outputs)-1, 0)].line, out)
	}
	for i, output := range outputs {
		t.Logf("%s\n%s", strings.Join(steps[i].lines, "\n"), output)
	}
	return outputs
}

// environ has nothing but the system's programs and Go's, with its caches.
func (r reader) environ(t *testing.T) []string {
	t.Helper()
	golang, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	env := []string{
		"PATH=" + filepath.Dir(golang) + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + r.dir, "TMPDIR=" + t.TempDir(), "DOCKER_HOST=unix:///does/not/exist/docker.sock",
		"GOPROXY=off", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_VALUE_0=https://github.com/stoker-build/stoker",
		"GIT_CONFIG_KEY_0=url." + r.clones + ".insteadOf",
	}
	for _, name := range []string{"GOMODCACHE", "GOCACHE", "GOTOOLCHAIN"} {
		value, err := exec.Command(golang, "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		env = append(env, name+"="+strings.TrimSpace(string(value)))
	}
	return env
}

// stopRegistry ends what a quick start that failed has left running.
func (r reader) stopRegistry(t *testing.T) {
	cmd := exec.Command(".tools/bin/registry", "stop")
	cmd.Dir = filepath.Join(r.dir, "stoker")
	if _, err := os.Stat(filepath.Join(cmd.Dir, cmd.Path)); err != nil {
		return
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// paste replaces the outputs that the README shows.
func paste(t *testing.T, readme document, steps []step, outputs []string) {
	t.Helper()
	lines := strings.Split(readme.text, "\n")
	for i, s := range slices.Backward(steps) {
		if s.shownLine > 0 {
			first := s.shownLine - 1
			lines = slices.Replace(lines, first, first+len(strings.Split(s.shown, "\n")), strings.Trim(outputs[i], "\n"))
		}
	}
	if err := os.WriteFile(filepath.Join(root, readme.name), []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}

// lastLine is the last line that says something.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

var (
	figure = regexp.MustCompile(`[0-9]+([.:][0-9]+)*`)
	unit   = regexp.MustCompile(`N ?(ns|µs|ms|s|m|h|[kMG]?B)\b`)
)

// shape is a line without its figures, which are others each time.
func shape(line string) string {
	return unit.ReplaceAllString(figure.ReplaceAllString(line, "N"), "N")
}
