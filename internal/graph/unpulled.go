package graph

import "slices"

// Unpulled are the layers of images whose files nothing reads: what is linked is laid upon
// them, and that is the image that is made. A builder that pushes that image to the registry
// which they come from never pulls them.
func (g *Graph) Unpulled() (layers []ID) {
	at := make(map[ID]int, len(g.Vertices))
	for i := range g.Vertices {
		at[g.Vertices[i].ID] = i
	}
	read := make([]bool, len(g.Vertices))
	for i := range slices.Backward(g.Vertices) { // each comes after its inputs
		v := &g.Vertices[i]
		made := v.Kind != Layer && !v.Merge
		read[i] = read[i] || made || v.Kind == Layer && slices.Contains(g.Tops, v.ID)
		if !read[i] {
			continue
		}
		for _, in := range v.Inputs {
			if n, known := at[in]; known {
				read[n] = true
			}
		}
	}
	for i := range g.Vertices {
		if g.Vertices[i].Kind == Layer && !read[i] {
			layers = append(layers, g.Vertices[i].ID)
		}
	}
	return layers
}
