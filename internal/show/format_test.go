package show

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
)

func TestDurations(t *testing.T) {
	tests := []struct {
		d                   time.Duration
		clock, short, whole string
	}{
		{-time.Second, "0:00:00", "0.0s", "0s"},
		{0, "0:00:00", "0.0s", "0s"},
		{990 * time.Millisecond, "0:00:00", "1.0s", "0s"},
		{940 * time.Millisecond, "0:00:00", "0.9s", "0s"},
		{9990 * time.Millisecond, "0:00:09", "10s", "9s"},
		{12971 * time.Millisecond, "0:00:12", "13s", "12s"},
		{59*time.Second + 999*time.Millisecond, "0:00:59", "1m00s", "59s"},
		{time.Minute, "0:01:00", "1m00s", "1m00s"},
		{time.Hour - time.Second, "0:59:59", "59m59s", "59m59s"},
		{time.Hour + 119*time.Second, "1:01:59", "1h02m", "1h01m"},
		{25*time.Hour + 61*time.Second, "25:01:01", "25h01m", "25h01m"},
	}
	for _, test := range tests {
		if got := []string{clock(test.d), short(test.d), whole(test.d)}; !slices.Equal(got, []string{test.clock, test.short, test.whole}) {
			t.Errorf("%v: clock, short, whole = %q", test.d, got)
		}
	}
}

func TestReason(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", "no reason given"},
		{" \x1b[0m\n", "no reason given"},
		{"failed to solve: exit code: 1", "exit code: 1"},
		{"ERROR: failed to build: failed to solve: x", "x"},
		{"a\n\n  b\tc", "a b c"},
	}
	for _, test := range tests {
		if got := reason(test.in); got != test.want {
			t.Errorf("reason(%q) = %q, want %q", test.in, got, test.want)
		}
	}
	long := reason(strings.Repeat("long ", 1000) + "exit code: 137")
	if w := ansi.StringWidth(long); w > 500 || !strings.HasSuffix(long, "exit code: 137") {
		t.Errorf("a long reason is %d wide and ends with %q", w, long[len(long)-20:])
	}
}

func TestShorten(t *testing.T) {
	tests := []struct {
		in    string
		width int
		want  string
	}{
		{"django__django-11099", 20, "django__django-11099"},
		{"django__django-11099", 11, "djang…11099"},
		{"django__django-11099", 2, "d…"},
		{"django__django-11099", 1, "…"},
		{"django__django-11099", 0, ""},
		{"世界世界世界", 7, "世…世界"},
	}
	for _, test := range tests {
		got := shorten(test.in, test.width)
		if ansi.StringWidth(got) > test.width {
			t.Errorf("shorten(%q, %d) = %q is too wide", test.in, test.width, got)
		}
		if got != test.want {
			t.Errorf("shorten(%q, %d) = %q, want %q", test.in, test.width, got, test.want)
		}
	}
}

func TestSmallFormats(t *testing.T) {
	tests := []struct{ got, want string }{
		{perHour(4.25), "4.2 images/h"},
		{perHour(412.6), "413 images/h"},
		{shortDigest("sha256:0123456789abcdef"), "sha256:0123456789ab"},
		{shortDigest("sha256:01"), "sha256:01"},
		{shortDigest(""), ""},
		{effort(1, 12), "12s"},
		{effort(3, 12), "12s, 3 attempts"},
		{strings.Join(flow([]string{"aa", "bb", "cccc"}, ", ", 6), "|"), "aa, bb|cccc"},
		{strings.Join(flow([]string{"too wide", "b"}, ", ", 4), "|"), "too…|b"},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}

func TestPaletteColoursOnlyWhenAsked(t *testing.T) {
	if got := (palette{false}).bad("x"); got != "x" {
		t.Errorf("without colour: %q", got)
	}
	if got := (palette{true}).bad("x"); got == "x" || ansi.Strip(got) != "x" {
		t.Errorf("with colour: %q", got)
	}
}

func TestStepText(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("0123456789abcdef", 4)
	for step, want := range map[string]string{
		"[1/4] FROM docker.io/library/python:3.13" + digest:              "[1/4] FROM docker.io/library/python:3.13",
		"[1/4] FROM ghcr.io/example/tool" + digest:                       "[1/4] FROM ghcr.io/example/tool" + digest,
		"[2/4] RUN pull registry:1" + digest + " /":                      "[2/4] RUN pull registry:1" + digest + " /",
		"[internal] load build definition from Dockerfile":               "load build definition from Dockerfile",
		"[linux/arm64 internal] load metadata for docker.io/library/a:1": "[linux/arm64 internal] load metadata for docker.io/library/a:1",
		"exporting to \x1b[31mimage":                                     "exporting to image",
	} {
		if got := stepText(step); got != want {
			t.Errorf("%q: %q, want %q", step, got, want)
		}
	}
}
