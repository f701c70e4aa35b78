package plan

import (
	"testing"

	"github.com/moby/buildkit/client"
)

func TestCacheWantsPlain(t *testing.T) {
	of := func(modes ...string) (all []client.CacheOptionsEntry) {
		for _, mode := range modes {
			all = append(all, client.CacheOptionsEntry{Type: "registry", Attrs: map[string]string{"mode": mode}})
		}
		return all
	}
	for name, tt := range map[string]struct {
		from, to []client.CacheOptionsEntry
		inline   string
		want     bool
	}{
		"no cache":             {},
		"the image's layers":   {to: of("min"), want: true},
		"no mode said":         {to: of(""), want: true},
		"all steps":            {to: of("max")},
		"one of two":           {to: of("max", "min"), want: true},
		"only read":            {from: of(""), want: true},
		"read, and all goes":   {from: of(""), to: of("max")},
		"in the image":         {inline: "1", want: true},
		"not in the image":     {inline: "0"},
		"in the image and all": {to: of("max"), inline: "true", want: true},
	} {
		job := &Job{}
		job.Options.CacheFrom, job.Options.CacheTo = tt.from, tt.to
		job.Options.BuildArgs = map[string]string{"BUILDKIT_INLINE_CACHE": tt.inline}
		if got := job.CacheWantsPlain(); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
