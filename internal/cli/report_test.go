package cli

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/ledger"
)

// recordRun leaves the record of a run in a directory, with jobs that ended as told.
func recordRun(t *testing.T, dir string, number, planned int, statuses map[string]ledger.Status) {
	t.Helper()
	now := time.Now()
	o := ledger.StartOptions{Now: now, Plan: ledger.PlanID{Shard: &ledger.Shard{Number: number, Of: 3, Jobs: 6, Input: "x"}}}
	for name := range statuses {
		o.Plan.Jobs = append(o.Plan.Jobs, ledger.PlanJob{Name: name, Tags: []string{"r.example/out:" + name}})
	}
	record, _, err := ledger.Start(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer record.Close()
	for name, status := range statuses {
		e := ledger.Entry{Time: ledger.Time{Time: now}, Name: name, Tags: []string{"r.example/out:" + name}, Digest: "sha256:" + name,
			Status: status, FinishedAt: ledger.Time{Time: now}, Pushed: new(status == ledger.Built)}
		if err := record.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := record.Finish(ledger.Summarize(record.Entries(), planned, now, now)); err != nil {
		t.Fatal(err)
	}
}

func TestReport(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if code, out := runStoker(t.Context(), "report"); code != ExitUsage || !strings.Contains(out, "stoker-out") {
		t.Errorf("no run: exit code %d, %q", code, out)
	}
	recordRun(t, "stoker-out/1", 1, 2, map[string]ledger.Status{"a": ledger.Built, "b": ledger.Failed})
	recordRun(t, "stoker-out/2", 2, 2, map[string]ledger.Status{"c": ledger.Built, "d": ledger.Skipped})
	recordRun(t, "stoker-out/1", 1, 2, map[string]ledger.Status{"a": ledger.Skipped, "b": ledger.Built}) // which archives the first

	code, out := runStoker(t.Context(), "report", "--refs", "refs.json")
	if code != ExitFailed || !strings.Contains(out, "4 of 6 jobs: 2 built, 2 skipped, 0 failed\n") || !strings.Contains(out, "shard 3 of 3 is not among these runs: 2 of 6 jobs") {
		t.Errorf("exit code %d, %s", code, out)
	}
	var refs map[string]ledger.Ref
	data, err := os.ReadFile("refs.json")
	if err != nil || json.Unmarshal(data, &refs) != nil || len(refs) != 4 || refs["c"].Image != "r.example/out@sha256:c" {
		t.Errorf("references %s, %v", data, err)
	}
	if _, out := runStoker(t.Context(), "report", "stoker-out", "stoker-out/1/", "--archived"); !strings.Contains(out, "4 of 6 jobs: 3 built, 1 skipped") || !strings.Contains(out, "in 3 runs") {
		t.Errorf("with the archived run: %s", out)
	}
	recordRun(t, "stoker-out/3", 3, 2, map[string]ledger.Status{"e": ledger.Built, "f": ledger.Skipped})
	if code, out := runStoker(t.Context(), "report", "--format", "csv", "stoker-out/1", "stoker-out/2", "stoker-out/3"); code != ExitOK || strings.Count(out, "\n") != 7 {
		t.Errorf("exit code %d, %s", code, out)
	}

	if code, out := runStoker(t.Context(), "report", "--format", "html"); code != ExitOK || !strings.Contains(out, "All 6 images are there") || !strings.Contains(out, "stoker-out/3") {
		t.Errorf("exit code %d, %s", code, out)
	}

	// A line that is being written is no mistake; a run that cannot be read is.
	manifest := filepath.Join("stoker-out/3", ledger.ManifestFile)
	whole, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(manifest, whole[:len(whole)-5], 0o644); err != nil {
		t.Fatal(err)
	}
	if code, out := runStoker(t.Context(), "report"); code != ExitFailed || !strings.Contains(out, "1 unfinished") || !strings.Contains(out, "it was cut off") {
		t.Errorf("a torn line: exit code %d, %s", code, out)
	}
	if err := os.WriteFile(filepath.Join("stoker-out/2", ledger.RunFile), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, out := runStoker(t.Context(), "report"); code != ExitUsage || !strings.Contains(out, "stoker-out/2 cannot be read") {
		t.Errorf("a damaged record: exit code %d, %s", code, out)
	}
	if code, out := runStoker(t.Context(), "report", "--format", "yaml"); code != ExitUsage || !strings.Contains(out, "use text, json, markdown, csv, html, trace, junit or github") {
		t.Errorf("exit code %d, %s", code, out)
	}
}

// A page shows the end of a log that its run has written, and of no file that is merely named
// as one.
func TestReportReadsItsOwnLogs(t *testing.T) {
	for _, elsewhere := range []bool{false, true} {
		dir, files := filepath.Join(t.TempDir(), "run"), t.TempDir()
		record, _, err := ledger.Start(dir, ledger.StartOptions{Plan: ledger.PlanID{Jobs: []ledger.PlanJob{{Name: "a"}}}})
		if err != nil {
			t.Fatal(err)
		}
		log, err := record.CreateLog("a", 1)
		if err != nil {
			t.Fatal(err)
		}
		path := log.Name()
		if elsewhere {
			path = filepath.Join(files, "secret")
		}
		if err := errors.Join(log.Close(), os.WriteFile(path, []byte("what it says\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
		err = record.Add(ledger.Entry{Name: "a", Status: ledger.Failed, LogPath: &path})
		if err := errors.Join(err, record.Close()); err != nil {
			t.Fatal(err)
		}
		if _, out := runStoker(t.Context(), "report", "--format", "html", dir); strings.Contains(out, "what it says") == elsewhere {
			t.Errorf("of a log elsewhere (%v):\n%s", elsewhere, out)
		}
	}
}

// What a run writes at its end is of its own jobs, as its terminal has them; report goes on to say
// that other shards are missing.
func TestOwnReportOfAShard(t *testing.T) {
	dir := t.TempDir()
	record, _, err := ledger.Start(dir, ledger.StartOptions{Plan: ledger.PlanID{Shard: &ledger.Shard{Number: 30, Of: 30, Jobs: 24, Input: "x"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer record.Close()
	summary, err := record.Finish(ledger.Summarize(nil, 0, time.Now(), time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	tellRun(record, summary, &said)
	page, err := os.ReadFile(filepath.Join(dir, ledger.PageFile))
	if err != nil || !strings.Contains(string(page), "0 of 0 images") || said.Len() > 0 {
		t.Errorf("%v %s %.2000s", err, &said, page)
	}
	if _, out := runStoker(t.Context(), "report", "--format", "html", dir); !strings.Contains(out, "0 of 24 images") {
		t.Error("report does not tell of the other shards")
	}
}
