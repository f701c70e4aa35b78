package plan

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/rows"
)

// A short template makes no long text, whatever it has in between; a long row can be
// worked on.
func TestWhatTemplatesMakeIsBounded(t *testing.T) {
	chain := func(call string) string { return "{{.long" + strings.Repeat(" | "+call, 60) + " | trunc 10}}" }
	columns := map[string]any{"long": strings.Repeat(`\"word `, 10_000), "row": strings.Repeat("a\n", rows.MaxRow/16), "list": []any{"a", "b"}, "s": strings.Repeat("a", 1000)}
	for _, tt := range []struct{ text, want, says string }{
		{`{{.row | replace "\n" " " | trunc 3}}`, "a a", ""},
		{`{{.row | upper | trunc 1}}{{splitList "\n" .s | first | trunc 1}}`, "Aa", ""},
		{`{{regexReplaceAll "(a)(a)" .s "$2-$1" | trunc 6}}`, "a-aa-a", ""},
		{`{{join ", " .list}} {{print "a" 1}} {{printf "%-5s|%05.1f|%q" "a" 2.25 "b"}} {{html "<"}} {{js "'"}} {{urlquery "&"}}`, `a, b a1 a    |002.2|"b" &lt; \' %26`, ""},
		{chain(`replace "" "xxxxxxxxxxxxxxxx"`), "", "replace makes too long a text"},
		{`{{$x := "aaaaaaaaaaaaaaaa"}}` + strings.Repeat(`{{$x = replace "a" $x $x}}`, 6) + "{{trunc 9 $x}}", "", "replace makes too long a text"},
		{`{{$x := regexReplaceAll "." .s .s}}{{$x = regexReplaceAll "." $x $x}}`, "", "regexReplaceAll makes too long a text"},
		{`{{regexReplaceAll "(.*)" .row "` + strings.Repeat("$1", 20) + `"}}`, "", "regexReplaceAll makes too long a text"},
		{`{{regexReplaceAllLiteral "" .row .s}}`, "", "regexReplaceAllLiteral makes too long a text"},
		{`{{splitList "" .row | join .s}}`, "", "splitList makes too long a text"},
		{`{{splitList "" .long | join .long | trunc 1}}`, "", "join makes too long a text"},
		{`{{printf "` + strings.Repeat("%999999d", 100) + `" 1 | trunc 1}}`, "", "printf makes too long a text"},
		{`{{printf "` + strings.Repeat("%[1]s", 1000) + `" .long | trunc 1}}`, "", "printf makes too long a text"},
		{chain(`printf "%q"`), "", "printf makes too long a text"},
		{chain("js"), "", "js makes too long a text"},
		{chain("print .long .long .long .long"), "", "print makes too long a text"},
		{strings.Repeat(`{{printf "%s" .row | trunc 1}}`, 60), "", "printf makes too long a text"},
	} {
		tmpl, err := parseTemplate("-t", tt.text)
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 2 { // what one run made is no matter of the next
			got, err := tmpl.expand(columns)
			if tt.says == "" && (err != nil || got != tt.want) || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("%.80s is %.80q, %.200v", tt.text, got, err)
			}
		}
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 8*mostMade {
			t.Errorf("%.80s took %d MiB", tt.text, took>>20)
		}
	}
}
