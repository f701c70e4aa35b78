package advice

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
)

// sha has a plan given a commit, and a date.
func sha(value string) func(*plan.Spec) {
	return func(s *plan.Spec) { s.BuildArgs["GIT_SHA"], s.BuildArgs["BUILD_DATE"] = value, value }
}

// What hangs on each other is moved together, and costs what is then spared.
func TestMisplacedTogether(t *testing.T) {
	varied := func(names ...string) func(ledger.LearnedSteps) {
		return func(l ledger.LearnedSteps) {
			for text, was := range l {
				was.Varied = names
				l[text] = was
			}
		}
	}
	for name, tt := range map[string]struct {
		dockerfile string // below the head, from line 4 on
		bases      int
		earlier    func(ledger.LearnedSteps)
		want       string // what is told, up to what it costs in bytes
		text       string // a part of the text
	}{
		"one made of another": {"ARG GIT_SHA\nENV APP_V=$GIT_SHA\nRUN make\nRUN echo $APP_V\n", 3, nil,
			"4 in 3 jobs, costs about 30.0s; move ARG (line 4) and ENV (line 5) below line 6",
			"GIT_SHA changes from run to run, and the steps below it that name neither it nor what is made of it (APP_V) are run anew each time: line 6"},
		"which is known to change, too": {"ARG GIT_SHA\nENV APP_V=$GIT_SHA\nRUN make\nRUN echo $APP_V\n", 3, varied("APP_V", "GIT_SHA"),
			"4 in 3 jobs, costs about 30.0s; move ARG (line 4) and ENV (line 5) below line 6", ""},
		"in a row": {"ARG GIT_SHA\nENV A=$GIT_SHA\nRUN make\nENV B=${A}-x C=1\nRUN more\nENV D=$C\nRUN last\nRUN use $D\n", 1, nil,
			"4 in 1 jobs, costs about 30.0s; move ARG (line 4), ENV (line 5), ENV (line 7) and ENV (line 9) below line 10", "lines 6, 8, 10"},
		"of which the last need not be moved": {"ARG GIT_SHA\nRUN make\nENV A=$GIT_SHA\nRUN use $A\n", 1, nil,
			"4 in 1 jobs, costs about 10.0s; move ARG (line 4) below line 5", ""},
		"that a step uses at once":              {"ARG GIT_SHA\nENV A=$GIT_SHA\nENV B=$A\nRUN use $B\nRUN make\n", 1, nil, "", ""},
		"with what programs read unasked":       {"ARG GIT_SHA\nENV PATH=/opt/$GIT_SHA:$PATH\nRUN make\n", 1, nil, "", ""},
		"that is set anew to what stays":        {"ARG GIT_SHA\nENV GIT_SHA=$GIT_SHA\nRUN one\nENV GIT_SHA=fixed\nRUN two\n", 3, nil, "4 in 3 jobs, costs about 1m0s; move ARG (line 4) and ENV (line 5) below line 6", "GIT_SHA changes from run to run"},
		"two values in one job are no change":   {"ARG V=1\nENV V=$V\nRUN one\nENV V=fixed\nRUN two\n", 3, nil, "", ""},
		"with what is set anew on the way":      {"ENV C=1\nARG GIT_SHA\nENV A=$GIT_SHA$C\nRUN one\nENV C=2\nRUN two\n", 1, nil, "5 in 1 jobs, costs about 10.0s; move ARG (line 5) and ENV (line 6) below line 7", ""},
		"of which an earlier value shows":       {"ENV A=1\nARG GIT_SHA\nENV A=$GIT_SHA\nRUN make\n", 1, nil, "", ""},
		"that a command takes with all others":  {"ARG GIT_SHA\nRUN env | sort > /e\nRUN make\n", 1, nil, "", ""},
		"two of which neither is enough":        {"ARG GIT_SHA\nARG BUILD_DATE\nRUN make\n", 2, nil, "4 in 2 jobs, costs about 20.0s; move ARG (line 4) and ARG (line 5) below line 6", "GIT_SHA and BUILD_DATE change from run to run, and the steps below them that do not name them"},
		"one that is needed above the other":    {"ARG GIT_SHA\nRUN one\nARG BUILD_DATE\nRUN use $BUILD_DATE\nRUN two\n", 1, nil, "4 in 1 jobs, costs about 10.0s; move ARG (line 4) below line 8", "line 5"},
		"one above a step that another changes": {"ARG GIT_SHA\nRUN use $GIT_SHA\nARG BUILD_DATE\nRUN two\n", 1, nil, "", ""},
		"with the user of the steps":            {"ARG BUILD_DATE\nUSER u$BUILD_DATE\nARG GIT_SHA\nRUN make\n", 1, nil, "", ""},
		"with a label":                          {"ARG GIT_SHA\nLABEL rev=$GIT_SHA\nLABEL by=me\nRUN make\n", 1, nil, "4 in 1 jobs, costs about 10.0s; move ARG (line 4) and LABEL (line 5) below line 7", "do not name it"},
		"two in one instruction": {"ARG GIT_SHA \\\n  BUILD_DATE=none\nENV GIT_SHA=$GIT_SHA STAMP=\"$GIT_SHA-$BUILD_DATE\"\nLABEL sha=$GIT_SHA\nRUN one\nRUN two\nRUN three\nRUN four\nRUN echo \"$STAMP\"\n", 1, nil,
			"4 in 1 jobs, costs about 40.0s; move ARG (line 4), ENV (line 6) and LABEL (line 7) below line 11",
			"GIT_SHA and BUILD_DATE change from run to run, and the steps below them that name neither them nor what is made of them (STAMP) are run anew each time: lines 8, 9, 10, 11"},
		"beside one that stays": {"ARG GIT_SHA BY=me\nENV A=$GIT_SHA-$BY B=$BY\nRUN make\nRUN echo $A\n", 1, nil,
			"4 in 1 jobs, costs about 10.0s; move ARG (line 4) and ENV (line 5) below line 6", "nor what is made of it (A) are run"},
		"with a label that is set anew": {"ARG GIT_SHA\nLABEL rev=$GIT_SHA\nLABEL rev=2\nRUN make\n", 1, nil, "", ""},
		"from a stage":                  {"ARG GIT_SHA\nRUN use $GIT_SHA\nFROM scratch AS two\nCOPY --link --from=0 /a.txt /\n", 1, nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := given(t, head+tt.dockerfile, tt.bases, sha("1234567"))
			if tt.earlier != nil {
				tt.earlier(g.Learned)
			}
			var got []string
			for _, a := range Of(g) {
				if a.Rule == MisplacedVariable {
					got = append(got, fmt.Sprintf("%d in %d jobs, costs about %s; %s", a.Line, len(a.Jobs), seconds(*a.Seconds), a.Remedy))
					if !strings.Contains(a.Text, tt.text) {
						t.Errorf("it says %q", a.Text)
					}
				}
			}
			if strings.Join(got, "\n") != tt.want {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), tt.want)
			}
		})
	}
}

