package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/redact"
	"github.com/stoker-build/stoker/internal/show"
)

func TestResumeCommand(t *testing.T) {
	t.Setenv("JOB_COMPLETION_INDEX", "1")
	tests := []struct {
		name string
		args []string
		env  map[string]string
		want string
	}{
		{"plain", []string{"--images", "l", "ctx"}, nil, "stoker build --images l ctx --resume"},
		{"quoted", []string{"-t", "r/{{.Name}}", "--label", "a=it's", "my ctx"}, nil, `stoker build -t 'r/{{.Name}}' --label 'a=it'\''s' 'my ctx' --resume`},
		{"again", []string{"--resume", "ctx"}, nil, "stoker build ctx --resume"},
		{"fresh", []string{"--fresh", "ctx", "--fresh=true", "--resume=false"}, nil, "stoker build ctx --resume"},
		{"a value that looks like a flag", []string{"--post-build", "--fresh", "-t", "--resume", "ctx"}, nil, "stoker build --post-build --fresh -t --resume ctx --resume"},
		{"a value in the word", []string{"-tx", "--tag=--fresh", "-yt", "--fresh", "ctx"}, nil, "stoker build -tx --tag=--fresh -yt --fresh ctx --resume"},
		{"the end of flags", []string{"--images", "l", "--", "--fresh"}, nil, "stoker build --images l --resume -- --fresh"},
		{"standard input", []string{"--images", "-", "ctx"}, nil, "stoker build --images - ctx --resume # with the same standard input"},
		{"variables", []string{"--workers", "2", "ctx"}, map[string]string{"STOKER_TAG": "r/a:{{.Name}}\nr/b:1", "STOKER_WORKERS": "9", "BUILDKIT_PRUNE_KEEP_GB": "40"},
			"BUILDKIT_PRUNE_KEEP_GB=40 STOKER_TAG='r/a:{{.Name}}\nr/b:1' stoker build --workers 2 ctx --resume"},
		{"variables that begin anew", []string{"ctx"}, map[string]string{"STOKER_FRESH": "1"}, "stoker build ctx --resume --fresh=false"},
		{"variables that go on", []string{"ctx"}, map[string]string{"STOKER_RESUME": "1"}, "stoker build ctx --resume"},
		{"a pod's shard", []string{"--shard", "auto/4", "ctx"}, nil, "JOB_COMPLETION_INDEX=1 stoker build --shard auto/4 ctx --resume"},
		{"secrets", []string{"--build-arg", "TOKEN=ab cd", "--build-arg=API_KEY=x y", "--secret", "id=t,env=TOKEN", "--label", "l=known-secret", "--post-build", "curl https://me:pw@x", "ctx"},
			map[string]string{"STOKER_LABEL": "unused"},
			"stoker build --build-arg 'TOKEN=[redacted]' '--build-arg=API_KEY=[redacted]' --secret id=t,env=TOKEN --label 'l=[redacted]' --post-build 'curl https://[redacted]@x' ctx --resume # with the secrets in the place of [redacted]"},
		{"a column named as one", []string{"--build-arg", "API_KEY={{.api_key}}", "--build-arg=TOKEN={{ .t | trim }}", "ctx"}, nil,
			"stoker build --build-arg 'API_KEY={{.api_key}}' '--build-arg=TOKEN={{ .t | trim }}' ctx --resume"},
		{"secrets in a template", []string{"--build-arg", `TOKEN={{ "hunter2" }}`, "--build-arg", "API_KEY={{.a}}hunter2", "--images", "-", "ctx"}, nil,
			"stoker build --build-arg 'TOKEN=[redacted]' --build-arg 'API_KEY=[redacted]' --images - ctx --resume # with the secrets in the place of [redacted] and the same standard input"},
		{"secrets in variables", []string{"ctx"}, map[string]string{"STOKER_BUILD_ARG": "A=1\nTOKEN=ab cd"}, "STOKER_BUILD_ARG='A=1\nTOKEN=[redacted]' stoker build ctx --resume # with the secrets in the place of [redacted]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cmd := newBuild(Streams{})
			cmd.Flags().BoolP("yes", "y", false, "")
			if err := cmd.Flags().Parse(tt.args); err != nil {
				t.Fatal(err)
			}
			lookup := func(name string) (string, bool) { v, set := tt.env[name]; return v, set }
			if err := flagsFromEnv(cmd.Flags(), lookup); err != nil {
				t.Fatal(err)
			}
			streams := Streams{args: append([]string{"build"}, tt.args...)}
			got := resumeCommand(streams, cmd.Flags(), lookup, redact.New("known-secret"))
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if strings.Contains(tt.name, "secret") {
				return
			}
			args := shellWords(t, got)
			if slices.Contains(args, "#") || !slices.Contains(args, "--resume") {
				t.Errorf("a shell reads %q", args)
			}
		})
	}
	if got := resumeCommand(Streams{Program: "./my bin/stoker", args: []string{"build"}}, newBuild(Streams{}).Flags(), os.LookupEnv, redact.New()); got != "'./my bin/stoker' build --resume" {
		t.Errorf("as another program: %s", got)
	}
}

