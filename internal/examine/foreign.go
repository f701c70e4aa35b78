package examine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/platforms"

	"github.com/stoker-build/stoker/internal/check"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/plural"
)

// platformPair is the platform that an image is for, and the one that is needed.
type platformPair struct{ is, needed string }

// foreign are images that are for another platform than is needed.
type foreign map[platformPair]*foreignImages

type foreignImages struct {
	refs    []string
	finding check.Finding
}

// note notes an image, if it is one.
func (f foreign) note(of platformPair, image plan.Image, jobs []*plan.Job) {
	if of.is == "" || of.needed == "" || samePlatform(of.needed, of.is) {
		return
	}
	found := findingOf(image, jobs)
	all := f[of]
	if all == nil {
		all = &foreignImages{finding: check.Finding{Severity: check.Warning, Kind: check.Image}}
		f[of] = all
	}
	all.refs = append(all.refs, image.Ref)
	all.finding.Jobs, all.finding.Places = append(all.finding.Jobs, found.Jobs...), append(all.finding.Places, found.Places...)
}

// foreignNamed is how many images are named of those that are for one platform.
const foreignNamed = 3

// findings are a finding for each two platforms.
func (f foreign) findings() (all []check.Finding) {
	for of, images := range f {
		found := images.finding
		found.Text = fmt.Sprintf("%s is an image for %s, where one for %s is needed", images.refs[0], of.is, of.needed)
		if n := len(images.refs); n > 1 {
			found.Text = fmt.Sprintf("%d images are for %s, where ones for %s are needed: %s", n, of.is, of.needed, plural.Some(images.refs, foreignNamed, ", "))
		}
		all = append(all, found)
	}
	slices.SortFunc(all, func(a, b check.Finding) int { return strings.Compare(a.Text, b.Text) })
	return all
}

// samePlatform tells whether an image for one platform runs on the other.
func samePlatform(wanted, is string) bool {
	w, err := platforms.Parse(wanted)
	if err != nil {
		return true // who cannot be read cannot be told to differ
	}
	i, err := platforms.Parse(is)
	return err != nil || platforms.Only(w).Match(i)
}
