package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/stoker-build/stoker/internal/node"
)

// foreign is a variable that means the same as a flag of ours, and how its
// value is written as the flag's; nil where it is the same.
type foreign struct {
	name  string
	value func(string) string
}

// foreignEnv are the variables of OpenHands/benchmarks, the reference
// implementation of this kind of job. A flag and Stoker's own variable win over
// them.
var foreignEnv = map[string]foreign{
	"batch-size":       {name: "BUILD_BATCH_SIZE"},
	"force":            {name: "FORCE_BUILD"},
	"prune":            {"BUILDKIT_COMPLETED_BATCH_PRUNE_ENABLED", completedOrOff},
	"prune-timeout":    {"BUILDKIT_COMPLETED_BATCH_PRUNE_TIMEOUT_SEC", suffixed("s")},
	"keep-storage":     {"BUILDKIT_PRUNE_KEEP_GB", suffixed("GB")},
	"prune-threshold":  {name: "BUILDKIT_PRUNE_THRESHOLD_PCT"},
	"recover":          {"BUILDKIT_RESET_ON_FAILURE", onOrOff},
	"recover-interval": {"BUILDKIT_RESET_THROTTLE_SEC", suffixed("s")},
	"recover-lock":     {name: "BUILDKIT_RESET_LOCK"},
}

func suffixed(suffix string) func(string) string {
	return func(v string) string { return v + suffix }
}

// completedOrOff turns a switch into a policy.
func completedOrOff(v string) string {
	if isOff(v) {
		return string(node.PruneOff)
	}
	return string(node.PruneCompleted)
}

// onOrOff turns a switch into a flag's value.
func onOrOff(v string) string { return strconv.FormatBool(!isOff(v)) }

func isOff(v string) bool {
	return slices.Contains([]string{"0", "false", "no", "off"}, strings.ToLower(v))
}

// envName is the variable of a flag: STOKER_BATCH_SIZE for --batch-size.
func envName(flag string) string {
	return "STOKER_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// flagsFromEnv sets every flag that was not given from its variable. A flag
// that can be given several times takes one value per line.
func flagsFromEnv(flags *pflag.FlagSet, lookup func(string) (string, bool)) error {
	var firstErr error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed || firstErr != nil || f.Name == "help" || f.Name == "version" {
			return
		}
		name, value := valueFromEnv(f.Name, lookup)
		if name == "" {
			return
		}
		if err := setFlag(flags, f, value); err != nil {
			firstErr = envMistake(name, err)
			return
		}
		_ = flags.SetAnnotation(f.Name, byVariable, []string{name}) // the flag is there
	})
	return firstErr
}

// envMistake says what is wrong with a variable's value.
func envMistake(name string, err error) error {
	text := err.Error()
	if invalid := (*pflag.InvalidValueError)(nil); errors.As(err, &invalid) {
		text = badValue(invalid)
	}
	return &flagError{fmt.Errorf("%s (from %s in the environment)", text, name)}
}

// valueFromEnv returns the variable that sets a flag, and the flag's value. A
// variable that is empty counts as not set.
func valueFromEnv(flag string, lookup func(string) (string, bool)) (name, value string) {
	if v, _ := lookup(envName(flag)); v != "" {
		return envName(flag), v
	}
	other, known := foreignEnv[flag]
	if !known {
		return "", ""
	}
	v, _ := lookup(other.name)
	if v == "" {
		return "", ""
	}
	if other.value != nil {
		v = other.value(v)
	}
	return other.name, v
}

func setFlag(flags *pflag.FlagSet, f *pflag.Flag, value string) error {
	if _, several := f.Value.(pflag.SliceValue); !several {
		return flags.Set(f.Name, value)
	}
	for _, line := range strings.Split(value, "\n") {
		if line == "" {
			continue
		}
		if err := flags.Set(f.Name, line); err != nil {
			return err
		}
	}
	return nil
}
