package cli

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/stoker-build/stoker/internal/redact"
)

// resumeCommand returns the shell command that goes on with a run: the command
// line as it was typed with --resume, and the variables that set flags, since
// they may have been set for this one command. What is secret in it is a mark.
func resumeCommand(streams Streams, flags *pflag.FlagSet, lookup func(string) (string, bool), secrets *redact.Redactor) string {
	var words []string
	for _, v := range slices.Concat(shardVariable(flags), variables(flags, lookup)) {
		name, value, _ := strings.Cut(v, "=")
		words = append(words, name+"="+quote(withoutSecrets(value, secrets)))
	}
	words = append(words, quote(cmp.Or(streams.Program, "stoker")))
	typed, rest := withoutStartFlags(streams.args, flags)
	goOn := []string{"--resume"}
	if name, _ := valueFromEnv("fresh", lookup); name != "" {
		goOn = append(goOn, "--fresh=false") // it may be set for good
	}
	for _, arg := range slices.Concat(typed, goOn, rest) {
		words = append(words, quote(withoutSecrets(arg, secrets)))
	}
	command := strings.Join(words, " ")
	var with []string
	if strings.Contains(command, redact.Mark) {
		with = append(with, "the secrets in the place of "+redact.Mark)
	}
	if readsStdin(flags) {
		with = append(with, "the same standard input")
	}
	if len(with) > 0 {
		command += " # with " + strings.Join(with, " and ")
	}
	return command
}

// checkMarks refuses a value that has the mark of a secret that was left out of such a
// command: an image would be made with it.
func checkMarks(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if several, is := f.Value.(pflag.SliceValue); is {
			values = several.GetSlice()
		}
		for _, v := range values {
			if err == nil && strings.Contains(v, redact.Mark) {
				err = &flagError{fmt.Errorf("--%s: %q has %s in the place of a secret, which was left out of a command that was shown: put the secret there", f.Name, v, redact.Mark)}
			}
		}
	})
	return err
}

// variables returns those that set flags, as NAME=VALUE, in the order of their
// flags. Those that say what to do about an earlier run are left out: --resume
// says it.
func variables(flags *pflag.FlagSet, lookup func(string) (string, bool)) []string {
	var set []string
	flags.VisitAll(func(f *pflag.Flag) {
		name, _ := valueFromEnv(f.Name, lookup)
		if name == "" || wasTyped(f) || decidesStart(f.Name) {
			return
		}
		value, _ := lookup(name)
		set = append(set, name+"="+value)
	})
	return set
}

// byVariable marks a flag that a variable has set.
const byVariable = "stoker_by_variable"

// wasTyped tells whether a flag was on the command line.
func wasTyped(f *pflag.Flag) bool { return f.Changed && f.Annotations[byVariable] == nil }

// decidesStart tells whether a flag says what is done about an earlier run.
func decidesStart(name string) bool { return name == "resume" || name == "fresh" }

// withoutStartFlags returns the arguments without --resume and --fresh in any form,
// and what follows a "--" apart, with it.
func withoutStartFlags(args []string, flags *pflag.FlagSet) (typed, rest []string) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return typed, args[i:]
		}
		name, isLong := strings.CutPrefix(arg, "--")
		name, _, _ = strings.Cut(name, "=")
		if isLong && decidesStart(name) {
			continue
		}
		typed = append(typed, arg)
		if takesNext(arg, flags) && i+1 < len(args) {
			i++
			typed = append(typed, args[i])
		}
	}
	return typed, nil
}

// takesNext tells whether the value of a flag is the argument after it.
func takesNext(arg string, flags *pflag.FlagSet) bool {
	if name, isLong := strings.CutPrefix(arg, "--"); isLong {
		f := flags.Lookup(name) // which one with a value in it is not
		return f != nil && f.NoOptDefVal == ""
	}
	if !strings.HasPrefix(arg, "-") {
		return false
	}
	for i, letter := range arg[1:] {
		f := flags.ShorthandLookup(string(letter))
		if f == nil {
			return false
		}
		if f.NoOptDefVal == "" { // its value is the rest of the word, if there is one
			return i == len(arg)-2
		}
	}
	return false
}

func readsStdin(flags *pflag.FlagSet) bool {
	for _, name := range []string{"images", "rows", "file"} {
		if f := flags.Lookup(name); f != nil && f.Value.String() == "-" {
			return true
		}
	}
	return false
}

// withoutSecrets takes secrets out of an argument, or out of a variable that has
// one for each line.
func withoutSecrets(arg string, secrets *redact.Redactor) string {
	lines := strings.Split(arg, "\n")
	for i, line := range lines {
		lines[i] = withoutSecretValue(line)
	}
	return secrets.String(strings.Join(lines, "\n"))
}

// withoutSecretValue hides the whole value of KEY=VALUE and --flag=KEY=VALUE where
// the key looks secret: a redactor stops at a blank, as it must in a log.
func withoutSecretValue(arg string) string {
	before, pair := "", arg
	if flag, value, hasValue := strings.Cut(arg, "="); hasValue && strings.HasPrefix(arg, "--") {
		before, pair = flag+"=", value
	}
	if key, value, hasValue := strings.Cut(pair, "="); hasValue && redact.LooksSecret(key) && !redact.IsTemplate(value) {
		return before + key + "=" + redact.Mark
	}
	return arg
}

// plainWord is a word that no shell changes.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// quote writes a word as a shell reads it.
func quote(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