// shellWords returns the arguments that a shell gives stoker for a command.
func shellWords(t *testing.T, command string) []string {
	t.Helper()
	out, err := exec.Command("sh", "-c", `stoker() { printf '%s\0' "$@"; }; `+command).Output()
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

// runApart runs a command and keeps what it writes apart.
func runApart(ctx context.Context, args ...string) (code int, out, errs string) {
	var stdout, stderr bytes.Buffer
	code = Main(ctx, "test", args, Streams{In: strings.NewReader(""), Out: &stdout, Err: &stderr})
	return code, stdout.String(), stderr.String()
}

// A run that failed says what goes on with it, on the terminal and on record, and
// that works. Whoever looks from another terminal sees how it stands, meanwhile
// and afterwards.
func TestGoOnAndStatus(t *testing.T) {
	w := newWorkbench(t, small(1, 3))
	t.Setenv("DOCKER_HOST", "unix:///does/not/exist/docker.sock")
	t.Setenv("STOKER_WORKERS", "1")
	t.Setenv("SECRET_OF_TEST", "correct-horse")
	t.Chdir(w.dir) // status of the default directory
	bad := w.bases[1].Name
	wait := w.path("wait")
	w.write("ctx/Dockerfile", strings.Replace(agentDockerfile, "COPY agent.txt", "RUN [ ! -e /testbed/"+bad+".txt ]\nCOPY agent.txt", 1))
	args := []string{"build", "--builder", w.daemon.Addr(), "--images", "bases.txt", "-t", w.registry.Host() + "/agent/{{.Name}}:1",
		"-t", w.registry.Host() + "/agent/{{.Name}}:2", "--build-arg", "BUILDER_IMAGE=" + w.builder.Ref,
		"--build-arg", "API_TOKEN=correct horse battery", "--push", "--progress", "quiet", "--order", "given",
		"--state-dir", w.path("state"), "--retries", "0", "--post-build", "touch posted; while [ -e wait ]; do sleep 0.05; done"}

	if code, out := runStoker(t.Context(), append(slices.Clone(args), "--load", "ctx")...); code != ExitUsage || !strings.Contains(out, "--load and -o type=docker put images into the docker") {
		t.Errorf("--load without docker: exit code %d, %s", code, out)
	}
	if code, out := runStoker(t.Context(), "status"); code != ExitUsage || !strings.Contains(out, "there is no run in stoker-out") {
		t.Errorf("status of nothing: exit code %d, %s", code, out)
	}

	w.write("wait", "")
	ended := make(chan struct{})
	var code int
	var out, errs string
	go func() {
		defer close(ended)
		code, out, errs = runApart(t.Context(), append(slices.Clone(args), "--fresh", "ctx")...)
	}()
	for exists := false; !exists && t.Context().Err() == nil; time.Sleep(20 * time.Millisecond) {
		_, err := os.Stat("posted")
		exists = err == nil
	}
	s := statusJSON(t)
	if s.State != show.Running || s.PID != os.Getpid() || s.Total != 3 || s.Unfinished != 3 || len(s.Running) != 1 || s.ResumeCommand != "" || !s.FinishedAt.IsZero() {
		t.Errorf("while it runs: %+v", s)
	}
	os.Remove(wait)
	<-ended
	if code != ExitFailed || strings.Count(out, "\n") != 2 {
		t.Errorf("exit code %d, standard output\n%s\nstandard error\n%s", code, out, errs)
	}
	for _, e := range w.manifestIn("stoker-out") {
		if line := w.registry.Host() + "/agent/" + e.Name + ":1@" + e.Digest + "\n"; (e.Status == ledger.Built) != strings.Contains(out, line) {
			t.Errorf("%s is %s, standard output\n%s", e.Name, e.Status, out)
		}
	}

	s = statusJSON(t)
	if s.State != show.Finished || s.Built != 2 || s.Failed != 1 || len(s.Failures) != 1 || s.Failures[0].Jobs[0] != bad {
		t.Errorf("once it has ended: %+v", s)
	}
	for name, text := range map[string]string{"standard error": errs, "summary.md": w.read("stoker-out/summary.md"), "status": statusText(t)} {
		if !strings.Contains(text, s.ResumeCommand) || s.ResumeCommand == "" || strings.Contains(text, "horse") {
			t.Errorf("%s does not say how to go on, or tells a secret:\n%s", name, text)
		}
	}
	if strings.Contains(s.ResumeCommand, "--fresh ") || strings.Contains(w.read("stoker-out/run.json"), "horse") {
		t.Errorf("command %s", s.ResumeCommand)
	}

	w.write("ctx/Dockerfile", agentDockerfile)
	words := shellWords(t, s.ResumeCommand)
	if code, out := runStoker(t.Context(), words...); code != ExitUsage || !strings.Contains(out, "put the secret there") {
		t.Errorf("without its secret: exit code %d, %s", code, out)
	}
	for i := range words {
		words[i] = strings.Replace(words[i], redact.Mark, "correct horse battery", 1)
	}
	code, out, errs = runApart(t.Context(), words...)
	if code != ExitOK || strings.Count(out, "\n") != 3 || errs != "" {
		t.Errorf("%q: exit code %d, standard output\n%s\nstandard error\n%s", words, code, out, errs)
	}
	if s := statusJSON(t); s.State != show.Finished || s.Built != 3 || s.Failed != 0 || s.ResumeCommand != "" {
		t.Errorf("when all is built: %+v", s)
	}

	// The logs of a run that is archived are where its record says.
	if code, out := runStoker(t.Context(), append(slices.Clone(args), "ctx")...); code != ExitOK {
		t.Errorf("exit code %d\n%s", code, out)
	}
	archived, err := filepath.Glob("stoker-out/archive/*")
	if err != nil || len(archived) != 1 {
		t.Fatalf("archived: %q (%v)", archived, err)
	}
	for _, e := range w.manifestIn(archived[0]) {
		if _, err := os.Stat(*e.LogPath); err != nil {
			t.Error(err)
		}
	}
	if code, out := runStoker(t.Context(), "status", archived[0]); code != ExitOK || !strings.Contains(out, "1 built, 0 skipped, 0 failed · 2 kept from before") {
		t.Errorf("status of an archived run: exit code %d\n%s", code, out)
	}
}

func statusJSON(t *testing.T) show.Status {
	t.Helper()
	code, out := runStoker(t.Context(), "status", "--format", "json")
	var s show.Status
	if err := json.Unmarshal([]byte(out), &s); err != nil || code != ExitOK {
		t.Fatal(errors.Join(err, errors.New(out)))
	}
	return s
}

func statusText(t *testing.T) string {
	t.Helper()
	code, out := runStoker(t.Context(), "status")
	if code != ExitOK {
		t.Errorf("exit code %d", code)
	}
	return out
}
