package show

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

// What is built on a failed job is told as such in every view, and counts as neither failed nor done.
func TestDependantsInAllViews(t *testing.T) {
	reason := ledger.DependencyFailed
	entry := func(name, failed string) ledger.Entry {
		return ledger.Entry{Time: ledger.Time{Time: sec(3)}, Name: name, Status: ledger.SkippedDependency, SkipReason: &reason, FailedDependency: failed}
	}
	entries := []ledger.Entry{{Time: ledger.Time{Time: sec(1)}, Name: "good", Status: ledger.Built}, failedEntry("base-7", "no"), entry("on-7", "base-7"), entry("on-on-7", "base-7")}
	entries[1].Time = ledger.Time{Time: sec(2)}
	s := ledger.Summarize(entries, 4, sec(0), sec(4))
	const says = "1 failed, 2 skipped: built on base-7, which failed"
	var events []told
	events = append(events, told{0, journal.RunStarted{Jobs: 4, Batches: 1, Workers: 1}})
	for _, e := range entries {
		events = append(events, told{1, journal.JobFinished{Entry: e}})
	}
	st := State{}
	for _, e := range events {
		st.Apply(sec(e.at), e.event)
	}
	if st.done() != 4 {
		t.Errorf("%d of 4 are done", st.done())
	}
	status, err := StatusOf(statusRecord(entries...), eventLines(t, events...), sec(5))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := plainOf(append(events, told{4, journal.RunFinished{Summary: s}})...)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	quiet, err := New(ModeQuiet, &out, Options{Results: &out})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		quiet.Observe(sec(e.at), e.event)
	}
	live := strings.Join(frame{State: &st, now: sec(5), width: 200}.numbers(), " ")
	for view, text := range map[string]string{
		"end": FinalText(s, "", 0, false), "unfinished": st.closing(0, false), "status": status.Text(0, false), "plain": plain,
		"live": strings.ReplaceAll(live, " · ", ", "), "markdown": strings.ReplaceAll(s.Markdown(false, ""), "1 failed, 2 built on failed ones", says)} {
		if text = strings.ReplaceAll(text, " · ", ", "); !strings.Contains(text, says) {
			t.Errorf("%s does not say %q:\n%s", view, says, text)
		}
	}
	if !strings.Contains(s.Markdown(false, ""), "- on `base-7`: `on-7`, `on-on-7`\n") || !strings.Contains(s.Markdown(false, ""), "Stoker: 1 of 4 images") {
		t.Errorf("the markdown is\n%s", s.Markdown(false, ""))
	}
	if !strings.Contains(out.String(), "skipped on-7: built on base-7, which failed\n") || !strings.Contains(plain, "skipped   on-7") {
		t.Errorf("single jobs are not told of:\n%s\n%s", out.String(), plain)
	}
	if status.Skipped != 0 || status.SkippedDependency != 2 || s.Skipped != 0 || s.SkippedDependency != 2 || s.Failed != 1 {
		t.Errorf("status %+v, summary %+v", status, s)
	}
}
