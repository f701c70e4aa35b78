package call

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Request{
		"build": {}, "": {}, "check": {Name: Lint}, "lint": {Name: Lint}, "outline": {Name: "outline"}, "targets,format=text": {Name: "targets"},
		"check,format=json,ignorestatus=true": {Name: Lint, JSON: true, IgnoreStatus: true},
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("%q is %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"all": `"all" is neither`, "check,format=xml": "format=xml is neither", "format=json": "names no question", "check,other=1": "with format=json or", "check,ignorestatus=maybe": "true or false",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

const (
	warned = `{"warnings":[{"ruleName":"R","detail":"of R","location":{"ranges":[{"start":{"line":1},"end":{"line":1}}]}}],"sources":[{"filename":"Dockerfile","data":"RlJPTSBhCg=="}]}`
	broken = `{"warnings":[],"sources":[{"filename":"Dockerfile","data":"RlJPTSBhCg=="}],"buildError":{"message":"no such stage","location":{"ranges":[{"start":{"line":1},"end":{"line":1}}]}}}`
	clean  = `{"warnings":[]}`
)

// What counts as a failure, to people and to programs.
func TestAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		asked        Asked
		ignore, fail bool
		text, json   string
	}{
		"warnings":   {Asked{Question: Lint, Answer: Answer{"result.json": []byte(warned)}}, false, true, "dir/D:1", `"ruleName":"R"`},
		"ignored":    {Asked{Question: Lint, Answer: Answer{"result.json": []byte(warned)}}, true, false, "1 warning found", `"ruleName":"R"`},
		"an error":   {Asked{Question: Lint, Answer: Answer{"result.json": []byte(broken)}}, true, true, "ERROR: no such stage", `"error":"no such stage`},
		"clean":      {Asked{Question: Lint, Answer: Answer{"result.json": []byte(clean)}}, false, false, "no warnings", `"check":{"warnings":[]}`},
		"no answer":  {Asked{Question: "outline", Err: errors.New("it is gone")}, true, true, "app\n\nerror: it is gone\n", `"outline":{"error":"it is gone"}`},
		"of a newer": {Asked{Question: "outline", Description: "what it is", Answer: Answer{"version": []byte("9.0.0"), "result.txt": []byte("new words\n"), "result.json": []byte("{}")}}, false, false, "app\nwhat it is\n\nnew words\n", `"outline":{}`},
	} {
		tt.asked.Name, tt.asked.File = "app", "dir/D"
		text, failed := Text([]Asked{tt.asked}, tt.ignore)
		if failed != tt.fail || !strings.Contains(text, tt.text) {
			t.Errorf("%s: failed: %t, want %q\n%s", name, failed, tt.text, text)
		}
		var d Document
		failed = d.Add([]Asked{tt.asked}, tt.ignore)
		if data, err := json.Marshal(d); failed != tt.fail || err != nil || !strings.Contains(string(data), tt.json) {
			t.Errorf("%s: failed: %t, %v, want %s\n%s", name, failed, err, tt.json, data)
		}
	}
}
