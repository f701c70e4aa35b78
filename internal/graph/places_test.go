package graph

import (
	"testing"

	"github.com/opencontainers/go-digest"
)

func TestPlaces(t *testing.T) {
	var first, second Places
	first.Put("sha256:1", "[1/2] RUN a", ID{1})
	first.Put("sha256:2", "[2/2] RUN a", ID{2})
	first.Put("sha256:3", "", ID{3})
	second.Put("sha256:4", "[2/2] RUN a", ID{4})
	second.Put("sha256:1", "[1/2] RUN a", ID{1})
	var all Places
	all.Join(first)
	all.Join(second)
	tests := []struct {
		digest digest.Digest
		name   string
		want   ID
	}{
		{"sha256:2", "[1/2] RUN a", ID{2}}, // the digest says more
		{"sha256:4", "another", ID{4}},
		{"sha256:9", "[1/2] RUN a", ID{1}},
		{"sha256:9", "[2/2] RUN a", ID{}}, // of two vertices
		{"sha256:9", "", ID{}},
		{"sha256:9", "another", ID{}},
	}
	for _, tt := range tests {
		id, ok := all.Of(tt.digest, tt.name)
		if id != tt.want || ok != (tt.want != ID{}) {
			t.Errorf("%s %q is %s, %v", tt.digest, tt.name, id, ok)
		}
	}
	if id, ok := (&Places{}).Of("sha256:1", "a"); ok {
		t.Errorf("no places have %s", id)
	}
}
