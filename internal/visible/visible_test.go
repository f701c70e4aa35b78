package visible

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

func TestLine(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "django__django-11099", "django__django-11099"},
		{"wide and accented", "héllo 世界 ✓", "héllo 世界 ✓"},
		{"colours", "\x1b[1;31mred\x1b[0m", "red"},
		{"cursor and erase", "a\x1b[2J\x1b[10;5Hb", "ab"},
		{"title with BEL", "a\x1b]0;owned\x07b", "ab"},
		{"link with ST", "\x1b]8;;http://x\x1b\\text\x1b]8;;\x1b\\", "text"},
		{"device control", "a\x1bPq#0;1\x1b\\b", "ab"},
		{"short sequences", "a\x1b7b\x1b(Bc\x1bcd", "abcd"},
		{"C1 control sequence", "a\u009b31mb", "ab"},
		{"raw C1 byte", "a\x9b31mb", "a\uFFFD31mb"},
		{"unfinished title hides nothing", "\x1b]0;the error", "]0;the error"},
		{"sequence in a sequence", "\x1b\x1b[31m[2Jx", "[2Jx"},
		{"carriage return", "real\rforged", "real forged"},
		{"lines and tabs", "a\nb\tc\vd\u0085e\u2028f", "a b c d e f"},
		{"backspace, bell, null, delete", "a\bb\ac\x00d\x7f", "abcd"},
		{"direction overrides", "a\u202eb\u2066c\u200fd\u061ce", "abcde"},
		{"invisible", "a\u200bb\ufeffc\U000e0041d", "abcd"},
		{"a title with a tick", "a\x1b]0;\u2713 done\x07b", "a\uFFFD doneb"},
		{"outer space", "  a \n", "a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Line(test.in); got != test.want {
				t.Errorf("Line(%q) = %q, want %q", test.in, got, test.want)
			}
		})
	}
}

func TestLines(t *testing.T) {
	if got := Lines("a \x1b]0;x\r\n\tb\x07\x1b[1mc\n"); got != "a ]0;x \n bc\n" {
		t.Errorf("%q", got)
	}
}

func FuzzLine(f *testing.F) {
	for _, s := range []string{
		"plain", "\x1b[31mred\x1b[0m", "\x1b]0;t\x07", "\x1b\x1b[0m[2J", "a\u009b2Jb", "\x9b\xff", "\u202e\r\n\t",
		"\x1b[\x1b[31m31m", "\x1b]\x1b]0;\x07\x07", "\U000e0001", "\x1bP\x1b\\",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Line(s)
		if !utf8.ValidString(got) {
			t.Errorf("Line(%q) = %q is not UTF-8", s, got)
		}
		if strings.ContainsFunc(got, hidden) {
			t.Errorf("Line(%q) = %q has a hidden rune", s, got)
		}
		if again := Line(got); again != got {
			t.Errorf("Line(%q) = %q, and cleaned again %q", s, got, again)
		}
	})
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{"", "plain", "\u009b2J", "\u202e", "\U000e0041", "\x7f", "\x1b[2J"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "?")
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		escaped := JSON(string(text))
		if strings.ContainsFunc(escaped, hidden) {
			t.Errorf("%q has a hidden rune", escaped)
		}
		var back string
		if err := json.Unmarshal([]byte(escaped), &back); err != nil || back != s {
			t.Errorf("%q reads back as %q (%v)", s, back, err)
		}
	})
}

// A patch that can be copied is as it was; of another that is said.
func TestPatch(t *testing.T) {
	const plain = "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n-RUN\ta\n \tb \n+RUN\ta\n"
	if got := Patch(plain); got != plain {
		t.Errorf("%q", got)
	}
	for _, s := range []string{strings.ReplaceAll(plain, "\n", "\r\n"), plain + "+\x1b[31mred\n"} {
		if got := Patch(s); strings.ContainsAny(got, "\r\x1b") || !strings.Contains(got, "\tb \n") && !strings.Contains(got, "\tb  \n") || !strings.HasSuffix(got, "\n(This patch does not apply as it is shown, without carriage returns or others that cannot be seen: --format json has it whole.)\n") {
			t.Errorf("%q", got)
		}
	}
}

// A text that is cut ends with a whole word where one ends near, and never within a rune or
// in more columns than there are.
func TestCut(t *testing.T) {
	for in, want := range map[string]string{
		"RUN make all":                                          "RUN make all",
		"RUN make all tests":                                    "RUN make all tests",
		"RUN make those of others":                              "RUN make those …",
		"RUN make … examples-of-all":                            "RUN make … exampl…",
		"RUN echo some of … more":                               "RUN echo some of …",
		"RUN averyveryverylongword":                             "RUN averyveryvery…",
		"RUN echo 日本語日本語日本語":                                    "RUN echo 日本語日…",
		"RUN e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301": "RUN e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301",
		"RUN \x1b[31mred\x1b[0m and others":                     "RUN red and others",
		"\x1b[31mRUN red\x1b[0m and many others":                "RUN red and many …",
		"RUN one\ntwo":                                          "RUN one two",
	} {
		if got := Cut(in, 18); got != want || ansi.StringWidth(got) > 18 {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

func TestEscaped(t *testing.T) {
	for in, want := range map[string]string{
		"plain 世界 'q' \\ \"": "plain 世界 'q' \\ \"", "two\nlines": "two\nlines", "\x1b[31mred\r\t": `\x1b[31mred\r\t`, "a\u202eb\x9b": `a\u202eb` + "\uFFFD",
	} {
		if got := Escaped(in); got != want {
			t.Errorf("Escaped(%q) = %q, want %q", in, got, want)
		}
	}
}

// A line break within quotes belongs to a word, another one would end the command.
func TestCommand(t *testing.T) {
	for in, want := range map[string]string{
		"stoker build -f 'a\nb' .":          "stoker build -f 'a\nb' .",
		"stoker build\nrm -rf x":            "stoker build rm -rf x",
		"stoker 'it'\\''s\nso'\nrm \x1b[2J": "stoker 'it'\\''s\nso' rm ",
	} {
		if got := Command(in); got != want {
			t.Errorf("Command(%q) = %q, want %q", in, got, want)
		}
	}
}
