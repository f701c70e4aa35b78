package run

import "github.com/stoker-build/stoker/internal/plan"

// planned tells whether the job's image is assembled.
func (k *knowledge) planned(job *plan.Job, r *recipes) Assembly {
	a := k.assembly
	if a == nil {
		return Assembly{ByBuilder: k.byBuilder, Left: k.left(job)}
	}
	if r.of(a).jobs.Load() < FewestAlike {
		return Assembly{ByBuilder: tooFew, Left: tooFew}
	}
	return Assembly{Assembles: true, Recipe: string(a.key)}
}

// left is why an image is left to the builder that only has files copied onto its base, in
// words that such jobs have in common; empty where it is not.
func (k *knowledge) left(job *plan.Job) string {
	switch {
	case !k.copies || k.assembly != nil:
		return ""
	case k.linked || k.byBuilder == asAsked || len(job.Options.Platforms) > 1:
		return k.byBuilder
	case !job.Pushes(): // nothing is linked by itself that is not pushed
		return ""
	}
	return also(k.asked, notLinked)
}

// also joins two reasons, of which the first may be none.
func also(first, second string) string {
	if first == "" {
		return second
	}
	return first + "; and " + second
}

// notAssembled is the same of an image that was pushed, where nobody has asked for that.
func (k *knowledge) notAssembled(job *plan.Job) string {
	if !job.Pushes() || k.byBuilder == asAsked {
		return ""
	}
	return k.left(job)
}

// notLinked is why images are left to the builder for the sake of a step; each job's own reason
// says which.
const notLinked = "a step of theirs is not linked, or may fetch something else each time"

// tooFew is why the images of a recipe are all built.
const tooFew = "the builder has to make the first two of its like, and there are no more"

// asAsked is why no image is assembled where that is what was asked for.
const asAsked = "--assemble builder leaves all images to the builder"
