package main

import (
	"slices"
	"testing"

	controlapi "github.com/moby/buildkit/api/services/control"
)

func TestRequestOf(t *testing.T) {
	got := requestOf(&controlapi.BuildHistoryRecord{
		FrontendAttrs: map[string]string{"build-arg:BASE_IMAGE": "a", "filename": "Dockerfile"},
		Exporters:     []*controlapi.Exporter{{Type: "image", Attrs: map[string]string{"name": "a", "push": "true"}}},
	})
	want := request{"frontend": "", "--opt filename": "Dockerfile", "--output image push": "true"}
	if list := differences(got, want); len(list) > 0 {
		t.Errorf("%v: %v", got, list)
	}
}

func TestDifferences(t *testing.T) {
	got := differences(request{"a": "1", "b": "2", "c": "3"}, request{"b": "2", "c": "4", "d": "5"})
	want := []string{"adds a=1", "has c=3 instead of 4", "lacks d=5"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := differences(nil, request{"a": "1"}), []string{"lacks a=1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := differences(nil, nil); len(got) > 0 {
		t.Errorf("got %q for nothing", got)
	}
}
