package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/stoker-build/stoker/internal/journal"
)

// sameBase lists one base image under many names.
func (w *workbench) sameBase(names int) {
	w.t.Helper()
	ref, err := name.ParseReference(w.bases[0].Ref, name.Insecure)
	if err != nil {
		w.t.Fatal(err)
	}
	image, err := remote.Image(ref)
	if err != nil {
		w.t.Fatal(err)
	}
	var refs []string
	for i := range names {
		other, err := name.ParseReference(fmt.Sprintf("%s/same/t%02d:1", w.registry.Host(), i), name.Insecure)
		if err != nil {
			w.t.Fatal(err)
		}
		if err := remote.Write(other, image); err != nil {
			w.t.Fatal(err)
		}
		refs = append(refs, other.String())
	}
	w.write("bases.txt", strings.Join(refs, "\n"))
}

// Jobs on one base image, whose only step differs in an argument that the step's
// record does not show, are swept while the run goes on.
func TestOneArgument(t *testing.T) {
	t.Parallel()
	w := newWorkbenchOnDisk(t, small(1, 1))
	w.sameBase(24)
	w.write("ctx/Dockerfile", `ARG BASE_IMAGE
FROM ${BASE_IMAGE}
ARG BASE_IMAGE
RUN echo ${BASE_IMAGE} > /own && head -c 1000000 /dev/urandom > /random
RUN cat /own > /copy
`)
	code, out := w.build(t.Context(), "--workers", "4", "--batch-size", "6", "--prune", "completed")
	if code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	s := w.summary()
	// On a quick machine it is told of a step so much later than of another that a few records
	// stay in doubt, and stay: of nearly 50 MB in all.
	if s.Prune.LiveRemovedRecords > 0 || *s.Cache.EndBytes > 16<<20 {
		t.Errorf("%d live records removed, %d bytes left\n%s", s.Prune.LiveRemovedRecords, *s.Cache.EndBytes, out)
	}
	// Each job has two records of its own. Which sweep takes a job's depends on when the builder
	// was done with it, so that what the sweeps before the last one took is counted in all.
	sweeps := events[journal.SweepFinished](w, "sweep_finished")
	whileBuilding := 0
	for _, sweep := range sweeps[:len(sweeps)-1] {
		whileBuilding += sweep.ReclaimedRecords
	}
	if whileBuilding < 20 {
		t.Errorf("the sweeps during the run removed %d records, want those of at least 10 of 24 jobs\n%s", whileBuilding, out)
	}
}
