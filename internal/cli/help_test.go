package cli

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// ours are Stoker's own commands.
func ours() []*cobra.Command { return newRoot(Streams{}).Commands() }

// A flag that nobody put under a heading is hard to find.
func TestEveryFlagIsInAGroup(t *testing.T) {
	grouped := map[string]bool{}
	for _, g := range flagGroups {
		for _, name := range g.flags {
			if grouped[name] {
				t.Errorf("--%s is in two groups", name)
			}
			grouped[name] = true
		}
	}
	have := map[string]bool{}
	for _, cmd := range ours() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			have[f.Name] = true
			if !grouped[f.Name] {
				t.Errorf("--%s of %s is in no group: put it into flagGroups", f.Name, cmd.Name())
			}
		})
	}
	for name := range grouped {
		if !have[name] {
			t.Errorf("flagGroups has --%s, which is no flag", name)
		}
	}
}

func TestHelpTexts(t *testing.T) {
	for _, cmd := range append(ours(), newRoot(Streams{})) {
		args := strings.Fields(strings.TrimPrefix(cmd.CommandPath(), "stoker"))
		code, text := runStoker(t.Context(), append(args, "--help")...)
		if code != ExitOK {
			t.Errorf("%s: exit code %d", cmd.CommandPath(), code)
		}
		for line := range strings.Lines(text) {
			if width := ansi.StringWidth(strings.TrimRight(line, "\n")); width > helpWidth {
				t.Errorf("%s: %d wide: %s", cmd.CommandPath(), width, line)
			}
		}
		example, flags := strings.Index(text, "\nExamples:\n"), strings.Index(text, "\n  -h, --help")
		if example < 0 || flags < example {
			t.Errorf("%s: the examples do not come first:\n%s", cmd.CommandPath(), text)
		}
		for _, goType := range []string{"stringArray", " string ", " int ", " duration ", "(default 0s)", "(default [])"} {
			if strings.Contains(text, goType) {
				t.Errorf("%s: the help text has %q", cmd.CommandPath(), goType)
			}
		}
	}
}

// Whatever a flag is given, what is said of it are words of its own.
func TestBadValues(t *testing.T) {
	bad := []string{"zwei", "-3", "99999999999999999999999", "NaN", "=", "5x", "", "%d", ","}
	never := []string{"strconv", "parse error", "invalid syntax", "plan.", "%!", "ParseInt", "ParseFloat", "reflect", "pflag", "time: ", "[] false"}
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("DOCKER_HOST", "unix:///does/not/exist.sock")
	for name, text := range map[string]string{"bases.txt": "127.0.0.1:1/base\n", "Dockerfile": "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, cmd := range ours() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			for _, value := range bad {
				args := []string{cmd.Name(), "--" + f.Name + "=" + value}
				if takesPath := cmd.Name() == "build" || cmd.Name() == "plan"; takesPath && f.Name != "images" && f.Name != "rows" {
					args = append(args, ".", "--images", "bases.txt") // else it is said first that these are missing
				}
				if f.Name != "builder" && cmd.Flags().Lookup("builder") != nil {
					args = append(args, "--builder", "unix:///does/not/exist.sock") // nothing is to be built
				}
				if f.Name != "buildkitd" && cmd.Flags().Lookup("buildkitd") != nil {
					args = append(args, "--buildkitd", "/does/not/exist")
				}
				checkWords(t, args, never)
				if value == bad[0] && f.Name != "builder" {
					t.Setenv(envName(f.Name), value)
					checkWords(t, slices.Delete(slices.Clone(args), 1, 2), never)
					t.Setenv(envName(f.Name), "")
				}
			}
		})
	}
}

func checkWords(t *testing.T, args, never []string) {
	t.Helper()
	_, out := runStoker(t.Context(), args...)
	for _, word := range never {
		if strings.Contains(out, word) && !strings.Contains(strings.Join(args, " "), word) {
			t.Errorf("stoker %q says %q:\n%s", args, word, out)
		}
	}
}

func TestMistakesInWords(t *testing.T) {
	tests := []struct {
		args []string
		says string
	}{
		{[]string{"build", "--workers", "four"}, `--workers: "four" is not a whole number`},
		{[]string{"build", "--workers", "99999999999999999999"}, `--workers: "99999999999999999999" is too large a number`},
		{[]string{"build", "--timeout", "5x"}, `--timeout: "5x" is not a duration such as 90s, 5m or 1h30m`},
		{[]string{"build", "--disk-high", "much"}, `--disk-high: "much" is not a number`},
		{[]string{"build", "--push=perhaps"}, `--push: "perhaps" is neither true nor false`},
		{[]string{"build", "--keep-storage", "5 parsecs"}, `--keep-storage: "5 parsecs" is not a size such as 500MB, 60GB or 60GiB`},
		{[]string{"build", "--max-failures", "x"}, `--max-failures: "x" is neither a number of jobs nor a percentage`},
		{[]string{"build", "--build-arg", "A=1", "--build-arg", "TOKEN=[redacted]", "."}, `--build-arg: "TOKEN=[redacted]" has [redacted] in the place of a secret`},
		{[]string{"bake", "--set", "*.args.TOKEN=[redacted]"}, `--set: "*.args.TOKEN=[redacted]" has [redacted] in the place of a secret`},
		{[]string{"build", "--workers"}, "--workers needs a value"},
		{[]string{"build", "-t"}, "--tag needs a value"},
		{[]string{"build", "--imags", "x"}, "unknown flag --imags; did you mean --images?"},
		{[]string{"build", "--check-only"}, `unknown flag --check-only; "stoker check" takes the same flags, and builds nothing`},
		{[]string{"build", "--jobs", "4"}, "unknown flag --jobs; did you mean --workers?"},
		{[]string{"build", "-j4"}, "unknown flag -j; did you mean --workers?"},
		{[]string{"build", "--batch", "4"}, "unknown flag --batch; did you mean --batch-size?"},
		{[]string{"build", "--no-prune"}, "unknown flag --no-prune; did you mean --prune off?"},
		{[]string{"bake", "-t", "x"}, "unknown flag -t; did you mean --set '*.tags=...'?"},
		{[]string{"bake", "--output", "x"}, "unknown flag --output; did you mean --set '*.output=...'?"},
		{[]string{"bake", "--jobs", "4"}, "unknown flag --jobs; did you mean --workers?"},
		{[]string{"du", "--json"}, "unknown flag --json; did you mean --format json?"},
		{[]string{"du", "--jobs"}, "unknown flag --jobs\n"},
		{[]string{"build", "--frobnicate"}, "unknown flag --frobnicate\n"},
		{[]string{"build", "--=x"}, `"--=x" is no flag`},
		{[]string{"prune", "--dry"}, "unknown flag --dry; did you mean --dry-run?"},
	}
	for _, tt := range tests {
		code, out := runStoker(t.Context(), tt.args...)
		if see := `See "stoker ` + tt.args[0] + ` --help".`; code != ExitUsage || !strings.Contains(out, tt.says) || !strings.Contains(out, see) {
			t.Errorf("%q: exit code %d, output %q, want %q", tt.args, code, out, tt.says)
		}
	}
}
