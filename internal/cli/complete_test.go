package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Completions are asked for as a shell's script does.
func TestCompletions(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"agent/Dockerfile":            "FROM a AS first\nFROM first AS second\nFROM second\n",
		"other.Dockerfile":            "FROM a AS third\n",
		"out/run.json":                "{}",
		"out/archive/2026/run.json":   "{}",
		"no-run/x":                    "",
		"buildx/instances/furnace":    `{"Name":"furnace","Driver":"docker-container","Nodes":[{"Name":"furnace0","Endpoint":"unix:///x"}]}`,
		"buildx/instances/other-name": `{"Name":"other-name","Driver":"remote","Nodes":[]}`,
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	t.Setenv("BUILDX_CONFIG", filepath.Join(dir, "buildx"))
	const files, noFiles, onlyDirs = ":0", ":4", ":16"
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"build", "--progress", ""}, "auto tty plain json quiet " + noFiles},
		{[]string{"build", "--order", ""}, "shared given " + noFiles},
		{[]string{"plan", "--prune", ""}, "auto completed off " + noFiles},
		{[]string{"build", "--prune-by", ""}, "lineage description " + noFiles},
		{[]string{"plan", "--format", ""}, "table json " + noFiles},
		{[]string{"version", "--format", ""}, "table json " + noFiles},
		{[]string{"build", "--builder", ""}, "furnace other-name " + noFiles},
		{[]string{"du", "--builder", "f"}, "furnace other-name " + noFiles}, // the shell's script picks
		{[]string{"build", "--images", ""}, files},
		{[]string{"build", "--rows", ""}, files},
		{[]string{"build", "-f", ""}, files},
		{[]string{"build", "--output-dir", ""}, onlyDirs},
		{[]string{"build", ""}, onlyDirs},
		{[]string{"build", "agent", ""}, noFiles},
		{[]string{"build", "agent", "--target", ""}, "first second " + noFiles},
		{[]string{"build", "-f", "other.Dockerfile", "--target", ""}, "third " + noFiles},
		{[]string{"build", "--target", ""}, noFiles},
		{[]string{"build", "-f", "{{.id}}/Dockerfile", "--target", ""}, noFiles},
		{[]string{"du", "--run", ""}, "out " + noFiles},
		{[]string{"prune", "--run", "out/archive/"}, "out/archive/2026 " + noFiles},
		{[]string{"du", "--run", "no-"}, onlyDirs},
		{[]string{"status", ""}, "out " + noFiles},
		{[]string{"status", "out", ""}, noFiles},
		{[]string{"report", "out", ""}, "out " + noFiles},
		{[]string{"report", "--format", ""}, "text json markdown csv html trace junit github " + noFiles},
		{[]string{"report", "--refs", ""}, files},
	}
	for _, tt := range tests {
		_, out := runStoker(t.Context(), append([]string{"__complete"}, tt.args...)...)
		out, _, _ = strings.Cut(out, "\nCompletion ended")
		if got := strings.Join(strings.Fields(out), " "); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.args, got, tt.want)
		}
	}

	t.Setenv("BUILDX_CONFIG", filepath.Join(dir, "nothing"))
	if _, out := runStoker(t.Context(), "__complete", "build", "--builder", ""); !strings.HasPrefix(out, noFiles) {
		t.Errorf("without buildx: %q", out)
	}
	if _, err := os.Stat(filepath.Join(dir, "nothing")); !os.IsNotExist(err) {
		t.Errorf("to complete a name made buildx's directory: %v", err)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if code, out := runStoker(t.Context(), "completion", shell); code != ExitOK || !strings.Contains(out, "stoker") {
			t.Errorf("completion %s: exit code %d", shell, code)
		}
	}
}
