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

// What rows have in columns that are named like secrets is in no error, whoever finds it.
func TestSecretsOfRowsStayOutOfErrors(t *testing.T) {
	dir := t.TempDir()
	const rows = `{"id":"one","password":"pwSECRET99","deep":{"api_key":["Key-of-Mine"]}}` + "\n" + `{"id":"two","password":"pwSECRET99","deep":{"api_key":["Key-of-Mine"]}}` + "\n"
	for name, text := range map[string]string{
		"Dockerfile": "FROM scratch\nARG V\nCOPY ${V} /\n", "rows.jsonl": rows,
		"docker-bake.hcl": "variable \"all\" { type = list(object({id=string, password=string})) }\ntarget \"default\" {\n  name = item.id\n  matrix = { item = all }\n  context = \"" + dir + "\"\n" +
			"  output = [\"type=cacheonly\"]\n  tags = [\"r.example/x:${item.password}/\"]\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := func(command, tag string) []string {
		return []string{command, "--rows", filepath.Join(dir, "rows.jsonl"), "--build-arg", "V={{.id}}", "-t", tag, "-o", "type=cacheonly", dir}
	}
	for name, args := range map[string][]string{
		"build":      build("build", "r.example/x:{{.id}}-{{.password}}/"),
		"a list":     build("build", "r.example/x:{{index .deep.api_key 0}}/"),
		"twice":      build("build", "r.example/x:{{.password}}"),
		"plan":       build("plan", "r.example/x:{{.id}}-{{.password}}/"),
		"check":      build("check", "r.example/x:{{.id}}-{{.password}}/"),
		"check json": append(build("check", "r.example/x:{{.id}}-{{.password}}/"), "--format", "json"),
		"bake":       {"bake", "-f", filepath.Join(dir, "docker-bake.hcl"), "--rows", filepath.Join(dir, "rows.jsonl"), "--rows-var", "all", "--allow", "fs.read=" + dir},
	} {
		t.Run(name, func(t *testing.T) {
			_, out := runStoker(t.Context(), args...)
			if strings.Contains(out, "SECRET99") || strings.Contains(out, "Key-of") || !strings.Contains(out, "[redacted]") || !strings.Contains(out, "tag") {
				t.Errorf("it says\n%s", out)
			}
		})
	}
}
