package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/docker/buildx/util/platformutil"
	"github.com/spf13/cobra"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/inspect"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/mistakes"
	"github.com/stoker-build/stoker/internal/rows/file"
	imagelist "github.com/stoker-build/stoker/internal/rows/images"
)

// imageOptions name base images whose cache is looked at or removed.
type imageOptions struct {
	refs      []string
	list      string
	run       string
	platforms []string
}

func (o *imageOptions) addTo(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&o.refs, "image", nil, "base image `REF`; may be given several times")
	f.StringVar(&o.list, "images", "", "`FILE` with one base image reference per line (- for standard input)")
	f.StringVar(&o.run, "run", "", "output `DIR` of a run: the base images of its jobs")
	f.StringArrayVar(&o.platforms, "platform", defaultPlatforms(), "`PLATFORM` for which images were built on the base images (default the node's own)")
}

// given tells whether any image is named.
func (o imageOptions) given() bool { return len(o.refs) > 0 || o.list != "" || o.run != "" }

// named is what a person names.
type named struct {
	images []cache.Image
	linked map[string][]graph.Vertex // what the run has laid upon images, by their references without digests
	note   string                    // what is not known; empty for none
	// platforms are those that were built for; none for each node's own.
	platforms []string
}

// read returns what is named, each image once, with normalized references. Needed are
// those that are named themselves; those of a run are not, since it is over.
func (o imageOptions) read(stdin io.Reader) (n named, err error) {
	n.platforms = o.platforms
	if n.images, err = o.readImages(stdin); err != nil || o.run == "" {
		return n, err
	}
	steps, err := ledger.ReadSteps(o.run)
	if errors.As(err, new(*ledger.NoStepsError)) {
		n.note, err = err.Error()+"; what it laid upon its base images by COPY --link, or had linked by itself, is not looked for", nil
	}
	n.linked = ledger.LinkedUpon(steps)
	return n, err
}

func (o imageOptions) readImages(stdin io.Reader) ([]cache.Image, error) {
	var images imageSet
	for _, ref := range o.refs {
		if err := images.add(ref, true); err != nil {
			return nil, &flagError{fmt.Errorf("--image: %w", err)}
		}
	}
	listed, _, err := readImageList(o.list, stdin)
	if err != nil {
		return nil, err
	}
	for _, image := range listed {
		if err := images.add(image.Ref, true); err != nil {
			return nil, fmt.Errorf("--images line %d: %w", image.Line, err)
		}
	}
	if o.run == "" {
		return images.list, nil
	}
	bases, err := ledger.BaseImages(o.run)
	if err != nil {
		return nil, fmt.Errorf("--run %s: %w: it must be the --output-dir of a run", o.run, err)
	}
	for _, ref := range bases {
		if err := images.add(ref, false); err != nil {
			return nil, fmt.Errorf("--run %s: %w", o.run, err)
		}
	}
	return images.list, nil
}

func readImageList(name string, stdin io.Reader) (list []imagelist.Image, notes []string, err error) {
	switch name {
	case "":
		return nil, nil, nil
	case "-":
		return imagelist.Read(standardInput, stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, noImageList(name, err)
	}
	defer f.Close()
	list, notes, err = imagelist.Read(name, f)
	return list, notes, noTable(name, err)
}

// noImageList says that there is no such list, and what a list is where an image seems to be meant.
func noImageList(name string, err error) error {
	if _, notOne := imageref.Parse(name); notOne != nil || !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("--images: %w", err)
	}
	return &mistakes.InputError{What: "--images", Problems: []string{err.Error()},
		Hint: fmt.Sprintf("it takes a FILE with an image reference on each line; if %[1]s is one, write it into such a file: echo %[1]s > bases.txt", name)}
}

// noTable has an error about a list that is named like a file of rows say how these are given.
func noTable(name string, err error) error {
	var input *mistakes.InputError
	if errors.As(err, &input) && file.NamesTable(name) {
		input.Hint += fmt.Sprintf("\na file of rows is given with --rows %s, and its column of base images with --base, such as --base '{{.image}}'", name)
	}
	return err
}

// imageSet is images by their normalized references.
type imageSet struct {
	list []cache.Image
	seen map[string]bool
}

func (s *imageSet) add(ref string, needed bool) error {
	parsed, err := imageref.Parse(ref)
	if err != nil {
		return fmt.Errorf("image reference %q: %w", ref, err)
	}
	ref = parsed.String()
	if s.seen == nil {
		s.seen = map[string]bool{}
	}
	if !s.seen[ref] {
		s.seen[ref] = true
		s.list = append(s.list, cache.Image{Ref: ref, Needed: needed})
	}
	return nil
}

// nodeCache is what a node holds, judged for images.
type nodeCache struct {
	node *builder.Node
	inspect.Answer
}

// examine judges what a builder's nodes hold. Without platforms each node's own counts.
func (o builderOptions) examine(ctx context.Context, b *builder.Builder, what named) ([]nodeCache, error) {
	platforms, err := platformutil.Parse(what.platforms)
	if err != nil {
		return nil, &flagError{fmt.Errorf("--platform: %w", err)}
	}
	client, err := o.registries(builder.Mirrors{})
	if err != nil {
		return nil, err
	}
	var caches []nodeCache
	for _, n := range b.Nodes() {
		memory, err := o.attributions().Read(n.ID())
		if err != nil {
			return nil, err
		}
		answer, err := inspect.Cache(ctx, n, inspect.Question{Images: what.images, Platforms: platforms, Linked: what.linked, Memory: memory, Registry: client})
		if err != nil {
			return nil, &runError{err}
		}
		caches = append(caches, nodeCache{n, answer})
	}
	return caches, nil
}
