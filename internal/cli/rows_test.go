package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/ledger"
)

// rows runs stoker build on rows, which may name what is in the workbench's directory.
func (w *workbench) rows(rows []string, more ...string) (code int, output string) {
	w.t.Helper()
	args := []string{"build", "--builder", w.daemon.Addr(), "--allow-outside", "--rows", w.write("rows.jsonl", strings.Join(rows, "\n")+"\n"),
		"--push", "--progress", "plain", "--output-dir", w.path("out"), "--state-dir", w.path("state"), "--retry-delay", "10ms"}
	return runStoker(w.t.Context(), append(args, more...)...)
}

// Three rows with a Dockerfile and a context each: one with its own FROM, one
// that takes the base image that its row names, and one that takes a value.
func TestRowsWithTheirOwnDockerfiles(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 3))
	for id, dockerfile := range map[string]string{
		"own":   "FROM " + w.bases[0].Ref + "\nCOPY note /note\n",
		"given": "ARG BASE\nFROM ${BASE}\nCOPY note /note\n",
		"value": "FROM " + w.bases[2].Ref + "\nARG API_TOKEN\nCOPY note /note\nRUN echo \"token is $API_TOKEN\"; echo \"$API_TOKEN\" > /token\n",
	} {
		w.write("tasks/"+id+"/Dockerfile", dockerfile)
		w.write("tasks/"+id+"/note", "the note of "+id+"\n")
	}
	const token = "s3cret-in-a-row"
	rows := []string{
		`{"id":"own","token":"none"}`,
		fmt.Sprintf(`{"id":"given","base":%q,"token":"none"}`, w.bases[1].Ref),
		fmt.Sprintf(`{"id":"value","token":%q}`, token),
	}
	code, out := w.rows(rows, "--base", `{{index . "base" | default ""}}`, "--base-arg", "BASE", "--build-arg", "API_TOKEN={{.token}}",
		"-t", w.registry.Host()+"/tasks/{{.id}}:{{.DockerfileHash}}", w.path("tasks/{{.id}}"))
	if code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	bases := map[string]string{"own": "", "given": w.bases[1].Ref, "value": ""}
	own := map[string]string{"own": w.bases[0].Name, "given": w.bases[1].Name, "value": w.bases[2].Name}
	entries := w.manifest()
	for _, e := range entries {
		if base, planned := bases[e.Name]; !planned || e.BaseImage != base || e.Status != ledger.Built {
			t.Errorf("entry %+v", e)
			continue
		}
		files := labtest.Files(t, e.Tags[0])
		if got := string(files["/note"].Content); got != "the note of "+e.Name+"\n" {
			t.Errorf("%s has the note %q", e.Name, got)
		}
		if _, there := files["/testbed/"+own[e.Name]+".txt"]; !there {
			t.Errorf("%s is not built on %s", e.Name, own[e.Name])
		}
		if got := string(files["/token"].Content); e.Name == "value" && got != token+"\n" {
			t.Errorf("the row's value is %q in the image", got)
		}
	}
	if len(entries) != 3 {
		t.Errorf("%d entries", len(entries))
	}
	// What a row gives to an argument that looks like a secret is one.
	log, err := os.ReadFile(w.path("out/logs/value/attempt-1.log"))
	if err != nil || !strings.Contains(string(log), "token is [redacted]") {
		t.Errorf("the log: %v\n%s", err, log)
	}
	w.nowhere(token)

	code, out = w.rows(rows, "--base", `{{index . "base" | default ""}}`, "--base-arg", "BASE", "--build-arg", "API_TOKEN={{.token}}",
		"-t", w.registry.Host()+"/tasks/{{.id}}:{{.DockerfileHash}}", w.path("tasks/{{.id}}"))
	if s := w.summary(); code != ExitOK || s.Skipped != 3 {
		t.Errorf("the second time: exit code %d, summary %+v\n%s", code, s, out)
	}
	w.eachOf(bases)
}

// eachOf builds the same directories as rows of --each, with what the rows had in sidecars,
// but for one that --where leaves out.
func (w *workbench) eachOf(bases map[string]string) {
	w.t.Helper()
	w.write("tasks/own/task.toml", "skip = false\n")
	w.write("tasks/given/task.json", fmt.Sprintf(`{"base": %q}`, bases["given"]))
	w.write("tasks/value/task.yaml", "skip: true\n")
	code, out := runStoker(w.t.Context(), "build", "--builder", w.daemon.Addr(), "--allow-outside", "--push", "--progress", "plain",
		"--each", w.path("tasks/*/Dockerfile"), "--each-data", "{{.Dir}}/task.{toml,yaml,json}", "--where", "skip != true",
		"--base", `{{index . "base" | default ""}}`, "--base-arg", "BASE", "-t", w.registry.Host()+"/each/{{.Name}}:1",
		"--output-dir", w.path("each"), "--state-dir", w.path("state"), "{{.Dir}}")
	if code != ExitOK {
		w.t.Fatalf("of --each: exit code %d\n%s", code, out)
	}
	entries := w.manifestIn("each")
	for _, e := range entries {
		files := labtest.Files(w.t, e.Tags[0])
		if got := string(files["/note"].Content); e.BaseImage != bases[e.Name] || got != "the note of "+e.Name+"\n" {
			w.t.Errorf("of --each: entry %+v with the note %q", e, got)
		}
	}
	if len(entries) != 2 {
		w.t.Errorf("of --each: %d entries\n%s", len(entries), out)
	}
}

// nowhere makes sure that no file of the run has a text.
func (w *workbench) nowhere(text string) {
	w.t.Helper()
	err := filepath.WalkDir(w.path("out"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), text) {
			w.t.Errorf("%s is in %s", text, path)
		}
		return err
	})
	if err != nil {
		w.t.Error(err)
	}
}
