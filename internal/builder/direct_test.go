package builder

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Registries are asked instead of the builder where that has told the same of two of their
// images, and the builder is asked about what a registry does not tell.
func TestRegistriesAreAsked(t *testing.T) {
	t.Parallel()
	told := func(ref string) (digest.Digest, []byte) { return digest.FromString(ref), []byte("config of " + ref) }
	const images = 10
	for _, tt := range []struct {
		name string
		fits bool
		// builder and registry change what is told of the nth image.
		builder, registry func(n int, d digest.Digest, config []byte) (digest.Digest, []byte, error)
		none              bool // no platform is named
		asked, alone      int  // of how many images the builder and the registry are asked
	}{
		{name: "both tell the same", fits: true, asked: 2, alone: images},
		{name: "the builder has a mirror", asked: images},
		{name: "the builder's platform", fits: true, none: true, asked: images},
		{name: "another digest", fits: true, asked: images, alone: 2, registry: func(n int, d digest.Digest, config []byte) (digest.Digest, []byte, error) {
			if n == 1 {
				d = "sha256:other"
			}
			return d, config, nil
		}},
		{name: "another config", fits: true, asked: images, alone: 1, registry: func(_ int, d digest.Digest, _ []byte) (digest.Digest, []byte, error) {
			return d, []byte("other"), nil
		}},
		{name: "the builder does not know the first", fits: true, asked: 3, alone: images - 1, builder: func(n int, d digest.Digest, config []byte) (digest.Digest, []byte, error) {
			if n == 0 {
				return "", nil, errors.New("not found")
			}
			return d, config, nil
		}},
		{name: "the registry falls silent", fits: true, asked: images, alone: 2 + hopelessHost, registry: func(n int, d digest.Digest, config []byte) (digest.Digest, []byte, error) {
			if n >= 2 {
				return "", nil, errors.New("refused")
			}
			return d, config, nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n, asked, alone := 0, 0, 0
			d := &direct{fits: func(string) bool { return tt.fits }, hosts: map[string]*trust{},
				ask: func(_ context.Context, ref string, _ *ocispecs.Platform) (digest.Digest, []byte, error) {
					alone++
					d, config := told(ref)
					if tt.registry != nil {
						return tt.registry(n, d, config)
					}
					return d, config, nil
				}}
			opt := sourceresolver.Opt{ImageOpt: &sourceresolver.ResolveImageOpt{}}
			if !tt.none {
				opt.ImageOpt.Platform = &ocispecs.Platform{OS: "linux", Architecture: "amd64"}
			}
			for ; n < images; n++ {
				ref := fmt.Sprintf("registry.example/base:%d", n)
				want, config := told(ref)
				i, err := d.image(t.Context(), ref, opt, func() (i image, err error) {
					asked++
					i.ref = ref
					i.digest, i.config = told(ref)
					if tt.builder != nil {
						i.digest, i.config, err = tt.builder(n, i.digest, i.config)
					}
					return i, err
				})
				if err == nil && (i.ref != ref || i.digest != want || string(i.config) != string(config)) {
					t.Errorf("%s is told to be %v", ref, i)
				}
			}
			if asked != tt.asked || alone != tt.alone {
				t.Errorf("the builder was asked about %d images and the registry about %d, not %d and %d", asked, alone, tt.asked, tt.alone)
			}
		})
	}
}
