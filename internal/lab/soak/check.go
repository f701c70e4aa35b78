package main

import (
	"context"
	"errors"
)

// check finds all that is wrong after a run.
func check(ctx context.Context, p *parts, r *record) error {
	left := checkLeftovers(p)
	p.mend()
	var names []string
	for _, base := range p.bases {
		names = append(names, base.Name)
	}
	digests := map[string]string{}
	for _, e := range r.entries {
		digests[e.Name] = e.Digest
	}
	errs := []error{left, r.check(names), checkImages(ctx, p, digests)}
	for _, n := range p.nodes {
		errs = append(errs, n.checkOthers(ctx))
	}
	return errors.Join(errs...)
}
