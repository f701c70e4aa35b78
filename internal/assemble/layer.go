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

// RefusedError says that an image cannot be assembled, so that only the builder can make it.
type RefusedError struct{ Err error }

func (e *RefusedError) Error() string { return e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }
