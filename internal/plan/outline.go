package plan

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/stoker-build/stoker/internal/graph"
)

// piece tells what a job is like.
func (j *Job) piece() piece {
	p := piece{base: j.Base, graph: j.outline()}
	for _, ref := range j.ReadsBelow(context.Background()) {
		if tag := tagOf(ref); tag != "" {
			p.read = append(p.read, tag)
		}
	}
	for _, ref := range j.Tags {
		p.makes = append(p.makes, tagOf(ref))
	}
	return p
}

// outline is what a job's build does, as far as its Dockerfile tells without asking
// anybody. Where BuildKit's converter in this process cannot tell, the lines of the
// Dockerfile stand for the steps.
func (j *Job) outline() (g graph.Graph) {
	for _, name := range slices.Sorted(maps.Keys(j.Links)) {
		g.Join(j.Links[name].outline())
	}
	sent := []graph.Vertex{graph.Directory(j.Source.context)}
	for _, name := range slices.Sorted(maps.Keys(j.Options.Inputs.NamedContexts)) {
		sent = append(sent, graph.Directory(name+"="+j.Options.Inputs.NamedContexts[name].Path))
	}
	d, err := j.definition()
	if err != nil {
		g.Join(graph.Lines(j.words()...))
		return g
	}
	own, _ := d.Graph(graph.Surroundings{
		Layers: func(graph.ImageSource) (graph.ImageLayers, bool) { return graph.ImageLayers{}, false },
		Local:  func(string, string) string { return "" }, // a copy from elsewhere may well have the same content
		Sent:   sent,
	})
	g.Join(own)
	return g
}

// definition is the build as BuildKit's converter in this process has it.
func (j *Job) definition() (*graph.Definition, error) {
	if covered, _ := j.Source.syntax(j.Options); !covered {
		return nil, errSyntax
	}
	c, err := convert(context.Background(), j.Source.dockerfile, j.Options, j.Options.BuildArgs, &imageNotes{})
	if err != nil {
		return nil, err
	}
	return graph.ParseDefinition(c.graph.ToPB())
}

// words are what is known of a job whose steps are not known: those that jobs with much
// in common share come first.
func (j *Job) words() []string {
	words := append([]string{j.Base, j.Source.context, j.Source.path}, strings.SplitAfter(string(j.Source.dockerfile), "\n")...)
	if j.Source.dockerfile != nil {
		words[1], words[2] = "", "" // the file is read from a copy
	}
	for _, key := range slices.Sorted(maps.Keys(j.Options.BuildArgs)) {
		words = append(words, key+"="+j.Options.BuildArgs[key])
	}
	return append(words, j.Options.Target)
}
