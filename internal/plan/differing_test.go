package plan

import "testing"

// A hint names what differs between the rows that share a tag, as it can stand in one.
func TestDifferHint(t *testing.T) {
	type columns = map[string]any
	const begin = "make the tag differ for each image"
	for name, tt := range map[string]struct {
		rows []columns
		want string
	}{
		"of directories": {[]columns{{"Name": "t", "Dir": "m/a/t", "Path": "m/a/t/Dockerfile", "Index": 0}, {"Name": "t", "Dir": "m/b/t", "Path": "m/b/t/Dockerfile", "Index": 1}},
			", for example with {{slug .Dir}} or {{slug .Path}} or {{.Index}}"},
		"of images":     {[]columns{{"Name": "debian", "Tag": "11", "Index": 0}, {"Name": "debian", "Tag": "12", "Index": 1}}, ", for example with {{.Tag}} or {{.Index}}"},
		"of ids":        {[]columns{{"id": "a", "more": "1"}, {"id": "b", "more": "1"}}, ", for example with {{.id}}"},
		"numbers":       {[]columns{{"n": int64(1)}, {"n": int64(2)}}, ", for example with {{.n}}"},
		"alike as slug": {[]columns{{"id": "a/b", "x": "1"}, {"id": "a_b!", "x": "2"}}, ", for example with {{.x}}"},
		"missing":       {[]columns{{"id": "a", "x": "1"}, {"x": "2"}}, ", for example with {{.x}}"},
		"two of three":  {[]columns{{"id": "a", "x": "1"}, {"id": "a", "x": "2"}, {"id": "b", "x": "3"}}, ", for example with {{.x}}"},
		"nothing":       {[]columns{{"id": "a", "no word": "1", "l": []any{"1"}}, {"id": "a", "no word": "2", "l": []any{"2"}}}, ""},
	} {
		if got := differHint(tt.rows); got != begin+tt.want {
			t.Errorf("%s: %q, want %q", name, got, begin+tt.want)
		}
	}
	if got := sharedHint(outputFlag, []columns{{"Name": "t", "Index": 0}, {"Name": "t", "Index": 1}}); got != "give each job its own: -o is a template, for example -o 'type=oci,dest=images/{{.Index}}.tar'" {
		t.Errorf("%q", got)
	}
}
