package advice

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/docker/buildx/util/urlutil"
	"github.com/moby/buildkit/client"

	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/plural"
)

const (
	provenance = "provenance"
	// How many images must be pushed until their attestations are worth a word.
	worthAttesting = 20
)

// unreadCaches finds cache that is exported, and imported by no job.
func (g Given) unreadCaches() []Advice {
	read := map[string]bool{}
	for _, j := range g.Jobs {
		for _, from := range j.Options.CacheFrom {
			read[cacheName(from)] = true
		}
	}
	var jobs []*plan.Job
	for _, j := range g.Jobs {
		if slices.ContainsFunc(j.Options.CacheTo, func(to client.CacheOptionsEntry) bool { return to.Type != "inline" && !read[cacheName(to)] }) {
			jobs = append(jobs, j)
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	return []Advice{{Rule: UnreadCache, Jobs: names(jobs),
		Text:   fmt.Sprintf("%s export cache that no --cache-from of this plan reads", plural.Of(len(jobs), "job")),
		Remedy: "leave --cache-to out, or give the same place to --cache-from"}}
}

// cacheName is where cache is kept.
func cacheName(c client.CacheOptionsEntry) string {
	a := c.Attrs
	place := a["dest"]
	if place == "" {
		place = a["src"]
	}
	return fmt.Sprintf("%s %q %q %q %q", c.Type, a["ref"], a["scope"], a["name"], place)
}

// unusedContexts finds directories of which no step takes anything, and that do not hold the
// Dockerfile either: that is what many are for.
func (g Given) unusedContexts() (all []Advice) {
	uses := map[string]bool{}
	for i := range g.Steps {
		s := &g.Steps[i]
		for _, name := range s.Names {
			uses[name] = uses[name] || len(s.Files) > 0
		}
	}
	of := map[string][]*plan.Job{}
	var order []string
	for _, j := range g.Jobs {
		used, known := uses[j.Name]
		dir := j.Options.Inputs.ContextPath
		if !known || used || urlutil.IsRemoteURL(dir) || holds(dir, j.Source.Name()) {
			continue
		}
		if of[dir] == nil {
			order = append(order, dir)
		}
		of[dir] = append(of[dir], j)
	}
	for _, dir := range order {
		all = append(all, Advice{Rule: UnusedContext, Jobs: names(of[dir]),
			Text:   fmt.Sprintf("no step takes anything of the context %s", dir),
			Remedy: "give an empty directory where making this one takes time; BuildKit sends nothing of it as it is"})
	}
	return all
}

// holds tells whether a file is in a directory, by their names.
func holds(dir, file string) bool {
	in, err := filepath.Rel(dir, file)
	return err != nil || filepath.IsLocal(in)
}

// provenance counts what attestations that nobody asked for add to a registry.
func (g Given) provenance(files []*file) []Advice {
	var jobs []*plan.Job
	for _, j := range g.Jobs {
		if _, said := j.Options.Attests[provenance]; !said && j.Pushes() {
			jobs = append(jobs, j)
		}
	}
	if len(jobs) < worthAttesting {
		return nil
	}
	text := fmt.Sprintf("%d images are pushed with a provenance attestation each: at least %d manifests more in the registry, an index and an attestation for each image",
		len(jobs), 2*len(jobs))
	copied := 0
	for _, f := range files {
		copied += f.onlyCopied()
	}
	if copied > 0 {
		text += fmt.Sprintf("; and without one, %s that only have files copied onto their base can be put together in the registry, without the builder", plural.Of(copied, "image"))
	}
	return []Advice{{Rule: Provenance, Jobs: names(jobs), Text: text, Remedy: "say --provenance=false where nobody reads it"}}
}
