package plan

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/docker/buildx/util/ocilayout"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/mistakes"
	"github.com/stoker-build/stoker/internal/plural"
)

// The largest index of a layout that is read.
const mostIndex = 4 << 20

// How many images of a layout an error names.
const imagesNamed = 6

// checkContextPath makes sure that a named context that is local is there, and has the image
// that is to be taken where it is a layout of images.
func checkContextPath(value string) error {
	dir, local := localContext(value)
	if !local {
		return nil
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("%q is not a directory", dir)
	}
	ref, is, err := ocilayout.Parse(value)
	if err != nil || !is {
		return err
	}
	return checkLayout(ref)
}

// checkLayout finds the image of a layout as buildx does (resolveDigest in its build/opt.go):
// by its tag, or the only one that is there.
func checkLayout(ref ocilayout.Ref) error {
	index, err := readIndex(ref.Path)
	if err != nil {
		return err
	}
	wanted := ref.Digest
	if wanted == "" {
		at := slices.IndexFunc(index.Manifests, func(d ocispecs.Descriptor) bool { return slices.Contains(namesOf(d), ref.Tag) })
		if at < 0 && len(index.Manifests) == 1 {
			at = 0
		}
		if at < 0 {
			return noSuchImage(ref, index)
		}
		wanted = index.Manifests[at].Digest
	}
	if err := wanted.Validate(); err != nil {
		return fmt.Errorf("the index of %q has the digest %q: %w", ref.Path, wanted, err)
	}
	if _, err := os.Stat(filepath.Join(ref.Path, ocispecs.ImageBlobsDir, wanted.Algorithm().String(), wanted.Encoded())); err != nil {
		return fmt.Errorf("the layout %q does not have %s", ref.Path, wanted)
	}
	return nil
}

func readIndex(dir string) (index ocispecs.Index, err error) {
	path := filepath.Join(dir, ocispecs.ImageIndexFile)
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > mostIndex {
		return index, fmt.Errorf("%q is no layout of images: it has no %s that could be read", dir, ocispecs.ImageIndexFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return index, err
	}
	if err := json.Unmarshal(data, &index); err != nil {
		return index, fmt.Errorf("%q is no layout of images: its %s is no JSON of one", dir, ocispecs.ImageIndexFile)
	}
	return index, nil
}

// namesOf are the names that an image has in a layout, as buildx looks for them.
func namesOf(d ocispecs.Descriptor) (names []string) {
	for _, key := range []string{"io.containerd.image.name", ocispecs.AnnotationRefName} {
		if name := d.Annotations[key]; name != "" {
			names = append(names, name)
		}
	}
	return names
}

func noSuchImage(ref ocilayout.Ref, index ocispecs.Index) error {
	var names []string
	for _, d := range index.Manifests {
		names = append(names, namesOf(d)...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	switch {
	case len(index.Manifests) == 0:
		return fmt.Errorf("the layout %q has no images", ref.Path)
	case len(names) == 0:
		return fmt.Errorf("the layout %q has several images, none with a name: give the digest of one, as oci-layout://%[1]s@sha256:...", ref.Path)
	}
	return fmt.Errorf("the layout %q has no image %q%s; it has %s", ref.Path, ref.Tag, mistakes.DidYouMean(ref.Tag, "", names), plural.Some(names, imagesNamed, ", "))
}
