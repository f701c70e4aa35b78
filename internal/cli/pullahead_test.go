package cli

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/lab"
)

// While a job is built, the node pulls the layers of the next, as that job's build would:
// none is pulled again, each is known for what it is, and all are swept after. Each job but the last ends
// only once the next one's layers are there.
func TestLayersArePulledAhead(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(2, 2))
	w.registry.Inject(lab.Fault{Kind: lab.KindBlob, Method: http.MethodGet, Delay: 100 * time.Millisecond})
	awaitNext := fmt.Sprintf(`cd %q; echo >> ended; need=$(wc -l < ended)
for i in $(seq 600); do
	[ $need = %d ] || [ $(grep -c '"type":"pull_finished".*"pulled":true' out/events.jsonl) -ge $need ] && exit 0
	sleep 0.1
done; exit 1`, w.dir, len(w.bases))
	code, out := w.build(t.Context(), "--workers", "1", "--prune", "completed", "--exclusive", "--retries", "0", "--post-build", awaitNext)
	s := w.summary()
	if code != ExitOK || s.Built != len(w.bases) {
		t.Fatalf("exit code %d, %d built: no job ends before the next one's layers are there\n%s", code, s.Built, out)
	}
	w.checkPulledOnce()
	w.checkPulledBytes()
	if end := s.Cache.EndBytes; s.Prune.LiveRemovedRecords != 0 || end == nil || *end != 0 {
		t.Errorf("the cache after it: %+v, %d records were removed unasked", s.Cache, s.Prune.LiveRemovedRecords)
	}
	type event struct {
		Type, Job string
		Entry     struct{ Name string }
	}
	all := events[event](w, "")
	at := func(kind, job string) int {
		return slices.IndexFunc(all, func(e event) bool { return e.Type == kind && (e.Job == job || e.Entry.Name == job) })
	}
	var jobs []string
	for _, e := range events[journal.JobStarted](w, "job_started") {
		jobs = append(jobs, e.Job)
	}
	for i, next := range jobs[1:] {
		if begun, there, ended := at("pull_started", next), at("pull_finished", next), at("job_finished", jobs[i]); begun < 0 || there < begun || ended < there {
			t.Errorf("%s: its layers were begun with at event %d and there at %d, the job before it ended at %d", next, begun, there, ended)
		}
	}
}
