package assemble

import ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

// Layer is a layer of an image that is assembled.
type Layer struct {
	ocispecs.Descriptor
	// From is the reference of an image in whose repository it is.
	From string
}

// LayersOn returns the layers of an image on a base of some, and where each of them is.
func (r *Recipe) LayersOn(base []ocispecs.Descriptor, from string) []Layer {
	var all []Layer
	for _, d := range base {
		all = append(all, Layer{d, from})
	}
	for _, d := range r.Layers {
		all = append(all, Layer{d, r.From})
	}
	return all
}
