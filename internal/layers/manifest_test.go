package layers

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestPick(t *testing.T) {
	for _, tt := range []struct {
		name  string
		index []string // platforms; empty for none
		want  ocispecs.Platform
		picks int // -1: nothing is there
	}{
		{"the very one", []string{"linux/arm64", "linux/amd64", "unknown/unknown"}, amd64, 1},
		{"the closest", []string{"linux/386", "linux/amd64"}, amd64, 1},
		{"one that runs too", []string{"linux/386", "linux/arm64"}, amd64, 0},
		{"with a variant", []string{"linux/amd64", "linux/arm64/v8"}, ocispecs.Platform{OS: "linux", Architecture: "arm64"}, 1},
		{"without a variant", []string{"linux/amd64", "linux/arm64"}, arm64, 1},
		{"a platform before none", []string{"", "linux/amd64"}, amd64, 1},
		{"none, where nothing else is there", []string{"linux/arm64", ""}, amd64, 1},
		{"another", []string{"linux/arm64"}, amd64, -1},
		{"nothing", nil, amd64, -1},
	} {
		var index ocispecs.Index
		for _, platform := range tt.index {
			d := ocispecs.Descriptor{Digest: digest.FromString(tt.name + platform)}
			if platform != "" {
				parts := append(strings.Split(platform, "/"), "")
				d.Platform = &ocispecs.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]}
			}
			index.Manifests = append(index.Manifests, d)
		}
		text, err := json.Marshal(index)
		must(t, err)
		d, there, err := Pick(text, tt.want)
		at := slices.IndexFunc(index.Manifests, func(m ocispecs.Descriptor) bool { return m.Digest == d })
		if err != nil || there != (tt.picks >= 0) || at != tt.picks {
			t.Errorf("%s: %d is picked, want %d (%v)", tt.name, at, tt.picks, err)
		}
	}
}

func TestNonsense(t *testing.T) {
	for _, text := range []string{"", "[]", `{"manifests": [{"digest": "../../x"}]}`} {
		if d, _, err := Pick([]byte(text), amd64); !errors.Is(err, ErrManifest) {
			t.Errorf("of the index %q is picked %q (%v)", text, d, err)
		}
	}
	for _, text := range []string{"", "[]", `{"layers": [{"digest": "x"}]}`} {
		if list, err := Of([]byte(text)); !errors.Is(err, ErrManifest) {
			t.Errorf("the manifest %q has the layers %v (%v)", text, list, err)
		}
	}
}
