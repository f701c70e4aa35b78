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
