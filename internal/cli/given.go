package cli

import (
	"regexp"
	"strings"

	"github.com/google/shlex"
	"github.com/spf13/pflag"
)

// setVariable is a word of a command that sets a variable.
var setVariable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)

// givenIn are the flags and arguments of a command that goes on with a run, by their names;
// nil where it is not known how it was started.
func givenIn(command string) map[string]string {
	words, err := shlex.Split(command)
	if err != nil {
		return nil
	}
	set := map[string]string{}
	for len(words) > 0 && setVariable.MatchString(words[0]) {
		name, value, _ := strings.Cut(words[0], "=")
		set[name], words = value, words[1:]
	}
	if len(words) == 0 {
		return nil
	}
	cmd, args, err := newRoot(Streams{}).Find(words[1:]) // after the program
	if err != nil || !cmd.HasParent() || cmd.ParseFlags(args) != nil {
		return nil
	}
	lookup := func(name string) (string, bool) {
		value, is := set[name]
		return value, is
	}
	if flagsFromEnv(cmd.Flags(), lookup) != nil {
		return nil
	}
	given := map[string]string{}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !decidesStart(f.Name) {
			given["--"+f.Name] = valueOf(f)
		}
	})
	if rest := cmd.Flags().Args(); len(rest) > 0 {
		given["arguments"] = strings.Join(rest, " ")
	}
	return given
}

// valueOf is a flag's value; of several, all.
func valueOf(f *pflag.Flag) string {
	if several, is := f.Value.(pflag.SliceValue); is {
		return strings.Join(several.GetSlice(), ", ")
	}
	return f.Value.String()
}
