package assemble

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/graph"
)

func sum(text string) digest.Digest { return digest.FromString(text) }

// layersOf are layers in docker's form, by their names.
func layersOf(mediaType string, names ...string) (all []ocispecs.Descriptor) {
	for _, name := range names {
		all = append(all, ocispecs.Descriptor{MediaType: mediaType, Digest: sum(name), Size: int64(len(name))})
	}
	return all
}

func diffIDs(names ...string) string {
	var quoted []string
	for _, name := range names {
		quoted = append(quoted, fmt.Sprintf("%q", sum("unpacked "+name)))
	}
	return strings.Join(quoted, ",")
}

// built is an image as a builder makes it: of a configuration, and layers.
func built(t *testing.T, config string, names ...string) Image {
	t.Helper()
	manifest, err := json.Marshal(ocispecs.Manifest{MediaType: ocispecs.MediaTypeImageManifest,
		Config: ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageConfig, Digest: sum(config)},
		Layers: layersOf(ocispecs.MediaTypeImageLayerGzip, names...)})
	if err != nil {
		t.Fatal(err)
	}
	return Image{MediaType: ocispecs.MediaTypeImageManifest, Manifest: manifest, Config: []byte(config)}
}

const (
	times = `"2020-01-01T00:00:00Z"`
	later = `"2024-05-05T05:05:05.123456789Z"`
)

// told is the configuration that a frontend gives: two layers of a base, and a step before
// and after the one linked layer, none of whose times is known.
func told(baseNames ...string) string {
	return `{"architecture":"amd64","os":"linux","config":{"Labels":{"a":"b"}},"strange":[1],"rootfs":{"type":"layers","diff_ids":[` + diffIDs(baseNames...) +
		`]},"history":[{"created":` + times + `},{"created":` + times + `},{"created_by":"ENV","empty_layer":true},{"created_by":"COPY"},{"created_by":"CMD","empty_layer":true}]}`
}

