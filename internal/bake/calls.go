package bake

import (
	"fmt"
	"maps"
	"slices"

	"github.com/docker/buildx/build"

	"github.com/stoker-build/stoker/internal/call"
	"github.com/stoker-build/stoker/internal/mistakes"
)

// readCalls reads what targets are to be asked about, in place of being built: they write
// nothing then. One that others are built on is built for these.
func (r *Resolved) readCalls() error {
	var found mistakes.Findings
	for _, name := range slices.Sorted(maps.Keys(r.options)) {
		o := r.options[name]
		if o.CallFunc == nil {
			continue
		}
		request, err := call.Parse(o.CallFunc.Name)
		if err != nil {
			found.Add(mistakes.Place{Name: "target " + name}, &mistakes.InputError{What: "call", Problems: []string{fmt.Sprintf("%q: %s", o.CallFunc.Name, err)}})
			continue
		}
		o.CallFunc = nil
		if request.Asks() && !o.Linked {
			o.CallFunc = &build.CallFunc{Name: request.Name}
			o.Exports, o.CacheTo = nil, nil
		}
		r.options[name] = o
	}
	return found.Err(r.definition.name)
}

// Description is that of a target; empty for none.
func (r *Resolved) Description(name string) string {
	if t := r.targets[name]; t != nil {
		return t.Description
	}
	return ""
}

// Document is what programs read of the targets when they are asked about, but for the
// answers.
func (r *Resolved) Document() call.Document {
	d := call.Document{Target: map[string]map[string]any{}}
	if len(r.groups) > 0 {
		d.Group = r.groups
	}
	for name, t := range r.targets {
		d.Target[name] = map[string]any{"build": t}
	}
	return d
}
