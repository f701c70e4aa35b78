package cache

import (
	"testing"

	"github.com/stoker-build/stoker/internal/graph"
)

// imageOf is the image that a job has made: its base's layers, and one for each word.
func imageOf(name string, base graph.ImageLayers, words ...string) graph.ImageLayers {
	made := image("registry/"+name+":1", "")
	made.Digests = append(append(made.Digests, base.Digests...), words...)
	return made
}

// on is a job on an image: a step upon it.
func on(made graph.ImageLayers, name, step string) Job {
	imagesByName[made.Ref] = made
	defer delete(imagesByName, made.Ref)
	return job(name, "FROM "+made.Ref+" | RUN "+step)
}

// That a build has resolved an image which another job has made tells nothing of when that
// one's steps were made.
func TestResolvingAnInheritedImage(t *testing.T) {
	maker := job("maker", "FROM env1 | RUN make")
	maker.Graph.Tops = []graph.ID{of(maker, "RUN make")}
	heir := on(imageOf("maker", env1, "made"), "heir", "more")
	v := view(Shared, maker, Job{Name: "heir"})
	v.Records = append(stack("a", env1), made(1000, "made", "a2", run("make")), made(9000, "theirs", "a2", run("make")))
	layers := heir.Graph.Images[0].Layers
	if !v.Needs.Inherit(0, layers) {
		t.Fatal("the image is not taken for the job's")
	}
	v.Needs.Learn(1, heir.Graph)
	finish(v, 0)
	v.Memory.Made(madeAt(of(maker, "RUN make"), at(1001)))
	v.Memory.Made(madeAt(layers[len(layers)-1], at(9001)))
	check(t, Classify(v), "made live: needed: heir\ntheirs foreign: another build's")
}

// What a job has made is what the jobs need that are built on its image, and no more of it.
func TestInherit(t *testing.T) {
	maker := job("maker", "FROM tools | RUN tool | AS tools", "FROM env1 | COPY --from=tools a | RUN make")
	maker.Graph.Tops = []graph.ID{of(maker, "RUN make")}
	made := imageOf("maker", env1, "copied", "made")
	heir := on(made, "heir", "more")
	v := view(Exclusive, maker, Job{Name: "heir"})
	v.Records = append(append(stack("a", env1), stack("t", tools)...), rec("tool", "t2", run("tool")),
		rec("copy", "a2", "[2/3] COPY --from=tools a"), rec("made", "copy", run("make")))
	layers := heir.Graph.Images[0].Layers
	if v.Needs.Inherit(0, layers[:4]) || v.Needs.Inherit(0, append(layers, layers[0])) || v.Needs.Inherit(1, layers) {
		t.Error("an image with other layers is taken for the job's")
	}
	if !v.Needs.Inherit(0, layers) {
		t.Error("the image is not taken for the job's")
	}
	v.Needs.Learn(1, heir.Graph)
	finish(v, 0)
	check(t, Classify(v), `
		tool dead: all its jobs are finished: maker
		copy live: needed: heir
		made live: needed: heir`)
	v.Records = append(v.Records, rec("more", "made", run("more")), rec("p3", "a2", pulled(made)))
	check(t, Classify(v), "more live: needed: heir\np3 live: needed: heir")
	finish(v, 1)
	check(t, Classify(v), "a2 dead: all its jobs are finished: heir\nmade dead: all its jobs are finished: heir\nmore dead: all its jobs are finished: heir\np3 dead: all its jobs are finished: heir")
}

