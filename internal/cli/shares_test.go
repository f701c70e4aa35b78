package cli

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/ledger"
)

// Many Dockerfiles on one base image that begin with the same steps: each shared
// step runs once, and what is each job's own goes while the run goes on. So it is
// on a builder that others use, and on one that nobody else does.
func TestSharedPrefix(t *testing.T) {
	t.Parallel()
	for _, owner := range []string{"shared", "exclusive"} {
		t.Run(owner, func(t *testing.T) {
			w := newWorkbenchOnDisk(t, small(1, 1))
			tally := labtest.Tally(t)
			const jobs, tail = 9, 3 * mb
			tasks, err := lab.WriteTasks(w.dir, lab.Tasks{Count: jobs, Base: w.bases[0].Ref, Variants: 3, VariantBytes: 2 * mb, TailBytes: tail, Tally: tally})
			if err != nil {
				t.Fatal(err)
			}
			code, out := runStoker(t.Context(), "build", "--builder", w.daemon.Addr(), "--rows", w.path(lab.TasksFile), "--allow-outside", "--push", "--progress", "plain",
				"-t", w.registry.Host()+"/tasks/{{.id}}:1", "--output-dir", w.path("out"), "--state-dir", w.path("state"), fmt.Sprintf("--exclusive=%t", owner == "exclusive"),
				"--workers", "3", "--batch-size", "3", "--prune", "completed", w.path("{{.dir}}"))
			w.checkSwept(code, out, jobs, 0)
			for _, task := range tasks {
				for _, step := range task.Runs {
					if n := tally.Counts()[step]; n != 1 {
						t.Errorf("step %s ran %d times", step, n)
					}
				}
			}
			// The tails of all but the last batches are gone before the end, and
			// never were all there at once.
			if early := w.reclaimedEarly(); early < 2*tail*(jobs-6) {
				t.Errorf("%d bytes were removed before the end\n%s", early, out)
			}
			if peak := w.summary().Cache.PeakBytes; peak > 2*tail*jobs {
				t.Errorf("the cache grew to %d bytes", peak)
			}
			w.checkSilent()
		})
	}
}

// sameText is a Dockerfile that the plan and a stranger have, each with a content
// of their own.
const sameText = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN echo the same > /same\nCOPY own /own\nRUN cat /own > /copy\n"

// buildAsStranger builds the plan's Dockerfile with another content on a base
// image, past Stoker, and returns BuildKit's progress.
func (w *workbench) buildAsStranger(base string) (string, error) {
	return w.buildPastStoker("stranger", base)
}

// buildPastStoker builds a directory on a base image, as others do.
func (w *workbench) buildPastStoker(dir, base string) (string, error) {
	return w.daemon.Buildctl(w.t.Context(), "build", "--progress=plain", "--frontend=dockerfile.v0",
		"--local=context="+w.path(dir), "--local=dockerfile="+w.path(dir), "--opt=build-arg:BASE_IMAGE="+base)
}

// writeSameText writes the plan's context and a stranger's. The plan's goes on with
// a step of its own, which takes its time on one base image.
func (w *workbench) writeSameText(slow lab.Base) {
	w.t.Helper()
	w.write("ctx/Dockerfile", sameText+fmt.Sprintf("RUN echo plan; [ ! -e /testbed/%s.txt ] || sleep 3\n", slow.Name))
	w.write("ctx/own", "the plan's\n")
	w.write("stranger/Dockerfile", sameText)
	w.write("stranger/own", "a stranger's\n")
}

// Another user's build of the same text on the same base images keeps its cache,
// whether it was there before the run or came in its midst.
func TestStrangersWithTheSameText(t *testing.T) {
	t.Parallel()
	w := newWorkbenchOnDisk(t, small(2, 3))
	before, during := w.bases[0].Ref, w.bases[1].Ref
	w.writeSameText(w.bases[1])
	if _, err := w.buildAsStranger(before); err != nil {
		t.Fatal(err)
	}
	// Somebody had the very steps of a job, too, and nobody had exported the result: once the
	// run has, its record has another ID.
	if _, err := w.buildPastStoker("ctx", w.bases[2].Ref); err != nil {
		t.Fatal(err)
	}
	// The stranger's build comes when the plan's on the same base image is at its last
	// step: not at the same moment, which nothing would tell apart.
	last := fmt.Sprintf(`"job":"%s","step":"[5/5]`, w.bases[1].Name)
	wait := w.once("the last step on the second base", ledger.EventsFile, last, 1, func() error {
		time.Sleep(time.Second)
		_, err := w.buildAsStranger(during)
		return err
	})
	code, out := w.build(t.Context(), "--workers", "2", "--order", "given", "--batch-size", "1", "--prune", "completed")
	if err := wait(); err != nil {
		t.Fatal(err)
	}
	w.checkAllBuilt(code, out, 6)
	if p := w.summary().Prune; p.LiveRemovedRecords != 0 || p.ReclaimedBytes == 0 {
		t.Errorf("prune %+v", p)
	}
	for _, base := range []string{before, during} {
		out, err := w.buildAsStranger(base)
		if err != nil || strings.Count(out, " CACHED") != 3 {
			t.Errorf("the stranger's build on %s is not all cached any more (%v):\n%s", base, err, out)
		}
	}
	if out, err := w.buildPastStoker("ctx", w.bases[2].Ref); err != nil || strings.Count(out, " CACHED") != 4 {
		t.Errorf("the build of the very steps of a job is not all cached any more (%v):\n%s", err, out)
	}
	// Nothing of the plan's own is left beside that.
	left := 0
	for _, u := range w.diskUsage() {
		if strings.Contains(u.Description, "echo plan") {
			left++
		}
	}
	if left != 1 {
		t.Errorf("%d records of the plan's last step are there, want the one that was there before", left)
	}
}

// What a killed run left on a builder that others use, the resumed run knows for
// its own, and sweeps.
func TestKilledRunIsSweptByTheNext(t *testing.T) {
	t.Parallel()
	w := newWorkbenchOnDisk(t, small(1, 8))
	w.writeSameText(w.bases[1])
	if _, err := w.buildAsStranger(w.bases[7].Ref); err != nil {
		t.Fatal(err)
	}
	w.list(w.refs()[:7]...)
	// One by one: steps of the same text are told apart by their times. The cache is looked at when the first jobs end, and then not for a while: what the
	// others pull nobody sees before the kill.
	if _, killed, out := w.killedAt(5, "--workers", "1", "--prune", "completed", "--batch-size", "15"); !killed {
		t.Fatalf("it had ended, so that nothing is shown\n%s", out)
	}
	code, output := w.build(t.Context(), "--resume", "--workers", "1", "--prune", "completed")
	if s := w.summary(); code != ExitOK || s.Built+s.Skipped != 7 {
		t.Errorf("exit code %d, summary %+v\n%s", code, s, output)
	}
	w.checkLeft(3 + 3) // the stranger's layers and steps
}

// A cache mount is for the builds of other days, too.
func TestCacheMountsStay(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 3))
	w.write("ctx/Dockerfile", ownStep+"RUN --mount=type=cache,target=/cache date >> /cache/days && cat /cache/days\n")
	for range 2 {
		code, out := w.build(t.Context(), "--force", "--prune", "completed", "--workers", "1", "--batch-size", "1")
		w.checkSwept(code, out, 3, 0)
	}
	mounts := 0
	for _, u := range w.diskUsage() {
		if u.RecordType == client.UsageRecordTypeCacheMount {
			mounts++
		}
	}
	if mounts != 1 {
		t.Errorf("%d cache mounts are left, want the 1 that all builds share", mounts)
	}
}
