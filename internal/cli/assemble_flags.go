package cli

import (
	"fmt"

	"github.com/spf13/pflag"

	"github.com/stoker-build/stoker/internal/assemble"
	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/run"
)

// assembleOptions say which images are assembled.
type assembleOptions struct{ mode string }

func (o *assembleOptions) addTo(f *pflag.FlagSet) {
	f.StringVar(&o.mode, "assemble", string(assemble.Auto), "who makes images that only lay layers upon their base: auto (the registry, where that is proved to give the same), builder or registry (else the job fails)")
}

func (o assembleOptions) check() error {
	if !oneOf(o.mode, assemble.Modes...) {
		return &flagError{fmt.Errorf("--assemble %q: use auto, builder or registry", o.mode)}
	}
	return nil
}

func (o assembleOptions) options() run.AssembleOptions {
	return run.AssembleOptions{Mode: assemble.Mode(o.mode), Attests: assemble.Attests{NoDefault: builder.NoDefaultProvenance()}}
}