// pulledHeir is a plan of a job and its heir, which is built where the other's image was
// pulled, and what that has left but for the names of the layers of its steps.
func pulledHeir(t *testing.T, owner Ownership, steps ...string) (View, graph.ImageLayers, Job) {
	t.Helper()
	line, words := "FROM env1", []string{}
	for _, step := range steps {
		line, words = line+" | RUN "+step, append(words, "of "+step)
	}
	maker := job("maker", line)
	maker.Graph.Tops = []graph.ID{of(maker, "RUN "+steps[len(steps)-1])}
	made := imageOf("maker", env1, words...)
	heir := on(made, "heir", "more")
	v := view(owner, maker, Job{Name: "heir"})
	if !v.Needs.Inherit(0, heir.Graph.Images[0].Layers) {
		t.Fatal("the image is not taken for the job's")
	}
	v.Needs.Learn(1, heir.Graph)
	finish(v, 0)
	v.Records = stack("a", env1)
	return v, made, heir
}

// A layer of an image that a job has made was unpacked without a description where its
// blob was there already. What stands on it tells.
func TestInheritedLayersWithoutADescription(t *testing.T) {
	for _, owner := range []Ownership{Shared, Exclusive} {
		for name, descriptions := range map[string][3]string{
			"the first":  {"", "named", "named"},
			"the second": {"named", "", "named"},
			"the last":   {"named", "named", ""},
			"two of it":  {"", "", "named"},
			"all of it":  {"", "", ""},
		} {
			t.Run(name, func(t *testing.T) {
				v, image, heir := pulledHeir(t, owner, "one", "two", "three")
				below := "a2"
				for i, d := range descriptions {
					id := []string{"l0", "l1", "l2"}[i]
					if d != "" {
						d = pulled(image)
					}
					v.Records = append(v.Records, rec(id, below, d))
					below = id
				}
				layers := v.Records
				v.Records = append(v.Records, made(1000, "more", "l2", run("more")))
				v.Memory.Made(madeAt(of(heir, "RUN more"), at(1001)))
				check(t, Classify(v), "l0 live: needed: heir\nl1 live: needed: heir\nl2 live: needed: heir\nmore live: needed: heir")
				v.Records = layers // what told of them is gone
				finish(v, 1)
				check(t, Classify(v), "l0 dead: all its jobs are finished: heir\nl1 dead: all its jobs are finished: heir\nl2 dead: all its jobs are finished: heir")
			})
		}
	}
}

// Nor is what another's image has on the same layers taken for it.
func TestAnothersLayersWithoutADescription(t *testing.T) {
	v, image, heir := pulledHeir(t, Shared, "one", "two", "three")
	v.Records = append(v.Records, rec("l0", "a2", pulled(image)), rec("l1", "l0", ""), rec("l2", "l1", pulled(image)),
		rec("theirs", "l0", ""), rec("above", "theirs", pulled(alien)), rec("alone", "l1", ""), rec("placed", "a2", ""),
		made(1000, "more", "l2", run("more")), made(9000, "step", "theirs", run("more")))
	v.Memory.Made(madeAt(of(heir, "RUN more"), at(1001)))
	finish(v, 1)
	check(t, Classify(v), `
		l0 foreign: kept by a child
		l1 foreign: kept by a child
		l2 dead: all its jobs are finished: heir
		theirs foreign: not of this plan
		above foreign: not of this plan
		alone foreign: not of this plan
		placed foreign: not of this plan
		step foreign: not of this plan`)
}

// What was resolved of such an image and never pulled is where a layer of it would be.
func TestInheritedLayersThatWereNeverPulled(t *testing.T) {
	v, image, _ := pulledHeir(t, Shared, "one", "two", "three")
	never := func(id, below string) Record {
		r := rec(id, below, "")
		r.Size = 0
		return r
	}
	v.Records = append(v.Records, rec("l0", "a2", pulled(image)), never("l1", "l0"), never("l2", "l1"), never("l3", "l2"))
	check(t, Classify(v), "l0 live: needed: heir\nl1 live: needed: heir\nl2 live: needed: heir\nl3 foreign: not of this plan")
	v.Records = v.Records[:len(v.Records)-1]
	finish(v, 1)
	check(t, Classify(v), "l0 dead: all its jobs are finished: heir\nl1 dead: all its jobs are finished: heir\nl2 dead: all its jobs are finished: heir")
}
