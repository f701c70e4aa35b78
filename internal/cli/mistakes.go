package cli

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagMistake says in words what is wrong with a flag on the command line. What
// the libraries say names their own functions.
func flagMistake(cmd *cobra.Command, err error) error {
	if !cmd.HasParent() {
		// The flags are those of a command whose name has a slip in it.
		if err := noCommand(cmd, cmd.Flags().Args()); err != nil {
			return err
		}
	}
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	var syntax *pflag.InvalidSyntaxError
	switch {
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			name = name[:1]
		}
		err = errors.New(unknownFlag(cmd, name))
	case errors.As(err, &missing):
		err = fmt.Errorf("--%s needs a value", missing.GetFlag().Name)
	case errors.As(err, &invalid):
		err = errors.New(badValue(invalid))
	case errors.As(err, &syntax):
		err = fmt.Errorf("%q is no flag", syntax.GetSpecifiedFlag())
	}
	return &flagError{err}
}

// badValue says which value of which flag is not what the flag takes.
func badValue(err *pflag.InvalidValueError) string {
	flag, problem := err.GetFlag(), ""
	tooLarge := errors.Is(err, strconv.ErrRange)
	switch flag.Value.Type() {
	case "int":
		problem = "is not a whole number"
		if tooLarge {
			problem = "is too large a number"
		}
	case "float64":
		problem = "is not a number"
	case "bool":
		problem = "is neither true nor false"
	case "duration":
		problem = "is not a duration such as 90s, 5m or 1h30m"
	default: // the flags of our own kinds say it themselves
		return fmt.Sprintf("--%s: %s", flag.Name, err.Unwrap())
	}
	return fmt.Sprintf("--%s: %q %s", flag.Name, err.GetValue(), problem)
}
