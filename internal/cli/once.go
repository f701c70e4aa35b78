package cli

import (
	"fmt"

	"github.com/spf13/pflag"
)

// onceFlag is a text of which a second one would silently take the place of the first, where
// a person may think that both count.
type onceFlag struct {
	to    *string
	given bool
}

func (f *onceFlag) Set(text string) error {
	if f.given && text != *f.to {
		return fmt.Errorf("it is given twice, as %q and as %q: give it once", *f.to, text)
	}
	*f.to, f.given = text, true
	return nil
}

func (f *onceFlag) String() string { return *f.to }

func (f *onceFlag) Type() string { return "string" }

// once adds a flag that is given once.
func once(f *pflag.FlagSet, to *string, name, usage string) {
	f.Var(&onceFlag{to: to}, name, usage)
}
