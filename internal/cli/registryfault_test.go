package cli

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/ledger"
)

// Each fault of a registry meets one job of three: in what it pulls or in what
// it pushes.
func TestRegistryFaults(t *testing.T) {
	t.Parallel()
	const push = "agent/"
	tests := []struct {
		name   string
		fault  lab.Fault
		passes bool // once an attempt has failed
		class  builder.Class
		fails  int // the job, after this many attempts
		flags  []string
	}{
		{name: "server errors", fault: lab.Fault{Repo: push, Kind: lab.KindUpload, Status: http.StatusInternalServerError},
			passes: true, class: builder.Transient},
		{name: "cut connections", fault: lab.Fault{Repo: push, Kind: lab.KindUpload, Cut: true},
			passes: true, class: builder.Transient},
		{name: "too many requests", fault: lab.Fault{Repo: push, Status: http.StatusTooManyRequests, RetryAfter: 7 * time.Second},
			passes: true, class: builder.Throttled},
		// With one worker: while one job's pull fails, others that are just unpacking
		// a layer below it may fail too (measured on v0.34.2).
		{name: "a wrong digest once", fault: lab.Fault{Corrupt: true, Times: 1},
			class: builder.BrokenCache, flags: []string{"--workers", "1"}},
		{name: "a wrong digest for good", fault: lab.Fault{Corrupt: true},
			class: builder.BrokenCache, fails: 4, flags: []string{"--workers", "1"}},
		{name: "access denied", fault: lab.Fault{Repo: push, Kind: lab.KindUpload, Status: http.StatusForbidden},
			class: builder.Permanent, fails: 1},
		{name: "slow", fault: lab.Fault{BytesPerSecond: 8000}},
		{name: "too slow", fault: lab.Fault{BytesPerSecond: 100},
			passes: true, class: builder.TimedOut, flags: []string{"--timeout", "15s"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // they wait more than they work
			w := newWorkbench(t, small(1, 3))
			hit := w.bases[1]
			if tt.fault.Repo == push {
				tt.fault.Repo += hit.Name
			} else {
				tt.fault.Kind, tt.fault.Method, tt.fault.Digest = lab.KindBlob, http.MethodGet, hit.Layers[2].Digest
			}
			remove := w.registry.Inject(tt.fault)
			wait := func() error { return nil }
			if tt.passes {
				wait = w.during(0, func() error {
					defer remove()
					return w.untilEvent("attempt_failed")
				})
			}
			code, out := w.build(t.Context(), append([]string{"--workers", "3", "--retries", "3", "--force"}, tt.flags...)...)
			if err := wait(); err != nil {
				t.Fatal(err)
			}
			if tt.fails > 0 {
				w.checkOneFailed(code, out, hit.Name, tt.fails)
			} else {
				w.checkAllBuilt(code, out, 3)
			}
			if tt.class == "" {
				w.checkFailures("")
				return
			}
			for _, f := range w.checkFailures(tt.class, hit.Name) {
				// The record has milliseconds, cut off.
				if asked := tt.fault.RetryAfter.Seconds(); f.Delay < asked-0.1 {
					t.Errorf("the next attempt was made after %v s, the registry asks for %v s", f.Delay, asked)
				}
			}
		})
	}
}

// login makes the registry demand a user and password, and returns where docker
// has them: a variable for the real program, since docker's library reads it
// once for each process.
func (w *workbench) login() (lab.Auth, string) {
	w.t.Helper()
	auth := lab.Auth{User: "user", Password: "password", TokenTTL: time.Hour}
	w.write("docker/config.json", fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, w.registry.Host(),
		base64.StdEncoding.EncodeToString([]byte(auth.User+":"+auth.Password))))
	w.registry.RequireAuth(auth)
	return auth, "DOCKER_CONFIG=" + w.path("docker")
}

// loginByHelper is login with a program that docker asks for the password.
func (w *workbench) loginByHelper() (password string, env []string) {
	w.t.Helper()
	auth, config := w.login()
	auth.Password = "password-of-a-helper"
	w.registry.RequireAuth(auth)
	w.write("docker/config.json", `{"credsStore": "lab"}`)
	helper := w.write("bin/docker-credential-lab", fmt.Sprintf("#!/bin/sh\necho '{\"Username\":\"%s\",\"Secret\":\"%s\"}'\n", auth.User, auth.Password))
	if err := os.Chmod(helper, 0o755); err != nil {
		w.t.Fatal(err)
	}
	return auth.Password, []string{config, "PATH=" + filepath.Dir(helper) + ":" + os.Getenv("PATH")}
}

