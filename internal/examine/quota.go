package examine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/check"
	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/throttle"
)

// quota compares what registries say they may be asked for with what is to be pulled.
func (e *examination) quota(ctx context.Context, r reads) {
	ctx, cancel := within(ctx, registryPatience)
	defer cancel()
	pulls, samples := map[string]int{}, map[string]string{} // by registry
	for image := range r.by(e.makers) {
		host := imageref.HostOf(image.Ref)
		pulls[host]++
		samples[host] = max(samples[host], image.Ref) // whichever; always the same
	}
	var group errgroup.Group
	group.SetLimit(askers)
	for host, sample := range samples {
		if e.hosts.givenUp(host) != nil {
			continue
		}
		group.Go(func() error {
			e.Registry.Ask(ctx, sample)
			return nil
		})
	}
	_ = group.Wait()
	limits := e.Registry.Limits()
	for _, host := range slices.Sorted(maps.Keys(pulls)) {
		limit, told := limits[host]
		if f, is := enough(host, pulls[host], limit, told); is {
			e.add(f)
		}
	}
}

// enough tells whether a registry's limit allows for so many pulls. The builder may have
// some of the images already.
func enough(host string, pulls int, limit throttle.Limit, told bool) (f check.Finding, is bool) {
	f = check.Finding{Kind: check.Quota}
	if !told {
		f.Severity, f.Text = check.Unknown, fmt.Sprintf("how many pulls %s allows: it told no limit, or was not reached", host)
		return f, host == imageref.DockerHub // others have none to tell
	}
	left := fmt.Sprintf("%s lets %d of %d pulls be made", host, limit.Remaining, limit.Total)
	if limit.Window > 0 {
		left += " in " + short(limit.Window)
	}
	f.Text = fmt.Sprintf("%s, and up to %d images are read from there", left, pulls)
	switch {
	case limit.Remaining < pulls:
		f.Severity = check.Fault
		f.Hint = "log in for a higher limit, pull through a mirror, or build in parts with --shard or --limit"
	case limit.Remaining-pulls < limit.Total/10:
		f.Severity = check.Warning
	default:
		return f, false
	}
	return f, true
}

// short is a duration without what is zero at its end.
func short(d time.Duration) string {
	text := strings.TrimSuffix(d.String(), "m0s")
	switch {
	case text == d.String():
		return text
	case strings.HasSuffix(text, "h0"):
		return strings.TrimSuffix(text, "0")
	}
	return text + "m"
}
