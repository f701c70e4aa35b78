package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/stoker-build/stoker/internal/presets"
	"github.com/stoker-build/stoker/internal/show"
)

func newPresets(streams Streams) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "presets [NAME]",
		Short: "Show the datasets whose rows Stoker knows",
		Long: `Show the datasets of which --preset knows what their rows need, or one of them
with its flags, its sources and rows of it as samples.`,
		Example: "  stoker presets\n  stoker presets swe-bench",
		Args:    cobra.MaximumNArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return presets.Names(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			if len(args) == 1 {
				return showPreset(streams.Out, args[0], format)
			}
			if format == formatJSON {
				return writeJSON(streams.Out, presets.All())
			}
			var rows [][2]string
			for _, p := range presets.All() {
				rows = append(rows, [2]string{p.Name, p.About})
			}
			return show.Pairs(streams.Out, rows)
		},
	}
	addFormat(cmd, &format)
	return cmd
}

// showPreset writes one as its file has it, or as JSON.
func showPreset(w io.Writer, name, format string) error {
	p, err := findPreset(name)
	if err != nil {
		return err
	}
	if format == formatJSON {
		return writeJSON(w, p)
	}
	text, err := presets.Text(name)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// findPreset finds one, or says which was probably meant.
func findPreset(name string) (presets.Preset, error) {
	p, err := presets.Get(name)
	if err == nil {
		return p, nil
	}
	if near := nearest(name, presets.Names()); near != "" {
		return p, &flagError{fmt.Errorf("%w; did you mean %s?", err, near)}
	}
	return p, &flagError{fmt.Errorf("%w: \"stoker presets\" lists them", err)}
}

// flagsFromPreset sets the flags that --preset names and that nobody has set otherwise.
// They do not count as given: what goes on with a run names the preset.
func flagsFromPreset(flags *pflag.FlagSet) error {
	flag := flags.Lookup("preset")
	if flag == nil || flag.Value.String() == "" {
		return nil
	}
	if images := flags.Lookup("images"); images != nil && images.Value.String() != "" {
		return &flagError{errors.New("--preset is for --rows: the lines of --images are base images themselves")}
	}
	p, err := findPreset(flag.Value.String())
	if err != nil {
		return fmt.Errorf("--preset: %w", err)
	}
	for name, value := range p.Flags {
		if f := flags.Lookup(name); f != nil && !f.Changed {
			if err := f.Value.Set(value); err != nil {
				return fmt.Errorf("the preset %s: --%s: %w", p.Name, name, err)
			}
		}
	}
	return nil
}
