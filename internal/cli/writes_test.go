//go:build unix

package cli

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What would take the place of something else is refused before a builder is asked,
// and everything is as it was.
func TestWritesThatCollide(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for name, text := range map[string]string{
		"ctx/Dockerfile": "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n", "one.txt": "debian:12\n", "two.txt": "a/one:1\na/two:1\n",
		"rows.jsonl": `{"id":"a"}` + "\n", "rowctx/Dockerfile": "FROM debian\nARG V\nRUN echo $V\n", "out/manifest.jsonl": "", "id": "old", "a.pem": "secret", "key": sshKey(t),
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"lnk": "out", "rows2": "rows.jsonl", "toId": "id"} {
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir("empty", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo("pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	const record = `in the output directory "out"`
	one, two := "--images one.txt ctx ", "--images two.txt ctx "
	row := "--rows rows.jsonl --build-arg V={{.id}} rowctx "
	for _, tt := range []struct{ args, says string }{
		{one + "--metadata-file empty", `--metadata-file: "empty" is a directory`},
		{one + "--iidfile empty", `--iidfile: "empty" is a directory`},
		{one + "--metadata-file none/m.json", "--metadata-file: there is no directory"},
		{one + "--metrics-textfile none/stoker.prom", "--metrics-textfile: there is no directory"},
		{one + "--metrics-textfile one.txt", `--metrics-textfile: "one.txt" is the file that --images reads`},
		{one + "--metrics-textfile id --secret id=a,src=id", `--metrics-textfile: "id" is the file that --secret reads`},
		{one + "--metrics-textfile id --secret id=id", `--metrics-textfile: "id" is the file that --secret reads`},
		{one + "--metrics-textfile id --secret id=id,env=HOME", ""},
		{row + "--metadata-file toId --secret id=a,src={{.id}}.pem --secret id=b,src=id", `--metadata-file: "toId" is the file that --secret reads`},
		{one + "--metrics-textfile key --ssh default=key", `--metrics-textfile: "key" is the file that --ssh reads`},
		{one + "--iidfile id --buildkitd-config id", `--iidfile: "id" is the file that --buildkitd-config reads`},
		{one + "--metrics-textfile id --tlskey id", `--metrics-textfile: "id" is the file that --tlskey reads`},
		{one + "--metrics-textfile id --recover-lock id", `--metrics-textfile: "id" is the file that --recover-lock reads`},
		{one + "--metrics-textfile lnk/stoker.prom", record},
		{one + "--metadata-file m.json --metrics-textfile m.json", `--metrics-textfile: "m.json" is what --metadata-file writes`},
		{one + "--iidfile {{.Name}}", "--metadata-file takes one"},
		{one + "--metadata-file one.txt", `--metadata-file: "one.txt" is the file that --images reads`},
		{one + "--iidfile ctx/Dockerfile", `--iidfile: "ctx/Dockerfile" is the file that -f reads`},
		{row + "--metadata-file rows2", `"rows2" is the file that --rows reads`},
		{row + "-o type=tar,dest=rows.jsonl", `--output: "rows.jsonl" is the file that --rows reads`},
		{one + "--metadata-file out/manifest.jsonl", "--metadata-file: \"out/manifest.jsonl\" is " + record},
		{one + "--iidfile lnk/id", record},
		{two + "--metadata-file lnk/{{.Name}}.json", record},
		{one + "-o type=oci,dest=lnk/new/o.tar", `--output: "lnk/new/o.tar" is ` + record},
		{one + "-o out", record},
		{one + "--cache-to type=local,dest=out/cache", `--cache-to: "out/cache" is ` + record},
		{one + "--metadata-file id --iidfile toId", `--iidfile: "toId" is what --metadata-file writes`},
		{row + "-o type=tar,dest={{.id}}.json --metadata-file {{.id}}.json", `--metadata-file: "a.json" is what --output writes`},
		{row + "-o type=tar,dest=m.json --metadata-file ./m.json", `--metadata-file: "./m.json" is what --output writes`},
		{row + "-o type=oci,dest=- -q", "--output: the image is to go to standard output, where --progress quiet writes, too"},
		{row + "-o type=oci --progress json", "--output: the image is to go to standard output, where --progress json writes, too"},
		{row + "-o type=oci,dest=- --progress plain", ""},
		{row + "-o empty -q --metadata-file empty/m.json", ""},
		{one + "--metadata-file pipe --iidfile pipe", ""},
	} {
		t.Run(tt.args, func(t *testing.T) {
			args := append(strings.Fields("build --builder unix:///does/not/exist.sock --output-dir out --state-dir state -o type=cacheonly"), strings.Fields(tt.args)...)
			code, output := runStoker(t.Context(), args...)
			if want := map[bool]int{true: ExitNoBuilder, false: ExitUsage}[tt.says == ""]; code != want || !strings.Contains(output, tt.says) {
				t.Errorf("exit code %d, want %d, and that it says %q:\n%s", code, want, tt.says, output)
			}
		})
	}
	for _, name := range []string{"empty", "pipe", "id", "key", "rows.jsonl", "out/manifest.jsonl"} {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
}

// sshKey is a new key.
func sshKey(t *testing.T) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
