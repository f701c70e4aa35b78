package cli

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever a build prints of its secrets, none is in any file of the run, nor on
// the terminal.
func TestSecretsStayOut(t *testing.T) {
	w := newWorkbench(t, small(1, 2))
	const fromFile, fromArg, fromEnv = "s3cret-in-a-file", "s3cret-in-an-argument", "s3cret-in-the-environment"
	w.write("secret.txt", fromFile+"\n")
	t.Setenv("THE_ENV_SECRET", fromEnv)
	w.write("ctx/Dockerfile", strings.Replace(agentDockerfile, "RUN ", `ARG API_TOKEN
RUN --mount=type=secret,id=file --mount=type=secret,id=env cat /run/secrets/file /run/secrets/env; echo "token is $API_TOKEN, see https://user:pass1234@example.com/x"; exit 9
RUN `, 1))
	code, out := w.build(t.Context(), "--retries", "0", "--secret", "id=file,src="+w.path("secret.txt"), "--secret", "id=env,env=THE_ENV_SECRET",
		"--build-arg", "API_TOKEN="+fromArg)
	if code != ExitFailed {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	seen := false
	err := filepath.WalkDir(w.path("out"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		seen = seen || bytes.Contains(data, []byte("[redacted]"))
		for _, secret := range []string{fromFile, fromArg, fromEnv, "pass1234"} {
			if bytes.Contains(data, []byte(secret)) {
				t.Errorf("%s is in %s", secret, path)
			}
			if strings.Contains(out, secret) {
				t.Errorf("%s was shown", secret)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !seen {
		t.Error("nothing was redacted, so that nothing was shown")
	}
}
