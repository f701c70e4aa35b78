package picture

import (
	"fmt"
	"strings"
)

// colours are what a terminal in one of the two schemes has.
type colours struct {
	window, text, line, title string
	named                     [16]string
}

// light and dark have the same names for colours that can be read on their windows.
var (
	light = colours{
		window: "#fbfbfa", text: "#24272b", line: "#d5d8dc", title: "#5c636b",
		named: [16]string{
			"#24272b", "#b3261e", "#1a7431", "#8a5a00", "#0b5cad", "#7b3fb5", "#0f6f78", "#5c636b",
			"#454b52", "#c4342b", "#1c7c36", "#8f6000", "#1266bb", "#8848c2", "#117a84", "#24272b",
		},
	}
	dark = colours{
		window: "#15181c", text: "#e4e7ea", line: "#343a41", title: "#a3abb4",
		named: [16]string{
			"#79828c", "#ff8078", "#5cc46f", "#e0b04a", "#6cb2f7", "#c79bf2", "#56c8d0", "#c9ced4",
			"#98a1ab", "#ff9a93", "#7dd48c", "#ecc46d", "#8cc4fa", "#d5b4f6", "#7ad6dc", "#ffffff",
		},
	}
)

// faint is the opacity of faint text.
const faint = 0.68

// theme is the style sheet: light, and dark where the reader's system is.
func theme() string {
	return fmt.Sprintf(`text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace}
.title{font:12px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;text-anchor:middle}
.b{font-weight:700}.f{opacity:%g}.i{font-style:italic}.u{text-decoration:underline}
.s1{opacity:.22}.s2{opacity:.5}.s3{opacity:.75}.s1,.s2,.s3,.s4{shape-rendering:crispEdges}
.button{fill:none}
%s@media(prefers-color-scheme:dark){
%s}
`, faint, light.rules(), dark.rules())
}

func (c colours) rules() string {
	var b strings.Builder
	fmt.Fprintf(&b, "text,rect,path{fill:%s}.window{fill:%s;stroke:%s}.line,.button{stroke:%[3]s}.title{fill:%s}\n", c.text, c.window, c.line, c.title)
	for i, colour := range c.named {
		fmt.Fprintf(&b, ".c%d{fill:%s}", i, colour)
	}
	b.WriteString("\n")
	return b.String()
}