var variables = []string{"GIT_SHA", "BUILD_DATE", "A", "B", "C"}

// drawn is a stage of assignments and steps at random. Each RUN is another, and one at the end
// reads all variables.
func drawn(t *rapid.T) string {
	name := rapid.SampledFrom(variables)
	value := rapid.OneOf(rapid.Map(name, func(n string) string { return "$" + n }), rapid.Map(name, func(n string) string { return "x${" + n + ":-none}" }),
		rapid.Map(rapid.SliceOfN(name, 2, 2), func(n []string) string { return "$" + strings.Join(n, "$") }), rapid.Just("fixed"), rapid.Just("other"))
	lines := []string{"FROM r.example/base:1", "ARG GIT_SHA"}
	for i := range rapid.IntRange(3, 10).Draw(t, "lines") {
		switch rapid.IntRange(0, 7).Draw(t, "what") {
		case 0:
			lines = append(lines, "ARG "+name.Draw(t, "arg"))
		case 1:
			lines = append(lines, fmt.Sprintf("ARG %s=%s", name.Draw(t, "arg"), value.Draw(t, "default")))
		case 2:
			lines = append(lines, fmt.Sprintf("ENV %s=%s", name.Draw(t, "env"), value.Draw(t, "value")))
		case 3:
			lines = append(lines, fmt.Sprintf("ENV %s=%s %s=%s", name.Draw(t, "env"), value.Draw(t, "value"), name.Draw(t, "another"), value.Draw(t, "its value")))
		case 4:
			lines = append(lines, fmt.Sprintf("RUN step%d $%s", i, name.Draw(t, "read")))
		default:
			lines = append(lines, fmt.Sprintf("RUN step%d", i))
		}
	}
	return strings.Join(lines, "\n") + "\nRUN end $GIT_SHA $BUILD_DATE $A $B $C\n"
}

