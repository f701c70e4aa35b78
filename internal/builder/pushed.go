package builder

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	dockerclient "github.com/moby/moby/client"

	"github.com/stoker-build/stoker/internal/plan"
)

// pushed remembers the images that builds left in docker's own image store only
// because they were pushed: docker's builder puts each image there under its tags
// and pushes it from there. While it is there it holds its layers, so that no
// sweep frees them (measured on docker 20.10). Its methods may be called
// concurrently.
type pushed struct {
	api dockerclient.APIClient

	mu   sync.Mutex
	tags map[string]pushedTag
}

// pushedTag is what is known of a tag under which an image is pushed.
type pushedTag struct {
	taken bool     // it was there before the first build, or nobody could tell
	ids   []string // of the image that the last build made; none before that
}

// How long docker may take to remove a job's image: it deletes its files.
const dropTimeout = time.Minute

// DropPushed removes from docker's own image store what a job's build has left
// there only to be pushed, which is then for a sweep to free. A tag stays that was
// there before the job's first build, that points to another image by now, that
// another output of the job asked for (--load), or that a container uses. Builders
// that push without docker leave nothing. It is to be called when a built job is
// on record.
func (b *Builder) DropPushed(ctx context.Context, job *plan.Job) error {
	if b.pushed == nil {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, dropTimeout, errors.New("docker does not answer"))
	defer cancel()
	var errs []error
	for _, tag := range pushedOnly(job) {
		errs = append(errs, b.pushed.drop(ctx, tag))
	}
	return errors.Join(errs...)
}

// pushedOnly returns the tags of an image that is pushed and wanted nowhere else.
func pushedOnly(job *plan.Job) []string {
	if !job.PushesOnly() {
		return nil // docker's builder is to keep the image
	}
	tags := job.Tags
	for _, e := range job.Options.Exports {
		if len(job.Tags) == 0 {
			tags = append(tags, strings.Split(e.Attrs["name"], ",")...)
		}
	}
	return tags
}

// before notes which of a job's tags are taken, once in the life of a builder: a
// second attempt finds what the first one left.
func (p *pushed) before(ctx context.Context, job *plan.Job) {
	for _, tag := range pushedOnly(job) {
		if _, known := p.get(tag); known {
			continue
		}
		_, err := p.api.ImageInspect(ctx, tag)
		p.set(tag, pushedTag{taken: !cerrdefs.IsNotFound(err)})
	}
}

// built notes which image a build of a job has made. Docker knows it by the digest
// of its configuration or, in containerd's image store, of its manifest.
func (p *pushed) built(job *plan.Job, response map[string]string) {
	for _, tag := range pushedOnly(job) {
		t, _ := p.get(tag)
		t.ids = []string{response[exptypes.ExporterImageConfigDigestKey], response[exptypes.ExporterImageDigestKey]}
		p.set(tag, t)
	}
}

// drop removes a tag, and with its last one the image.
func (p *pushed) drop(ctx context.Context, tag string) error {
	t, known := p.get(tag)
	if !known || t.taken {
		return nil
	}
	there, err := p.api.ImageInspect(ctx, tag)
	if err == nil && slices.Contains(t.ids, there.ID) {
		_, err = p.api.ImageRemove(ctx, tag, dockerclient.ImageRemoveOptions{PruneChildren: true})
	}
	if cerrdefs.IsNotFound(err) || cerrdefs.IsConflict(err) { // gone already, or in use
		return nil
	}
	return err
}

func (p *pushed) get(tag string) (t pushedTag, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, known = p.tags[tag]
	return t, known
}

func (p *pushed) set(tag string, t pushedTag) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tags[tag] = t
}
