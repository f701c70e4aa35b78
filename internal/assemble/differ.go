package assemble

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// Differ says what of two images differs, one that was assembled and one that the builder
// has made; empty where nothing does but times.
func Differ(assembled, built Image) string {
	if assembled.MediaType != built.MediaType {
		return fmt.Sprintf("the manifest is %s, and the builder's %s", assembled.MediaType, built.MediaType)
	}
	if bytes.Equal(assembled.Manifest, built.Manifest) && bytes.Equal(assembled.Config, built.Config) {
		return ""
	}
	if what := differ("manifest", assembled.Manifest, built.Manifest, func(m map[string]any) { delete(m, "config") }); what != "" {
		return what
	}
	return differ("configuration", assembled.Config, built.Config, withoutTimes)
}

// withoutTimes leaves out of a configuration when it and its layers were made.
func withoutTimes(config map[string]any) {
	delete(config, "created")
	history, _ := config["history"].([]any)
	for _, h := range history {
		if entry, is := h.(map[string]any); is {
			delete(entry, "created")
		}
	}
}

// differ names the first field in which two documents differ.
func differ(name string, assembled, built []byte, without func(map[string]any)) string {
	a, errA := read(assembled, without)
	b, errB := read(built, without)
	if errA != nil || errB != nil {
		return "the " + name + " cannot be read"
	}
	return firstDifference(name, a, b)
}

func read(text []byte, without func(map[string]any)) (fields map[string]any, err error) {
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	without(fields)
	return fields, nil
}

func firstDifference(name string, a, b any) string {
	x, isX := a.(map[string]any)
	y, isY := b.(map[string]any)
	if isX && isY {
		for _, key := range slices.Sorted(maps.Keys(union(x, y))) {
			if what := firstDifference(name+"."+key, x[key], y[key]); what != "" {
				return what
			}
		}
		return ""
	}
	if reflect.DeepEqual(a, b) {
		return ""
	}
	return fmt.Sprintf("%s is %s, and the builder's %s", name, short(a), short(b))
}

func union(a, b map[string]any) map[string]any {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// mostShown bounds what is shown of a value.
const mostShown = 200

func short(v any) string {
	text, _ := json.Marshal(v)
	if len(text) > mostShown {
		return string(text[:mostShown]) + "..."
	}
	return string(text)
}
