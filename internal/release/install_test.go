package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// root is the repository's directory, from this package's.
const root = "../.."

// program stands for Stoker in the archives of these tests.
const program = "#!/bin/sh\necho stoker 1.2.3\n"

// archive is a release's archive with a program of a name.
func archive(t *testing.T, name string) []byte {
	t.Helper()
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	files := tar.NewWriter(compressed)
	for name, text := range map[string]string{"LICENSE": "free\n", name: program} {
		err := files.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))})
		if _, writeErr := files.Write([]byte(text)); errors.Join(err, writeErr) != nil {
			t.Fatal(err, writeErr)
		}
	}
	if err := errors.Join(files.Close(), compressed.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// publish serves releases v1.2.3 and, the same, latest. It has archives for three
// systems; of that for linux_arm64 the checksum is another's.
func publish(t *testing.T) (url string) {
	t.Helper()
	files := map[string][]byte{}
	var sums strings.Builder
	for system, name := range map[string]string{
		"linux_amd64": "stoker", "linux_arm64": "stoker", "darwin_arm64": "stoker", "windows_amd64": "stoker.exe",
	} {
		content := archive(t, name)
		files["stoker_"+system+".tar.gz"] = content
		if system == "linux_arm64" {
			content = content[1:]
		}
		fmt.Fprintf(&sums, "%x  stoker_%s.tar.gz\n", sha256.Sum256(content), system)
	}
	files["stoker_darwin_amd64.tar.gz"] = archive(t, "stoker") // which checksums.txt lacks
	files["checksums.txt"] = []byte(sums.String())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dir, name := filepath.Split(r.URL.Path)
		content, found := files[name]
		if !found || dir != "/releases/latest/download/" && dir != "/releases/download/v1.2.3/" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(content)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/releases"
}

// machine is the environment of a shell on a machine of a system and architecture.
func machine(t *testing.T, releases, system, arch string) []string {
	t.Helper()
	bin := t.TempDir()
	uname := fmt.Sprintf("#!/bin/sh\ncase $1 in -s) echo %s ;; -m) echo %s ;; esac\n", system, arch)
	if err := os.WriteFile(filepath.Join(bin, "uname"), []byte(uname), 0o755); err != nil {
		t.Fatal(err)
	}
	return []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir(), "STOKER_RELEASES=" + releases}
}

// install runs install.sh on such a machine, and returns which programs are installed
// then.
func install(t *testing.T, env []string, version string) (installed, output string, err error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "bin")
	cmd := exec.CommandContext(t.Context(), "sh", filepath.Join(root, "install.sh"), version, dir)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	var there []string
	list, _ := os.ReadDir(dir) // which may not have been made
	for _, file := range list {
		if info, err := file.Info(); err == nil && info.Mode()&0o111 != 0 {
			there = append(there, file.Name())
		}
	}
	return strings.Join(there, " "), string(out), err
}

func TestInstall(t *testing.T) {
	t.Parallel()
	releases := publish(t)
	for _, c := range []struct {
		system, arch, version string
		installed, says       string
	}{
		{"Linux", "x86_64", "latest", "stoker", "bin/stoker\n"},
		{"Linux", "x86_64", "v1.2.3", "stoker", "bin/stoker\n"},
		{"Linux", "x86_64", "1.2.3", "stoker", "bin/stoker\n"},
		{"Darwin", "arm64", "latest", "stoker", "bin/stoker\n"},
		{"MINGW64_NT-10.0", "x86_64", "latest", "stoker.exe", "bin/stoker.exe\n"},
		{"Linux", "x86_64", "v9.9.9", "", "could not download " + releases + "/download/v9.9.9/checksums.txt"},
		{"Linux", "aarch64", "latest", "", "stoker_linux_arm64.tar.gz is damaged"},
		{"Darwin", "x86_64", "latest", "", "checksums.txt of latest does not have stoker_darwin_amd64.tar.gz"},
		{"FreeBSD", "amd64", "latest", "", "there is no release for FreeBSD"},
		{"Linux", "riscv64", "latest", "", "there is no release for riscv64"},
	} {
		installed, out, err := install(t, machine(t, releases, c.system, c.arch), c.version)
		if installed != c.installed || !strings.Contains(out, c.says) || (err == nil) != (c.installed != "") {
			t.Errorf("%s on %s %s: installed %q (%v), want %q and %q\n%s", c.version, c.system, c.arch, installed, err, c.installed, c.says, out)
		}
	}
}

// TestAction runs the steps of the GitHub action as a runner does.
func TestAction(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "action.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var action struct {
		Inputs  map[string]struct{ Default string }
		Outputs map[string]struct{ Value string }
		Runs    struct {
			Using string
			Steps []struct {
				Shell, Run string
				Env        map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &action); err != nil {
		t.Fatal(err)
	}
	if action.Runs.Using != "composite" || len(action.Runs.Steps) != 1 || action.Runs.Steps[0].Shell != "bash" {
		t.Fatalf("this test runs one step with bash, not %+v", action.Runs)
	}
	step := action.Runs.Steps[0]
	temp := t.TempDir()
	file := func(name string) string { return filepath.Join(temp, name) }
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	env := append(machine(t, publish(t), "Linux", "emulated"), "RUNNER_ARCH=X64", "RUNNER_TEMP="+temp, "GITHUB_ACTION_PATH="+here,
		"GITHUB_PATH="+file("path"), "GITHUB_OUTPUT="+file("output"), "GITHUB_ENV="+file("env"))
	given := strings.NewReplacer("${{ inputs.version }}", action.Inputs["version"].Default, "${{ inputs.disk-path }}", "/mnt")
	for name, value := range step.Env {
		env = append(env, name+"="+given.Replace(value))
	}
	cmd := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step.Run)
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	dir := file("stoker")
	for name, want := range map[string]string{
		"path": dir + "\n", "output": "path=" + dir + "\nversion=1.2.3\n", "env": "STOKER_DISK_PATH=/mnt\n", "stoker/stoker": program,
	} {
		if got, err := os.ReadFile(file(name)); err != nil || string(got) != want {
			t.Errorf("%s has %q (%v), want %q", name, got, err, want)
		}
	}
	for name, output := range action.Outputs {
		if output.Value != fmt.Sprintf("${{ steps.install.outputs.%s }}", name) {
			t.Errorf("the output %s is %s", name, output.Value)
		}
	}
}
