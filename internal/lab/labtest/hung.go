package labtest

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/plural"
)

// hangs is when a test with real parts is taken to hang: the slowest takes three minutes on a busy
// machine, and one whose subtests run side by side as long as all that run beside them.
const hangs = 10 * time.Minute

// mustEnd ends all tests of the package when this one hangs. It says where, in few lines, with the
// test itself as the last: go test's own limit comes later, and ends in thousands of lines.
func mustEnd(t testing.TB) {
	timer := time.AfterFunc(hangs, func() {
		dump := make([]byte, 64<<20)
		dump = dump[:runtime.Stack(dump, true)]
		fmt.Fprintf(os.Stderr, "%s\n--- FAIL: %s hangs: it has not ended in %v\n",
			strings.Join(standing(string(dump), t.Name()), "\n"), t.Name(), hangs)
		os.Exit(1)
	})
	t.Cleanup(func() { timer.Stop() })
}

// standing tells from a dump of all goroutines where those stand that are in this project's code: a
// line for all that stand alike, from the innermost call outwards, and those of the test last.
func standing(dump, test string) []string {
	test, _, _ = strings.Cut(test, "/")
	count := make(map[string]int)
	for block := range strings.SplitSeq(dump, "\n\n") {
		if line := stands(block); line != "" {
			count[line]++
		}
	}
	var others, own []string
	for line, n := range count {
		text := plural.Of(n, "goroutine") + " " + line
		if strings.Contains(line+" ", "."+test+" ") || strings.Contains(line, "."+test+".func") {
			own = append(own, text)
		} else {
			others = append(others, text)
		}
	}
	slices.Sort(others)
	slices.Sort(own)
	return append(others, own...)
}

// stands is where one goroutine of a dump stands, or empty where that is not in this project's code.
func stands(block string) string {
	const project = "github.com/stoker-build/stoker/"
	head, frames, _ := strings.Cut(block, "\n")
	_, state, _ := strings.Cut(strings.TrimSuffix(head, "]:"), "[")
	var calls []string
	for line := range strings.SplitSeq(frames, "\n") {
		call, made := strings.CutPrefix(line, "created by ")
		if made {
			call, _, _ = strings.Cut(call, " in goroutine")
		} else if end := strings.LastIndex(call, "("); end > 0 {
			call = call[:end]
		}
		if inside, is := strings.CutPrefix(call, project); is {
			calls = append(calls, strings.TrimPrefix(inside, "internal/"))
		}
	}
	if len(calls) == 0 {
		return ""
	}
	return fmt.Sprintf("[%s] %s", state, strings.Join(calls, " < "))
}
