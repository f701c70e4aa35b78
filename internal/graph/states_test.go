package graph

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/opencontainers/go-digest"
)

// images are those that the tests' surroundings know, by their names.
var images = map[string]string{"os": "os deb", "env": "os deb env", "empty": ""}

// ref is an image's reference with a digest.
func ref(name string) string {
	return "docker.io/library/" + name + ":latest@" + digest.FromString(name).String()
}

// surroundings know the tests' images, and that the sources of all names are
// directories below dir.
func surroundings(dir string) Surroundings {
	return Surroundings{
		Layers: func(s ImageSource) (ImageLayers, bool) {
			name := strings.TrimPrefix(strings.Split(s.Ref, ":")[0], "docker.io/library/")
			layers, known := images[name]
			return ImageLayers{Digests: strings.Fields(layers)}, known
		},
		Local: func(name, _ string) string { return dir + "/" + name },
	}
}

func parse(t testing.TB, st llb.State) *Definition {
	t.Helper()
	def, err := st.Marshal(context.Background(), llb.LinuxAmd64)
	if err != nil {
		t.Fatal(err)
	}
	d, err := ParseDefinition(def.ToPB())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// read returns the graph of a state in the directory /ctx.
func read(t testing.TB, st llb.State) Graph {
	t.Helper()
	g, _ := parse(t, st).Graph(surroundings("/ctx"))
	checkGraph(t, g)
	return g
}

// checkGraph checks what is true of every graph.
func checkGraph(t testing.TB, g Graph) {
	t.Helper()
	before := map[ID]bool{}
	for _, v := range g.Vertices {
		if v.ID == (ID{}) || before[v.ID] {
			t.Fatalf("%s is no vertex, or one twice, in %+v", v.ID, g)
		}
		on := slices.Clone(v.Inputs)
		for _, r := range v.Results {
			on = append(on, r.On...)
		}
		for _, id := range on {
			if !before[id] {
				t.Fatalf("%q has an input that does not come before it", v.Name)
			}
		}
		before[v.ID] = true
	}
	for _, i := range g.Images {
		for _, id := range i.Layers {
			if !before[id] {
				t.Fatalf("a layer of %s is missing", i.Ref)
			}
		}
	}
}

// lines is a graph for people: one line for each vertex, with what its records
// stand on by the numbers of their lines.
func lines(g Graph) string {
	number := func(ids []ID) string {
		var out []string
		for _, id := range ids {
			n := slices.IndexFunc(g.Vertices, func(v Vertex) bool { return v.ID == id })
			out = append(out, string(rune('a'+n)))
		}
		return strings.Join(out, ",")
	}
	var b strings.Builder
	for _, v := range g.Vertices {
		b.WriteString([...]string{"layer", "step", "source", "any"}[v.Kind] + "(" + number(v.Inputs) + ")")
		for _, r := range v.Results {
			b.WriteString(" " + r.Description + " on (" + number(r.On) + ")")
		}
		b.WriteString("\n")
	}
	return strings.TrimSpace(b.String())
}

func named(name string) llb.ConstraintsOpt { return llb.WithCustomName(name) }

func shlex(args string) llb.RunOption { return llb.Shlex(args) }

// copyStep is a COPY of the context.
func copyStep(st llb.State, name string) llb.State {
	return st.File(llb.Copy(llb.Local("context"), name, "/"+name), named("[stage-1 2/3] COPY "+name))
}

// linkStep is a COPY --link of the context.
func linkStep(st llb.State, name string) llb.State {
	content := llb.Scratch().File(llb.Copy(llb.Local("context"), name, "/"+name), named("[2/3] COPY --link "+name))
	return llb.Merge([]llb.State{st, content}, named("[2/3] LINK COPY --link "+name))
}
