// Package prune is a prune by hand in three steps: a plan of what goes, which is a
// value that can be shown, and the execution of exactly that plan.
package prune

import (
	"github.com/stoker-build/stoker/internal/cache"
)

// Cache is what a node holds, judged for the images that a person names.
type Cache struct {
	Node   string
	Report *cache.ImageReport
	// Problems says, at the places of the report's images, why not all is known of one.
	Problems []error
}

// Plan is what is removed from each node, and what stays and why.
type Plan []NodePlan

// NodePlan is the part of one node.
type NodePlan struct {
	Node   string
	Images []ImagePlan
	Shared cache.Share // of what several of the images have
	Others cache.Sum   // what goes and is of none of the images
	// Records are what goes, children before parents, and Remove is their sum.
	Records []cache.Record
	Remove  cache.Sum
	// InUse tells that builds run, which the removal has to leave time.
	InUse bool
}

// ImagePlan is the part of one image: what it shares with no other of them.
type ImagePlan struct {
	Ref string
	cache.Share
	Problem error // why not all is known of it
}

// New plans the removal of what a policy lets go. It changes nothing.
func New(caches []Cache, policy cache.Policy) Plan {
	var p Plan
	for _, c := range caches {
		p = append(p, c.plan(policy))
	}
	return p
}

func (c Cache) plan(policy cache.Policy) NodePlan {
	n := NodePlan{Node: c.Node, Records: c.Report.Pick(policy)}
	n.Remove = cache.SumOf(n.Records)
	own, shared := c.Report.Shares(n.Records)
	n.Shared = shared
	named := shared.Remove
	for i, image := range c.Report.Images {
		n.Images = append(n.Images, ImagePlan{image.Ref, own[i], c.Problems[i]})
		named = named.Plus(own[i].Remove)
	}
	n.Others = n.Remove.Minus(named)
	for _, r := range c.Report.Records {
		n.InUse = n.InUse || r.InUse
	}
	return n
}

// Remove is what goes from all nodes.
func (p Plan) Remove() (total cache.Sum) {
	for _, n := range p {
		total = total.Plus(n.Remove)
	}
	return total
}

// Unknown tells whether not all is known of an image.
func (p Plan) Unknown() bool {
	for _, n := range p {
		for _, image := range n.Images {
			if image.Problem != nil {
				return true
			}
		}
	}
	return false
}
