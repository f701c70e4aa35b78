package examine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/plan"
)

// Images that are for another platform than is needed are told together, by both.
func TestForeign(t *testing.T) {
	const amd, arm = "linux/amd64", "linux/arm64"
	others := foreign{}
	for i := range 500 {
		others.note(platformPair{amd, arm}, plan.Image{Ref: fmt.Sprintf("r.example/base:%d", i)}, nil)
	}
	others.note(platformPair{arm, amd}, plan.Image{Ref: "r.example/one:1"}, nil)
	others.note(platformPair{arm, arm}, plan.Image{Ref: "r.example/fit:1"}, nil)
	others.note(platformPair{"", arm}, plan.Image{Ref: "r.example/untold:1"}, nil)
	var got []string
	for _, f := range others.findings() {
		got = append(got, f.Text)
	}
	want := "500 images are for linux/amd64, where ones for linux/arm64 are needed: r.example/base:0, r.example/base:1, r.example/base:2 and 497 more\n" +
		"r.example/one:1 is an image for linux/arm64, where one for linux/amd64 is needed"
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}