func TestRegistryAuth(t *testing.T) {
	t.Parallel()

	// Tokens that end in the middle of a build are fetched anew, which costs no
	// attempt and asks nobody. The password that a program gives for them stays out
	// of logs, in whatever form something prints it.
	t.Run("tokens expire", func(t *testing.T) {
		t.Parallel()
		w := newWorkbench(t, small(1, 6))
		password, env := w.loginByHelper()
		ctx, cancel := context.WithCancel(t.Context())
		var expirer sync.WaitGroup
		expirer.Go(func() {
			for ctx.Err() == nil {
				w.registry.ExpireTokens()
				time.Sleep(300 * time.Millisecond) // a busy machine must have the time to use one
			}
		})
		cmd := w.command("--workers", "2", "--retries", "0", "--post-build", fmt.Sprintf("echo %[1]s; echo user:%[1]s | base64", password))
		cmd.Env = append(os.Environ(), env...)
		code, out := start(t, cmd)()
		cancel()
		expirer.Wait()
		w.checkAllBuilt(code, out, 6)
		w.checkFailures("")
		log := w.read("out/logs/" + w.manifest()[0].Name + "/attempt-1.log")
		encoded := base64.StdEncoding.EncodeToString([]byte("user:" + password))
		if strings.Contains(log, password) || strings.Contains(log, encoded[10:20]) || strings.Count(log, "[redacted]") < 2 {
			t.Errorf("the password of a helper is in a log:\n%s", log)
		}
		if w.registry.RefusedTokens() == 0 {
			t.Error("no token was refused, so that nothing was shown")
		}
	})

	// Access that is taken away fails what is not built yet, without further
	// attempts.
	t.Run("access is revoked", func(t *testing.T) {
		t.Parallel()
		w := newWorkbench(t, small(1, 6))
		w.write("ctx/Dockerfile", agentDockerfile+"RUN sleep 1\n")
		auth, env := w.login()
		wait := w.during(2, func() error {
			auth.Password = "another"
			w.registry.RequireAuth(auth)
			return nil
		})
		cmd := w.command("--workers", "2")
		cmd.Env = append(os.Environ(), env)
		code, out := start(t, cmd)()
		if err := wait(); err != nil {
			t.Fatal(err)
		}
		if s := w.summary(); code != ExitFailed || s.Built < 2 || s.Failed == 0 || s.Unfinished != 0 {
			t.Fatalf("exit code %d, summary %+v\n%s", code, s, out)
		}
		for _, e := range w.manifest() {
			if e.Status == ledger.Failed && (e.ErrorClass != string(builder.Permanent) || e.AttemptCount != 1 || !strings.Contains(*e.Error, "the registry denies access")) {
				t.Errorf("%s has the class %s after %d attempts: %s", e.Name, e.ErrorClass, e.AttemptCount, *e.Error)
			}
		}
	})
}

// A credential helper that never answers holds up neither a run nor an interrupt, and is
// not left behind.
func TestCredentialHelperHangs(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 3))
	w.login()
	w.write("docker/config.json", fmt.Sprintf(`{"credHelpers": {%q: "hangs"}}`, w.registry.Host()))
	helpers := w.path("helpers")
	w.write("bin/docker-credential-hangs", "#!/bin/sh\necho $$ >> "+helpers+"\nsleep 1000\n")
	if err := os.Chmod(w.path("bin/docker-credential-hangs"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.write("helpers", "")
	cmd := w.command("--workers", "2")
	cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+w.path("docker"), "PATH="+w.path("bin")+":"+os.Getenv("PATH"))
	wait := start(t, cmd)
	asked := func() []string { return strings.Fields(w.read("helpers")) }
	// That it is asked again means that the run goes on.
	for end := time.Now().Add(time.Minute); len(asked()) < 2 && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	code, out := wait()
	if code != ExitInterrupted {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(out, "the credential helper docker-credential-hangs did not answer for "+w.registry.Host()+" within 8s") {
		t.Errorf("it is not said which helper did not answer:\n%s", out)
	}
	for _, pid := range asked() {
		if _, err := os.Stat("/proc/" + pid); err == nil {
			t.Errorf("helper %s still runs", pid)
		}
	}
}
