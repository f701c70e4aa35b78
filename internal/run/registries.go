package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/throttle"
)

// The longest pause before a registry is asked again that does not say how long it
// wants to be left alone.
const longestRegistryPause = time.Hour

// errWaits says that a job goes back to the queue, since a registry that it uses asks
// for fewer requests.
var errWaits = errors.New("a registry that it uses asks for fewer requests")

func isWaiting(err error) bool { return errors.Is(err, errWaits) }

// RegistryOptions say what is asked of registries, and what is done where one asks for
// fewer requests.
type RegistryOptions struct {
	// Tags, when set, is asked before each job whether its tags exist.
	Tags Registry
	// Ask, when set, asks for an image once, and returns what its registry says of how
	// often it may be asked.
	Ask func(ctx context.Context, ref string) throttle.Answer
	// Limits, when set, returns what registries have told of that, by their hosts.
	Limits func() map[string]throttle.Limit
	// Mirrors are asked in the place of registries, as far as that is known: hosts,
	// perhaps with a path, by the registries' hosts.
	Mirrors map[string][]string
	// Pause is the first pause before a registry is asked again that asked for fewer
	// requests; each further one is twice as long, up to an hour.
	Pause time.Duration
	// Wait is how long such a registry is waited for.
	Wait time.Duration
	// LayerSizes, when set, asks an image's registry for the compressed sizes of its
	// layers in bytes, bottom first.
	LayerSizes func(ctx context.Context, ref, platform string) ([]int64, error)
	// MountBase, when set, has the registry of a base image mount its layers into the
	// repositories of tags, as far as it can.
	MountBase func(ctx context.Context, tags []string, base, platform string)
}

// registries are those that the jobs use: which of them may be asked now. It may be used
// by several goroutines.
type registries struct {
	RegistryOptions
	throttles *throttle.Registries
	mirrors   *mirrors
	journal   *journal.Journal
	wake      func() // jobs that wait may go on
}

func newRegistries(o RegistryOptions, j *journal.Journal, wake func()) *registries {
	return &registries{RegistryOptions: o, mirrors: newMirrors(o.Mirrors), journal: j, wake: wake,
		throttles: throttle.New(throttle.Options{First: o.Pause, Longest: longestRegistryPause, Patience: o.Wait})}
}

// hosts are the registries and mirrors that a job asks.
func (r *registries) hosts(job *plan.Job) []string { return r.mirrors.hosts(job.Registries()) }

// mayAsk returns how long a job has to wait for the registries that it uses. One that
// has not to may ask one of them for all the others; see throttle.Registries.
func (r *registries) mayAsk(t *task) time.Duration {
	if r.throttles.Calm() {
		return 0 // nearly always
	}
	return r.throttles.Enter(t, r.hosts(t.job))
}

// throttledBy has every job leave a registry alone that has refused a job's request, and
// returns its state; nil where it is not known which that is.
func (r *registries) throttledBy(ctx context.Context, t *task, err error) *throttle.State {
	host, mirrored := throttle.Refuser(err.Error(), t.job.Registries())
	if host == "" && !strings.Contains(err.Error(), "failed to push") {
		host = readsFrom(t.job)
	}
	if host == "" {
		return nil
	}
	if mirrored != "" {
		r.mirrors.learn(mirrored, host)
	}
	var told time.Time
	if pause := builder.RetryAfter(err); pause > 0 {
		told = time.Now().Add(pause)
	}
	s, news := r.throttles.Refused(host, t, told)
	if !news {
		return &s
	}
	e := journal.RegistryThrottled{Registry: host, MirrorOf: mirrored}
	if image := r.imageAt(host, t.job, err.Error()); image != "" && r.Ask != nil {
		// The builder's error does not tell the limit.
		said := r.Ask(ctx, image)
		s, _ = r.throttles.Refused(host, t, said.Until(time.Now()))
		e.Limit = limitOf(said.Limit)
	}
	e.Until, e.Told, e.Tries, e.GivenUp = ledger.Time{Time: s.Until}, s.Told, s.Tries, s.GivenUp
	r.journal.Tell(e)
	return &s
}

// readsFrom is the registry of all images that a job reads: it may have sent the build
// to another host for their layers, which a message tells instead. Empty where there
// are several.
func readsFrom(job *plan.Job) string {
	hosts := map[string]bool{}
	for _, ref := range append([]string{job.Base}, job.Images...) {
		if host := imageref.Registry(imageref.HostOf(ref)); host != "" {
			hosts[host] = true
		}
	}
	if len(hosts) != 1 {
		return ""
	}
	for host := range hosts {
		return host
	}
	return ""
}

// imageAt returns one of a job's images as a host is asked for it: the one whose
// request a message tells of, where it is one of them; empty where none is there.
func (r *registries) imageAt(host string, job *plan.Job, message string) (image string) {
	for _, ref := range job.References() {
		at := r.mirrors.at(ref, host)
		named, err := reference.ParseNormalizedNamed(at)
		switch {
		case err != nil:
		case strings.Contains(message, "/v2/"+reference.Path(named)+"/"):
			return at
		case image == "":
			image = at
		}
	}
	return image
}

