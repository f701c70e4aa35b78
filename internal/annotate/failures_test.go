package annotate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/ledger"
)

func groupIn(file string) ledger.FailureGroup {
	return ledger.FailureGroup{Jobs: 2, Examples: []string{"a", "b"}, Failure: ledger.Failure{
		Class: "step_failed", Step: "RUN make a:b, 100%", File: file, Line: 5, ExitCode: 2, Message: "make: *** [all] Error 1",
		Output: []string{"cc -o x x.c", "\x1b[31m::stop-commands::x", "##[add-mask]y"},
	}}
}

func TestFailures(t *testing.T) {
	const title, rest = "title=2 images failed%3A RUN make a%3Ab%2C 100%25::",
		":5: RUN make a:b, 100%25: exit code: 2: make: *** [all] Error 1%0Aa, b%0A| cc -o x x.c%0A| ::stop-commands::x%0A| ##[add-mask]y"
	for file, want := range map[string]string{
		"agent\x1b[31m/Dockerfile":  "::error file=sub/agent/Dockerfile,line=5," + title + "agent/Dockerfile" + rest,
		"agent/Dockerfile":          "::error file=sub/agent/Dockerfile,line=5," + title + "agent/Dockerfile" + rest,
		"/repo/agent/Dockerfile":    "::error file=agent/Dockerfile,line=5," + title + "/repo/agent/Dockerfile" + rest,
		"/elsewhere/Dockerfile":     "::error " + title + "/elsewhere/Dockerfile" + rest,
		"dockerfile-inline":         "::error " + title + "dockerfile-inline" + rest,
		"lib: dockerfile-inline":    "::error " + title + "lib: dockerfile-inline" + rest,
		"../../Dockerfile":          "::error " + title + "../../Dockerfile" + rest,
		"../with, comma/Dockerfile": "::error file=with%2C comma/Dockerfile,line=5," + title + "../with, comma/Dockerfile" + rest,
	} {
		if got := Commands(Failures([]ledger.FailureGroup{groupIn(file)}), "/repo", "/repo/sub"); len(got) != 1 || got[0] != want {
			t.Errorf("%s:\n%q, want\n%q", file, got, want)
		}
	}
}

// What GitHub would not show is not written, however much fails and however long it is.
func TestCommandsAreBounded(t *testing.T) {
	long := groupIn("Dockerfile")
	long.Failure.Message, long.Failure.Output = strings.Repeat("é", 1<<16), []string{strings.Repeat("%", 1<<16)}
	var many []ledger.FailureGroup
	for range 50 {
		many = append(many, long)
	}
	got := Commands(append(Failures(many), Unfinished(7, "The disk is full."), Unfinished(1, "")), "/repo", "/repo")
	if len(got) != Most+2 || got[Most] != "::warning title=7 images unfinished::The disk is full." || !strings.HasPrefix(got[Most+1], "::warning title=1 image unfinished::The run goes on") {
		t.Errorf("%d commands, the last %q", len(got), got[Most:])
	}
	for _, command := range got {
		_, text, _ := strings.Cut(strings.TrimPrefix(command, "::"), "::")
		if n := len([]rune(strings.NewReplacer("%25", "%", "%0A", "\n").Replace(text))); n > 4096 {
			t.Errorf("%d characters: %s", n, fmt.Sprintf("%.80s", text))
		}
	}
}
