package annotate

import (
	"bufio"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

func TestGuard(t *testing.T) {
	for in, want := range map[string]string{
		"::error::x\n":                       ": :error::x\n",
		" \t\u00a0::stop-commands::t\r::x::": " \t\u00a0: :stop-commands::t\r: :x::",
		"a ::error::x":                       "a ::error::x",
		"a ##[add-mask]b":                    "a ## [add-mask]b",
		"###[group]":                         "### [group]",
		": ::a b:c":                          ": ::a b:c",
		"one\n\n::\n#[":                      "one\n\n: :\n#[",
		"| ::warning::b\n::\n":               "| ::warning::b\n: :\n",
	} {
		var b strings.Builder
		if n, err := fmt.Fprint(Guard(&b), in); err != nil || n != len(in) || b.String() != want {
			t.Errorf("%q is %q (%d, %v), want %q", in, b.String(), n, err, want)
		}
	}
}

// takenForCommand is how GitHub's runner looks at a line (Runner.Common, ActionCommand.cs).
func takenForCommand(line string) bool {
	return strings.HasPrefix(strings.TrimLeftFunc(line, unicode.IsSpace), "::") || strings.Contains(line, "##[")
}

// However it is cut into writes, no line is a command, and nothing but blanks was added.
func TestGuardedIsNoCommand(t *testing.T) {
	pieces := rapid.SliceOfN(rapid.SampledFrom([]string{":", "::", "#", "##[", "[", " ", "\t", "\u3000", "\n", "\r", "x", "é", "error"}), 0, 12)
	rapid.Check(t, func(rt *rapid.T) {
		var b strings.Builder
		w := Guard(&b)
		in := ""
		for _, piece := range pieces.Draw(rt, "pieces") {
			in += piece
			for _, part := range []string{piece[:len(piece)/2], piece[len(piece)/2:]} {
				if _, err := w.Write([]byte(part)); err != nil {
					rt.Fatal(err)
				}
			}
		}
		lines := bufio.NewScanner(strings.NewReader(strings.ReplaceAll(b.String(), "\r", "\n")))
		for lines.Scan() {
			if takenForCommand(lines.Text()) {
				rt.Fatalf("%q has the command %q", b.String(), lines.Text())
			}
		}
		if bare := strings.NewReplacer(" ", ""); bare.Replace(b.String()) != bare.Replace(in) {
			rt.Fatalf("%q became %q", in, b.String())
		}
	})
}

// Commands of Stoker's own pass by, and what follows is guarded as before.
func TestPrint(t *testing.T) {
	var b strings.Builder
	w := Guard(&b)
	fmt.Fprintln(w, "::a::")
	if err := Print(w, "::error::b"); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(w, "::c::")
	if want := ": :a::\n::error::b\n: :c::\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}
