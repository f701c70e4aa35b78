package visible

import "testing"

func TestMarkdown(t *testing.T) {
	for in, want := range map[string]string{
		"a_b.c/d:1":                       `a\_b.c/d:1`,
		"| a | \\| b":                     `\| a \| \\\| b`,
		"<img src=x> & [l](u) *b* ~~c~~":  `&lt;img src=x&gt; &amp; \[l\](u) \*b\* \~\~c\~\~`,
		"`x` @you #7":                     "\\`x\\` &#64;you \\#7",
		"one\n  two\x1b[31m\r\n\nthree\n": "one<br>two<br><br>three",
		"":                                "",
	} {
		if got := Markdown(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}
