package examine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/check"
	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/registry"
	"github.com/stoker-build/stoker/internal/run"
	"github.com/stoker-build/stoker/internal/visible"
)

// tags asks which jobs' images exist, and returns the other jobs.
func (e *examination) tags(ctx context.Context) []*plan.Job {
	if e.Force {
		return e.Plan.Jobs
	}
	ctx, cancel := within(ctx, registryPatience)
	defer cancel()
	exist, errs := make([]bool, len(e.Plan.Jobs)), make([]error, len(e.Plan.Jobs))
	var group errgroup.Group
	group.SetLimit(askers)
	for i, j := range e.Plan.Jobs {
		group.Go(func() error {
			_, exist[i], errs[i] = run.TagsExist(ctx, e.Registry, j)
			return nil
		})
	}
	_ = group.Wait()
	var open []*plan.Job
	why := firsts{}
	for i, j := range e.Plan.Jobs {
		if exist[i] {
			e.report.Existing++
			continue
		}
		open = append(open, j)
		if errs[i] != nil {
			host := imageref.HostOf(j.Tags[0])
			e.unknown(check.Tag, fmt.Sprintf("whether images exist at %s already: %s", host, why.of(host, unanswered(ctx, errs[i]))), j.Name)
		}
	}
	return open
}

// firsts are the first reasons, by whom they concern: of a host that does not answer, each
// question has its own.
type firsts map[string]string

func (f firsts) of(whom string, err error) string {
	if f[whom] == "" {
		f[whom] = visible.FirstLine(err.Error())
	}
	return f[whom]
}

// pushes asks whether images may be pushed, once for each repository.
func (e *examination) pushes(ctx context.Context, open []*plan.Job) {
	ctx, cancel := within(ctx, registryPatience)
	defer cancel()
	to, names := map[string]string{}, map[string][]string{} // by repository
	for _, j := range open {
		for _, ref := range j.PushedTo() {
			parsed, err := imageref.Parse(ref)
			if err != nil {
				continue // the builder will say so
			}
			at := parsed.Repository()
			to[at], names[at] = ref, append(names[at], j.Name)
		}
	}
	var mu sync.Mutex
	errs := map[string]error{}
	var group errgroup.Group
	group.SetLimit(askers)
	for at, ref := range to {
		group.Go(func() error {
			err := e.Registry.CanPush(ctx, ref)
			mu.Lock()
			defer mu.Unlock()
			errs[at] = err
			return nil
		})
	}
	_ = group.Wait()
	why := firsts{}
	for _, at := range slices.Sorted(maps.Keys(errs)) {
		err := errs[at]
		if err != nil && !errors.Is(err, registry.ErrDenied) && !errors.Is(err, registry.ErrNotFound) {
			host := imageref.HostOf(at)
			e.unknown(check.Push, fmt.Sprintf("whether images may be pushed to %s: %s", host, why.of(host, unanswered(ctx, err))), names[at]...)
			continue
		}
		if err != nil {
			e.add(pushFinding(at, names[at], err))
		}
	}
}

// pushFinding says that a registry takes no images for a repository.
func pushFinding(repository string, jobs []string, err error) check.Finding {
	host := imageref.HostOf(repository)
	f := check.Finding{Severity: check.Fault, Kind: check.Push, Jobs: jobs,
		Text: fmt.Sprintf("pushing to %s is not allowed: %s", repository, visible.FirstLine(err.Error())),
		Hint: fmt.Sprintf("log in with \"docker login %s\" as somebody who may write there", host)}
	if errors.Is(err, registry.ErrNotFound) {
		f.Text = fmt.Sprintf("%s has no repository %s, and makes none by itself: %s", host, repository, visible.FirstLine(err.Error()))
		f.Hint = "create it there first"
	}
	return f
}
