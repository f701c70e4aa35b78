// Package presets knows datasets: which flags make jobs of their rows.
package presets

import (
	"bytes"
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed *.yaml
var files embed.FS

// Preset is what a dataset's rows need.
type Preset struct {
	Name string `yaml:"-" json:"name"`
	// About is the dataset.
	About string `yaml:"about" json:"about"`
	// Note is what else a person should know; may be empty.
	Note string `yaml:"note" json:"note,omitempty"`
	// Flags are set where nobody sets them otherwise.
	Flags map[string]string `yaml:"flags" json:"flags"`
	// Source says where that is written down.
	Source []string `yaml:"source" json:"source"`
	// Samples are rows, and the base images that are made of them.
	Samples []Sample `yaml:"samples" json:"samples"`
}

// Sample is a row of a dataset with its base image.
type Sample struct {
	Row  map[string]any `yaml:"row" json:"row"`
	Base string         `yaml:"base" json:"base"`
}

// All returns all presets, by their names.
func All() []Preset {
	var all []Preset
	for _, name := range Names() {
		p, err := Get(name)
		if err != nil {
			panic(err) // a test reads them all
		}
		all = append(all, p)
	}
	return all
}

// Names returns their names, sorted.
func Names() []string {
	entries, _ := files.ReadDir(".") // it is there
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), path.Ext(e.Name())))
	}
	slices.Sort(names)
	return names
}

// Get returns a preset.
func Get(name string) (Preset, error) {
	text, err := Text(name)
	if err != nil {
		return Preset{}, err
	}
	p := Preset{Name: name}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&p); err != nil {
		return Preset{}, fmt.Errorf("the preset %s: %w", name, err)
	}
	return p, nil
}

// Text returns a preset as it is written.
func Text(name string) ([]byte, error) {
	text, err := files.ReadFile(name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("there is no preset %q", name)
	}
	return text, nil
}