// waitedFor are the registries that a job waits for.
func (r *registries) waitedFor(t *task) []string {
	if r.throttles.Calm() {
		return nil // nearly always
	}
	var waited []string
	hosts := r.hosts(t.job)
	for _, s := range r.throttles.States() {
		if slices.Contains(hosts, s.Host) {
			waited = append(waited, s.Host)
		}
	}
	return waited
}

// answered notes that a build was told of its images: whoever waits for the registries
// that it only reads from may follow. That it may push as well is not known yet.
func (r *registries) answered(t *task) {
	if r.throttles.Calm() {
		return
	}
	pushes := map[string]bool{}
	for _, tag := range t.job.Tags {
		pushes[imageref.HostOf(tag)] = true
	}
	reads := slices.DeleteFunc(r.hosts(t.job), func(host string) bool { return pushes[host] })
	if r.throttles.Opened(t, reads) {
		r.wake()
	}
}

// gotThrough notes that a job got all that it asked of registries.
func (r *registries) gotThrough(t *task) {
	if r.throttles.Calm() {
		return
	}
	for _, host := range r.throttles.Done(t, r.hosts(t.job)) {
		r.journal.Tell(journal.RegistryAnswers{Registry: host})
	}
	r.wake()
}

// leave notes that a job does not ask registries now: another may, for all.
func (r *registries) leave(t *task) {
	if r.throttles.Leave(t) {
		r.wake()
	}
}

// throttledInSurvey notes the registries that did not tell the builder of jobs'
// images, since they ask for fewer requests.
func (r *registries) throttledInSurvey(ctx context.Context, t *task, err error) {
	if err != nil && isThrottled(err) {
		r.throttledBy(ctx, t, err)
	}
}

func isThrottled(err error) bool {
	class, _ := builder.Classify(unredacted(err))
	return class == builder.Throttled
}

// tellLimits tells what registries have said of how often they may be asked.
func (r *registries) tellLimits() {
	if r.Limits == nil {
		return
	}
	limits := r.Limits()
	for _, host := range slices.Sorted(maps.Keys(limits)) {
		limit := limits[host]
		r.journal.Tell(journal.RegistryLimit{Registry: host, Limit: *limitOf(&limit)})
	}
}

func limitOf(l *throttle.Limit) *journal.Limit {
	if l == nil {
		return nil
	}
	limit := &journal.Limit{Total: l.Total, Remaining: l.Remaining, Window: journal.Seconds(l.Window)}
	if !l.Reset.IsZero() {
		limit.Reset = &ledger.Time{Time: l.Reset}
	}
	return limit
}

// waitsInVain tells whether a job waits for a registry that is given up, or for a job
// that does.
func (r *registries) waitsInVain(t *task) bool {
	given := r.throttles.GivenUp()
	if len(given) == 0 {
		return false
	}
	for _, host := range r.hosts(t.job) {
		if slices.ContainsFunc(given, func(s throttle.State) bool { return s.Host == host }) {
			return true
		}
	}
	return slices.ContainsFunc(t.after, func(other *task) bool { return !other.done() && r.waitsInVain(other) })
}

// RegistriesError ends a run in which all that is left to be built waits for
// registries that are given up.
type RegistriesError struct {
	// After is when it makes sense to go on.
	After  time.Time
	reason string
}

func (e *RegistriesError) Error() string { return e.reason }

// givenUp says which registries the run does not wait for any more; nil where it waits
// for all.
func (r *registries) givenUp() *RegistriesError {
	given := r.throttles.GivenUp()
	if len(given) == 0 {
		return nil
	}
	e := &RegistriesError{}
	var reasons []string
	for _, s := range given {
		// Who comes at the minute that is told must not come too early.
		e.After = latest(e.After, s.Until.Add(time.Minute-1).Truncate(time.Minute))
		reasons = append(reasons, r.whyGivenUp(s))
	}
	e.reason = fmt.Sprintf("%s; go on with --resume, at %s or later", strings.Join(reasons, ", and "), clockTime(e.After))
	return e
}

func (r *registries) whyGivenUp(s throttle.State) string {
	switch {
	case r.Wait == 0:
		return fmt.Sprintf("%s asks for fewer requests, and --registry-wait 0 waits for none", s.Host)
	case s.Told:
		return fmt.Sprintf("%s asks to be left alone until %s, which is longer than --registry-wait %s", s.Host, clockTime(s.Until), r.Wait)
	}
	return fmt.Sprintf("%s has asked for fewer requests since %s, for as long as --registry-wait %s allows", s.Host, clockTime(s.Since), r.Wait)
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// clockTime is a time for a person who may read of it on another day.
func clockTime(t time.Time) string { return t.Format("15:04 MST on 2 January") }