// recipe is learned from an image on the layers one and two, whose linked layer is of later.
func recipe(t *testing.T) *Recipe {
	t.Helper()
	config := strings.NewReplacer(`"ENV"`, `"ENV","created":`+later, `"COPY"`, `"COPY","created":`+later, `"CMD"`, `"CMD","created":`+later,
		diffIDs("one", "two"), diffIDs("one", "two", "own")).Replace(told("one", "two"))
	r, err := Learn("registry.example/first:1", built(t, config, "one", "two", "own"), layersOf(gzipped[0], "one", "two"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func linked(config string) *graph.Linked {
	return &graph.Linked{Frontend: graph.Frontend{Config: []byte(config)}}
}

// An image has the layers of its base in the form of its own manifest, then the linked
// ones; of its configuration all that the frontend told, and times as BuildKit gives them.
func TestMake(t *testing.T) {
	image, err := recipe(t).Make(layersOf(gzipped[0], "three", "four"), linked(told("three", "four")), nil)
	if err != nil {
		t.Fatal(err)
	}
	var m ocispecs.Manifest
	var c map[string]any
	if err := json.Unmarshal(image.Manifest, &m); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(image.Config, &c); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range m.Layers {
		names = append(names, l.MediaType+" "+l.Digest.String())
	}
	want := []string{gzipped[1] + " " + sum("three").String(), gzipped[1] + " " + sum("four").String(), gzipped[1] + " " + sum("own").String()}
	if fmt.Sprint(names) != fmt.Sprint(want) || m.Config.Digest != image.ConfigDigest() || m.Config.Size != int64(len(image.Config)) {
		t.Errorf("the manifest has the layers %q, want %q, and the config %v", names, want, m.Config)
	}
	text := string(image.Config)
	for _, part := range []string{`"created":` + later + `,"history"`, `"strange":[1]`, `"diff_ids":[` + diffIDs("three", "four", "own") + `]`,
		`{"created":` + later + `,"created_by":"ENV","empty_layer":true},{"created":` + later + `,"created_by":"COPY"},{"created":` + later + `,"created_by":"CMD","empty_layer":true}`} {
		if !strings.Contains(text, part) {
			t.Errorf("the configuration has no %s:\n%s", part, text)
		}
	}
}

// A moment is the most that a time may be, but for those that come from the base.
func TestMakeOfAMoment(t *testing.T) {
	const moment, at = "1000000000", `"2001-09-09T01:46:40Z"`
	l := linked(told("three", "four"))
	l.Frontend.BaseConfig = []byte(`{"history":[{"created":` + times + `},{"created":` + times + `}]}`)
	byArg, err := recipe(t).Make(layersOf(gzipped[1], "three", "four"), l, map[string]string{epochArg: moment})
	if err != nil {
		t.Fatal(err)
	}
	if text := string(byArg.Config); strings.Count(text, times) != 2 || strings.Count(text, at) != 4 {
		t.Errorf("not all but two times are the moment: %s", text)
	}
	l.Frontend.Epoch = moment
	if byFrontend, err := recipe(t).Make(layersOf(gzipped[1], "three", "four"), l, nil); err != nil || string(byFrontend.Config) != string(byArg.Config) {
		t.Errorf("by the frontend's moment: %s, %v", byFrontend.Config, err)
	}
	l.Frontend.BaseConfig = nil
	if unknown, err := recipe(t).Make(layersOf(gzipped[1], "three", "four"), l, nil); err != nil || strings.Count(string(unknown.Config), at) != 6 {
		t.Errorf("without the base's history: %s, %v", unknown.Config, err)
	}
	l.Frontend.Epoch = "soon"
	if _, err := recipe(t).Make(layersOf(gzipped[1], "three", "four"), l, nil); err == nil {
		t.Error("a moment that is none is taken")
	}
}

// What BuildKit would make something else of is no image that can be assembled.
func TestMakeRefuses(t *testing.T) {
	r := recipe(t)
	for name, config := range map[string]string{
		"no text of JSON":                     "{",
		"fewer layers than the manifest":      told("three"),
		"a base without times":                strings.Replace(told("three", "four"), `{"created":`+times+`}`, `{}`, 1),
		"a layer of which no history tells":   strings.Replace(told("three", "four"), `{"created_by":"COPY"},`, ``, 1),
		"a history of a layer that is absent": strings.Replace(told("three", "four"), `{"created_by":"COPY"}`, `{"created_by":"COPY"},{"created_by":"COPY"}`, 1),
	} {
		if image, err := r.Make(layersOf(gzipped[1], "three", "four"), linked(config), nil); err == nil {
			t.Errorf("%s: it is made: %s", name, image.Config)
		}
	}
	for name, l := range map[string]ocispecs.Descriptor{
		"not compressed": {MediaType: ocispecs.MediaTypeImageLayer}, "annotated": {MediaType: gzipped[1], Annotations: map[string]string{"a": "b"}},
		"from elsewhere": {MediaType: gzipped[1], URLs: []string{"https://a.example"}},
	} {
		manifest, err := json.Marshal(ocispecs.Manifest{Layers: []ocispecs.Descriptor{l}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := BaseOf(manifest); err == nil {
			t.Errorf("a base's layer that is %s is taken", name)
		}
	}
}

// A recipe is learned only from an image that has its base's layers below its own.
func TestLearnRefuses(t *testing.T) {
	base := layersOf(gzipped[0], "one", "two")
	full := strings.Replace(told("one", "two"), diffIDs("one", "two"), diffIDs("one", "two", "own"), 1)
	for name, image := range map[string]Image{
		"an index":               {MediaType: ocispecs.MediaTypeImageIndex, Manifest: []byte(`{"manifests":[]}`), Config: []byte(full)},
		"another base":           built(t, full, "one", "three", "own"),
		"fewer layers":           built(t, full, "one"),
		"another configuration":  built(t, told("one", "two"), "one", "two", "own"),
		"another history's text": built(t, strings.Replace(full, `{"created_by":"COPY"},`, ``, 1), "one", "two", "own"),
	} {
		if r, err := Learn("x", image, base); err == nil {
			t.Errorf("%s: %+v is learned", name, r)
		}
	}
}

// Two images differ where anything but their times does.
func TestDiffer(t *testing.T) {
	one := built(t, told("one", "two"), "one", "two")
	for _, tt := range []struct {
		name  string
		other Image
		want  string
	}{
		{"the same", built(t, told("one", "two"), "one", "two"), ""},
		{"times", built(t, strings.ReplaceAll(told("one", "two"), times, later), "one", "two"), ""},
		{"a time where none was", built(t, strings.Replace(told("one", "two"), `{"created_by":"COPY"`, `{"created":`+times+`,"created_by":"COPY"`, 1), "one", "two"), ""},
		{"a layer", built(t, told("one", "two"), "one", "three"), "manifest.layers is"},
		{"the form", Image{MediaType: "another", Manifest: one.Manifest, Config: one.Config}, "the manifest is"},
		{"a label", built(t, strings.Replace(told("one", "two"), `"a":"b"`, `"a":"c"`, 1), "one", "two"), `configuration.config.Labels.a is "b", and the builder's "c"`},
		{"a step", built(t, strings.Replace(told("one", "two"), `"COPY"`, `"ADD"`, 1), "one", "two"), "configuration.history is"},
		{"a field less", built(t, strings.Replace(told("one", "two"), `"strange":[1],`, ``, 1), "one", "two"), "configuration.strange is [1], and the builder's null"},
	} {
		if got := Differ(one, tt.other); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
