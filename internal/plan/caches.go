package plan

import "strconv"

// ExportsCache tells whether the job's cache goes somewhere.
func (j *Job) ExportsCache() bool { return len(j.Options.CacheTo) > 0 || j.inlinesCache() }

// inlinesCache tells whether the build is told by an argument to put its cache into the image.
func (j *Job) inlinesCache() bool {
	inline, _ := strconv.ParseBool(j.Options.BuildArgs["BUILDKIT_INLINE_CACHE"])
	return inline
}

// CacheWantsPlain tells whether the job's cache comes from elsewhere, or goes there, in a way in
// which BuildKit finds again what a step copies as the Dockerfile has it, and not where that is
// linked: without mode=max a cache has no more than the layers of the image, and what a linked
// step copies is none of them (BuildKit v0.34, measured). How a cache was made that is only read
// nobody tells.
func (j *Job) CacheWantsPlain() bool {
	o := &j.Options
	if j.inlinesCache() {
		return true
	}
	for _, to := range o.CacheTo {
		if to.Attrs["mode"] != "max" {
			return true
		}
	}
	return len(o.CacheFrom) > 0 && len(o.CacheTo) == 0
}
