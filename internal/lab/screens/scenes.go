package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/stoker-build/stoker/internal/lab/browser"
	"github.com/stoker-build/stoker/internal/lab/picture"
)

// scene is commands that run on the same parts, one after the other.
type scene struct {
	name  string
	work  work
	takes []take
	pages []pages
}

// take is one command on a terminal of its own, and the shots that are made of that.
type take struct {
	line          string
	columns, rows int
	shots         []shot
}

// shot is one picture of what was on a terminal.
type shot struct {
	name string // of the file, without its extension
	draw func(*terminal) []byte
}

// The commands that the pictures show.
const (
	build = `stoker build --images bases.txt -t 'localhost:5000/agent/{{.Name}}:1' --push .`
	plan  = `stoker plan --images bases.txt -t 'localhost:5000/agent/{{.Name}}:1' --push .`
	du    = `stoker du --images bases.txt`
	watch = build + ` --listen ` + liveAddress
)

var scenes = []scene{
	{"live", agents(60), []take{{build, 100, 17, []shot{film("live", "stoker build: 60 images on a disk of 1.5 GB")}}}, nil},
	{"run-40", agents(30), []take{running(40, 24)}, nil},
	{"run-80", agents(30), []take{running(80, 24)}, nil},
	{"run-160", agents(30), []take{running(160, 24)}, nil},
	{"failing", broken(300), []take{{build, 80, 24, []shot{end("failing-80", "stoker build: a step that fails in all of 300 images")}}}, nil},
	{"cache", agents(12), []take{
		{plan, 100, 60, []shot{end("plan-100", "stoker plan: what building 12 images would do")}},
		{build, 100, 24, nil},
		{du, 100, 100, []shot{end("du-100", "stoker du: the cache after 12 images")}},
	}, nil},
	{"pages", fragile(40), nil, []pages{{
		line: watch,
		live: slices.Concat(both("page-live", desktop, 1900), both("page-live-phone", browser.Phone, 1700)),
		left: slices.Concat(both("report", desktop, 2300), both("report-phone", browser.Phone, 1700)),
	}}},
}

// both are looks at a page in light and in dark.
func both(name string, width, height int) []look {
	return []look{{name, width, height, false}, {name + "-dark", width, height, true}}
}

// desktop is how wide a window on a desk is.
const desktop = 1280

func names() []string {
	var all []string
	for _, s := range scenes {
		all = append(all, s.name)
	}
	return all
}

// running is the command on a terminal of a size: midway, and at its end.
func running(columns, rows int) take {
	return take{build, columns, rows, []shot{
		middle(fmt.Sprintf("run-%d", columns), "stoker build, midway"),
		end(fmt.Sprintf("end-%d", columns), "stoker build, at its end"),
	}}
}

// end is what was on the terminal when the command had ended.
func end(name, title string) shot {
	return shot{name, func(t *terminal) []byte { return still(t, t.last(), title) }}
}

// middle is the fullest screen while about half of the images were built.
func middle(name, title string) shot {
	return shot{name, func(t *terminal) []byte {
		best, letters := t.last(), 0
		for _, f := range t.frames {
			done := percent(f.Screen)
			if n := len(f.Screen.Text()); done >= 40 && done <= 70 && n > letters {
				best, letters = f.Screen, n
			}
		}
		return still(t, best, title)
	}}
}

func still(t *terminal, s picture.Screen, title string) []byte {
	return picture.Still(s, t.columns, picture.Caption{Title: title, Description: s.Text()})
}

// film is all that was on the terminal, in less time than it took.
func film(name, title string) shot {
	cut := picture.Cut{Length: 12 * time.Second, Rate: 8, Hold: 4 * time.Second, Poster: 0.6}
	return shot{name, func(t *terminal) []byte {
		took := t.frames[len(t.frames)-1].At
		return picture.Film(t.frames, t.columns, cut, picture.Caption{
			Title:       fmt.Sprintf("%s, %.0f times as fast", title, took.Seconds()/cut.Length.Seconds()),
			Description: "A recording of a real run. At its end the terminal shows:\n" + t.last().Text(),
		})
	}}
}

var share = regexp.MustCompile(`(\d+)/(\d+) +(\d+)%`)

// percent is how much of a run is done, as the live view says it; -1 where there is none.
func percent(s picture.Screen) int {
	match := share.FindStringSubmatch(s.Text())
	if match == nil {
		return -1
	}
	done, err := strconv.Atoi(match[3])
	if err != nil {
		return -1
	}
	return done
}
