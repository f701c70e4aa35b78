package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
)

// The file is written at the beginning, so that none of an earlier run stands there, while the run goes on, and at its end.
func TestMetricsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stoker.prom")
	has := func(want string) {
		t.Helper()
		if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), want+"\n") {
			t.Errorf("without %q: %v\n%s", want, err, text)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		j := journal.New()
		end := runOptions{metricsFile: path}.writeMetrics(j)
		j.Tell(journal.RunStarted{Jobs: 3})
		synctest.Wait()
		has(`stoker_jobs{state="waiting"} 3`)
		j.Tell(journal.JobStarted{Job: "a"})
		time.Sleep(metricsInterval)
		synctest.Wait()
		has(`stoker_jobs{state="waiting"} 2`)
		j.Tell(journal.RunFinished{Summary: ledger.Summary{Unfinished: 3}})
		var said bytes.Buffer
		end(&said)
		has(`stoker_jobs{state="unfinished"} 3`)
		if said.Len() > 0 {
			t.Errorf("it says %s", &said)
		}
	})
}

// That it cannot be written is said once, as soon as it is known, and stops nothing.
func TestMetricsFileThatCannotBeWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gone", "stoker.prom")
	for name, after := range map[string]time.Duration{"during the run": 3 * metricsInterval, "at its end": time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := journal.New()
				var warnings atomic.Int64
				heard := j.Subscribe(journal.Everything, func(_ time.Time, e journal.Event) {
					if w, is := e.(journal.Warning); is && strings.Contains(w.Message, "--metrics-textfile") && strings.Contains(w.Message, path) {
						warnings.Add(1)
					}
				})
				end := runOptions{metricsFile: path}.writeMetrics(j)
				time.Sleep(after)
				synctest.Wait()
				var said bytes.Buffer
				end(&said)
				_ = heard.Close(time.Second)
				if n := warnings.Load() + int64(strings.Count(said.String(), "warning: --metrics-textfile")); n != 1 {
					t.Errorf("%d warnings, %d of them at the end: %s", n, n-warnings.Load(), &said)
				}
			})
		})
	}
}
