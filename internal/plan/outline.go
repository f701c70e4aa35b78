package plan

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/stoker-build/stoker/internal/graph"
)

// piece tells what a job is like.
func (j *Job) piece() piece {
	g, named := j.outline()
	p := piece{base: j.Base, graph: g}
	for _, ref := range slices.Concat(j.inputs(), named, slices.Collect(maps.Values(j.Options.BuildArgs))) {
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
// anybody, and the images that this names. Where BuildKit's converter in this process
// cannot tell, the lines of the Dockerfile stand for the steps.
func (j *Job) outline() (g graph.Graph, images []string) {
	for _, name := range slices.Sorted(maps.Keys(j.Links)) {
		linked, _ := j.Links[name].outline()
		g.Join(linked)
	}
	sent := []graph.Vertex{graph.Directory(j.Source.context)}
	for _, name := range slices.Sorted(maps.Keys(j.Options.Inputs.NamedContexts)) {
		sent = append(sent, graph.Directory(name+"="+j.Options.Inputs.NamedContexts[name].Path))
	}
	notes := &imageNotes{}
	d, err := j.definition(notes)
	if err != nil {
		g.Join(graph.Lines(j.words()...))
		return g, nil
	}
	own, _ := d.Graph(graph.Surroundings{
		Layers: func(graph.ImageSource) (graph.ImageLayers, bool) { return graph.ImageLayers{}, false },
		Local:  func(string, string) string { return "" }, // a copy from elsewhere may well have the same content
		Sent:   sent,
	})
	g.Join(own)
	return g, notes.refs()
}

// definition is the build as BuildKit's converter in this process has it.
func (j *Job) definition(notes *imageNotes) (*graph.Definition, error) {
	if covered, _ := j.Source.syntax(j.Options); !covered {
		return nil, errors.New("its syntax is another frontend's")
	}
	c, err := convert(context.Background(), j.Source.dockerfile, j.Options, j.Options.BuildArgs, notes)
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
