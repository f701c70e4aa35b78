package show

import (
	"fmt"
	"io"
	"runtime"
	"syscall"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/stoker-build/stoker/internal/journal"
)

// BenchmarkLiveView tells what the live view takes of a processor and of memory while a run of
// 2,000 jobs has 200 events a second: of 10 seconds, and with the list of jobs open.
func BenchmarkLiveView(b *testing.B) {
	const jobs, perSecond, seconds = 2000, 200, 10
	var expected []Expected
	for i := range jobs {
		expected = append(expected, Expected{Name: fmt.Sprint("job-", i), Kind: "k", Base: fmt.Sprint(i % 50)})
	}
	for _, key := range []string{"", "j"} {
		b.Run("key "+key, func(b *testing.B) {
			for b.Loop() {
				v := newTTY(io.Discard, true, Options{Jobs: expected}.withDefaults(), tea.WithWindowSize(120, 40), tea.WithEnvironment([]string{"TERM=xterm-256color"}))
				before, began := processorTime(b), time.Now()
				v.Observe(began, journal.RunStarted{Jobs: jobs, Batches: 40, Workers: 16, Nodes: []string{"node"}})
				tick := time.NewTicker(time.Second / perSecond)
				for i := range perSecond * seconds {
					if i == perSecond && key != "" {
						v.press(key)
					}
					v.Observe(<-tick.C, loadEvent(i))
				}
				tick.Stop()
				took := time.Since(began)
				var mem runtime.MemStats
				runtime.ReadMemStats(&mem)
				b.ReportMetric((processorTime(b)-before).Seconds()/took.Seconds()*100, "percent-of-a-core")
				b.ReportMetric(float64(mem.Sys)/1e6, "MB")
				if err := v.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// loadEvent is the nth event of a run whose jobs have four each, sixteen of them at a time.
func loadEvent(n int) journal.Event {
	at := n / 16 % 4
	name := fmt.Sprint("job-", n/64*16+n%16)
	switch at {
	case 0:
		return journal.JobStarted{Job: name, Node: "node"}
	case 1:
		return journal.AttemptStarted{Job: name, Attempt: 1}
	case 2:
		return journal.StepStarted{Job: name, Step: fmt.Sprintf("[2/5] RUN make %d", n)}
	}
	if n%37 == 0 {
		return failed(name, fmt.Sprint("no ", n%7), 1)
	}
	return built(name, 9)
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
