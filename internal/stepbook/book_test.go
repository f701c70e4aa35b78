package stepbook

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client/llb"
	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/redact"
)

func parse(t testing.TB, st llb.State) *graph.Definition {
	t.Helper()
	def, err := st.Marshal(context.Background(), llb.LinuxAmd64)
	if err != nil {
		t.Fatal(err)
	}
	d, err := graph.ParseDefinition(def.ToPB())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func image(name string) llb.State {
	return llb.Image("docker.io/library/" + name + ":latest@" + digest.FromString(name).String())
}

// around knows each image as one layer, and that each file of the context is of one content.
var around = graph.Surroundings{
	Layers: func(s graph.ImageSource) (graph.ImageLayers, bool) {
		return graph.ImageLayers{Digests: []string{s.Ref}}, true
	},
	Local: func(string, string) string { return "/ctx" },
	Files: func(_ string, t graph.Taken) map[string]string {
		return map[string]string{strings.TrimPrefix(t.Path, "/"): "1"}
	},
}

func graphOf(t testing.TB, st llb.State) graph.Graph {
	g, _ := parse(t, st).Graph(around)
	return g
}

// asWritten takes a step for one that was linked by itself.
func asWritten(called string) string { return strings.Replace(called, "COPY --link", "COPY", 1) }

// Two jobs on different images have steps of one form. What may be secret is not on record,
// nor enough of a hash to try values.
func TestBook(t *testing.T) {
	job := func(base, token string) graph.Graph {
		return graphOf(t, image(base).AddEnv("VERSION", "1").AddEnv("API_TOKEN", token).Run(llb.Shlex("make x"), llb.WithCustomName("[2/3] RUN make x"), llb.User("me"), llb.IgnoreCache).Root().
			File(llb.Copy(llb.Local("context"), "a", "b", llb.WithUser("agent")), llb.WithCustomName("[3/3] COPY --link a b")))
	}
	b := New(redact.New("hunter2secret").String)
	first, second := job("one", "hunter2secret"), job("two", "hunter2secret")
	for _, g := range []graph.Graph{first, second, first} {
		b.Take("Dockerfile", g, asWritten)
	}
	var run graph.ID
	for _, v := range first.Vertices {
		if v.Name == "[2/3] RUN make x" {
			run = v.ID
		}
	}
	began := time.Now()
	made := cache.Making{Vertex: run, Began: began, Done: began.Add(2 * time.Second)}
	b.Made(cache.Making{Vertex: run, Began: began})
	b.Made(made)
	b.Made(made) // another job that waited for it
	b.Found(run)
	all := b.Steps(Seen{Jobs: func(graph.ID) int { return 1 }, Bytes: map[graph.ID]int64{run: 7}})
	data, err := ledger.EncodeSteps(all)
	if err != nil || strings.Contains(string(data), "hunter2") {
		t.Fatalf("%v\n%s", err, data)
	}
	var told []string
	forms := map[*ledger.StepForm]bool{}
	for _, s := range all {
		told = append(told, fmt.Sprintf("%s %s %s on %d ran %d cached %d %gs owner %q%s anew %t", s.Kind, s.Op, s.Text, len(s.On), s.Ran, s.Cached, s.Seconds, s.Owner, s.LinkedAs, s.NoCache))
		if s.Op == string(graph.Exec) {
			forms[s.StepForm] = true
			if len(s.Env["VERSION"]) != 8 || len(s.Env["API_TOKEN"]) != 4 || s.Parts["user"] != "me" {
				t.Errorf("the step is %+v", s.StepForm)
			}
		}
	}
	want := []string{
		`base  docker.io/library/one:latest on 0 ran 0 cached 0 0s owner "" anew false`,
		`step exec RUN make x on 1 ran 1 cached 1 2s owner "" anew true`,
		`step copy COPY a b on 1 ran 0 cached 0 0s owner "agent"COPY --link a b anew false`,
		`base  docker.io/library/two:latest on 0 ran 0 cached 0 0s owner "" anew false`,
		`step exec RUN make x on 1 ran 0 cached 0 0s owner "" anew true`,
		`step copy COPY a b on 1 ran 0 cached 0 0s owner "agent"COPY --link a b anew false`,
	}
	steps := told[:0]
	for _, text := range told {
		if !strings.HasPrefix(text, string(ledger.StepSource)) {
			steps = append(steps, text)
		}
	}
	if !reflect.DeepEqual(steps, want) || len(forms) != 1 {
		t.Errorf("%d forms\n%s\nwant\n%s", len(forms), strings.Join(steps, "\n"), strings.Join(want, "\n"))
	}
}

// What has changed is told once: a step when it is new, and each time that something became of it.
func TestChanged(t *testing.T) {
	base := image("base")
	one := base.Run(llb.Shlex("one"), llb.WithCustomName("RUN one")).Root()
	g := graphOf(t, one.Run(llb.Shlex("two"), llb.WithCustomName("RUN two")).Root())
	book := New(redact.New().String)
	changed := func(want ...string) {
		t.Helper()
		var got []string
		for _, s := range book.Changed(Seen{Jobs: func(graph.ID) int { return 1 }}) {
			if s.Kind == ledger.StepRun {
				got = append(got, fmt.Sprint(s.Text, " ", s.Ran, " ", s.Cached))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("changed are %q, want %q", got, want)
		}
	}
	book.Take("Dockerfile", g, asWritten)
	changed("RUN one 0 0", "RUN two 0 0")
	book.Take("Dockerfile", g, asWritten)
	changed()
	id := map[string]graph.ID{}
	for _, s := range book.Steps(Seen{Jobs: func(graph.ID) int { return 1 }}) {
		id[s.Text], _ = graph.ParseID(s.ID)
	}
	book.Found(id["RUN one"])
	book.Made(cache.Making{Vertex: id["RUN two"], Began: time.Unix(1, 0), Done: time.Unix(2, 0)})
	book.Found(id["RUN one"])
	changed("RUN one 0 2", "RUN two 1 0")
	changed()
}

// BenchmarkTake takes the graphs of jobs on images of their own, of 30 steps each.
func BenchmarkTake(b *testing.B) {
	var graphs []graph.Graph
	for job := range 200 {
		st := image(fmt.Sprint("base", job))
		for env := range 15 {
			st = st.AddEnv(fmt.Sprint("VARIABLE_", env), "some value or other")
		}
		for step := range 30 {
			st = st.Run(llb.Shlex(fmt.Sprint("make all of it ", step)), llb.WithCustomName(fmt.Sprint("RUN make all of it ", step))).Root()
		}
		graphs = append(graphs, graphOf(b, st))
	}
	for b.Loop() {
		book := New(redact.New().String)
		for _, g := range graphs {
			book.Take("Dockerfile", g, asWritten)
		}
		if _, err := ledger.EncodeSteps(book.Steps(Seen{Jobs: func(graph.ID) int { return 1 }})); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*200*30), "us/step")
}

// A base image takes what all of its layers take, where that was seen of all.
func TestBytesOfBase(t *testing.T) {
	layered := around
	layered.Layers = func(s graph.ImageSource) (graph.ImageLayers, bool) {
		return graph.ImageLayers{Digests: []string{s.Ref + "low", s.Ref + "top"}}, true
	}
	g, _ := parse(t, image("one").Run(llb.Shlex("make")).Root()).Graph(layered)
	layers := g.Images[0].Layers
	b := New(strings.ToLower)
	b.Take("Dockerfile", g, asWritten)
	for _, tt := range []struct {
		seen map[graph.ID]int64
		want string
	}{
		{map[graph.ID]int64{layers[0]: 1000, layers[1]: 7}, "1007"},
		{map[graph.ID]int64{layers[1]: 7}, "not known"},
	} {
		base := b.Steps(Seen{Jobs: func(graph.ID) int { return 1 }, Bytes: tt.seen})[0]
		got := "not known"
		if base.Bytes != nil {
			got = fmt.Sprint(*base.Bytes)
		}
		if base.Kind != ledger.StepBase || got != tt.want {
			t.Errorf("the %s takes %s, want %s", base.Kind, got, tt.want)
		}
	}
}
