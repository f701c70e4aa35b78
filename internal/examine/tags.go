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
			if len(j.Tags) == 0 {
				return nil
			}
			errs[i] = e.hosts.ask(ctx, imageref.HostOf(j.Tags[0]), func(ctx context.Context) (err error) {
				_, exist[i], err = run.TagsExist(ctx, e.Registry, j)
				return err
			})
			return nil
		})
	}
	_ = group.Wait()
	var open []*plan.Job
	why := firsts{}
	for i, j := range e.Plan.Jobs {
		if exist[i] {
			e.report.Existing = append(e.report.Existing, j.Name)
			continue
		}
		open = append(open, j)
		if errs[i] != nil {
			host := imageref.HostOf(j.Tags[0])
			e.unknown(check.Tag, fmt.Sprintf("whether images exist at %s already: %s", host, why.of(host, errs[i])), j.Name)
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
			err := e.hosts.ask(ctx, imageref.HostOf(ref), func(ctx context.Context) error { return e.Registry.CanPush(ctx, ref) })
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
			e.unknown(check.Push, fmt.Sprintf("whether images may be pushed to %s: %s", host, why.of(host, err)), names[at]...)
			delete(errs, at)
		}
	}
	for _, f := range pushFindings(names, errs) {
		e.add(f)
	}
}

// How many repositories that may not be written are told each by itself.
const deniedNamed = 3

// pushFindings says which repositories take no images. Of many at a registry one is told
// that stands for all.
func pushFindings(names map[string][]string, errs map[string]error) (found []check.Finding) {
	alike := map[string][]check.Finding{}
	var order []string
	for _, at := range slices.Sorted(maps.Keys(errs)) {
		if errs[at] == nil {
			continue
		}
		f := pushFinding(at, names[at], errs[at])
		key := imageref.HostOf(at) + f.Hint
		if alike[key] == nil {
			order = append(order, key)
		}
		alike[key] = append(alike[key], f)
	}
	for _, key := range order {
		all := alike[key]
		if len(all) <= deniedNamed {
			found = append(found, all...)
			continue
		}
		one := all[0]
		one.Text = fmt.Sprintf("%d repositories cannot be pushed to, such as this: %s", len(all), one.Text)
		for _, f := range all[1:] {
			one.Jobs = append(one.Jobs, f.Jobs...)
		}
		found = append(found, one)
	}
	return found
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