// A patch gives each step the variables that it reads as they were, and what it is said to
// spare is the same step with other values then, which it was not before.
func TestMoveIsSafe(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()) // in which no others look for what they have left
	advised, made := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		dockerfile := drawn(r)
		one := func(s *plan.Spec) { s.BaseArg = ""; sha("1")(s) }
		two := func(s *plan.Spec) { s.BaseArg = ""; sha("2")(s) }
		before := given(t, dockerfile, 1, one)
		f := filesOf(before)[0]
		moves := newFlux(f).moves(f.stages[0])
		if len(moves) == 0 {
			return
		}
		was, then := byLines(before), byLines(given(t, dockerfile, 1, two))
		for _, m := range moves {
			advised++
			if len(m.made()) > 0 {
				made++
			}
			patched := strings.Join(f.moved(m.some, m.below), "")
			is, again := byLines(given(t, patched, 1, one)), byLines(given(t, patched, 1, two))
			for run, s := range was {
				for _, name := range variables {
					if naming(run, name) && is[run].Env[name] != s.Env[name] {
						r.Fatalf("%q reads another %s\n%s\npatched\n%s", run, name, dockerfile, patched)
					}
				}
			}
			for _, s := range m.spared {
				run := f.lines[s.Line-1]
				if is[run].ID != again[run].ID {
					r.Fatalf("%q still changes\n%s\npatched\n%s", run, dockerfile, patched)
				}
				if was[run].ID == then[run].ID {
					r.Fatalf("%q did not change\n%s\npatched\n%s", run, dockerfile, patched)
				}
			}
		}
	})
	if advised < 10 || made < 3 {
		t.Errorf("only %d patches, and %d of variables that are made of others", advised, made)
	}
}

// byLines are a plan's steps by the lines of its Dockerfile, each of which stands there once.
func byLines(g Given) map[string]*ledger.Step {
	f, steps := filesOf(g)[0], map[string]*ledger.Step{}
	for _, s := range f.steps {
		steps[f.lines[s.Line-1]] = s
	}
	return steps
}

// Where one instruction sets several variables that change, all are named: it is moved for each.
func TestMisplacedInOneInstruction(t *testing.T) {
	all := Of(given(t, head+"ARG GIT_SHA\nARG TASK\nENV TASK=$TASK VERSION=$GIT_SHA\nRUN make\n", 2, func(s *plan.Spec) {
		s.BuildArgs["GIT_SHA"], s.BuildArgs["TASK"] = "1", "{{.Name}}"
	}))
	if len(all) == 0 || !strings.HasPrefix(all[0].Text, "GIT_SHA and TASK change from") {
		t.Errorf("%s", told(all))
		for _, a := range all {
			t.Log(a.Text)
		}
	}
}

// The patch of several instructions is one that git takes. A comment goes with what it is above.
func TestPatchApplies(t *testing.T) {
	dockerfile := head + "ARG GIT_SHA\n# the version\nENV A=$GIT_SHA\nRUN <<EOF\nmake\nEOF\nENV B=$A\nRUN more \\\n # why\n and more\nRUN use $B"
	all := Of(given(t, dockerfile, 1, sha("1")))
	if len(all) != 1 {
		t.Fatal(told(all))
	}
	name := strings.TrimPrefix(strings.Fields(all[0].Patch)[1], "a/")
	dir := t.TempDir()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(dockerfile), 0o644); err != nil {
		t.Fatal(err)
	}
	apply := exec.CommandContext(t.Context(), "git", "apply", "-")
	apply.Dir, apply.Stdin = dir, strings.NewReader(all[0].Patch)
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s\n%s", err, out, all[0].Patch)
	}
	patched, err := os.ReadFile(file)
	want := head + "RUN <<EOF\nmake\nEOF\nRUN more \\\n # why\n and more\nARG GIT_SHA\n# the version\nENV A=$GIT_SHA\nENV B=$A\nRUN use $B"
	if err != nil || string(patched) != want {
		t.Errorf("%v\n%s", err, patched)
	}
}
