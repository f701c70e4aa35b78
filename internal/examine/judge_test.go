package examine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/stoker-build/stoker/internal/check"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/registry"
	"github.com/stoker-build/stoker/internal/run"
	"github.com/stoker-build/stoker/internal/space"
	"github.com/stoker-build/stoker/internal/throttle"
)

func TestFits(t *testing.T) {
	const gb = 1e9
	fine := run.Planned{Bound: "the disk of /var", Limit: space.Limit{High: 100 * gb}, UsedBytes: 10 * gb, Forecast: space.Forecast{Jobs: 5, Fits: true, SmallestBytes: 20 * gb}}
	with := func(change func(*run.Planned)) run.Planned {
		p := fine
		change(&p)
		return p
	}
	small := with(func(p *run.Planned) { p.Forecast.Fits, p.Forecast.SmallestBytes = false, 120*gb })
	for name, tt := range map[string]struct {
		planned   run.Planned
		preflight int64
		freed     bool
		want      string // severities, and a part of the text
	}{
		"it fits":              {fine, 90 * gb, false, ""},
		"no bound":             {with(func(p *run.Planned) { p.Bound = "" }), 0, false, "unknown: no bound of the cache is known"},
		"too small":            {small, 0, false, "fault: at least 120GB are needed at once, and its limit is 100GB"},
		"too small by a guess": {with(func(p *run.Planned) { *p = small; p.Forecast.Guessed = 5 }), 0, false, "warning: by a guess of what jobs add"},
		"nearly full":          {with(func(p *run.Planned) { p.UsedBytes = 95 * gb }), 0, false, "warning: nearly full: 95GB are used"},
		"over the limit":       {with(func(p *run.Planned) { p.UsedBytes = 101 * gb }), 0, false, "warning: nearly full"},
		"too little free":      {fine, 91 * gb, false, "fault: 90GB free below its limit of 100GB, and --preflight-free asks for 91GB"},
		"made free":            {fine, 91 * gb, true, "warning: --preflight-free asks for 91GB"},
		"unknown jobs":         {with(func(p *run.Planned) { p.Forecast.Unknown = 3 }), 0, false, "unknown: whether there is space for 3 jobs"},
	} {
		found := fits(tt.planned, tt.preflight, tt.freed)
		severity, text, _ := strings.Cut(tt.want, ": ")
		if tt.want == "" && len(found) != 0 || tt.want != "" && (len(found) != 1 || string(found[0].Severity) != severity || !strings.Contains(found[0].Text, text)) {
			t.Errorf("%s: %+v, want %q", name, found, tt.want)
		}
	}
}

func TestEnough(t *testing.T) {
	limit := func(left int) throttle.Limit {
		return throttle.Limit{Total: 100, Remaining: left, Window: 6 * time.Hour}
	}
	for name, tt := range map[string]struct {
		host  string
		pulls int
		limit throttle.Limit
		told  bool
		want  check.Severity // empty for no finding
	}{
		"plenty":               {"docker.io", 10, limit(90), true, ""},
		"just enough":          {"docker.io", 85, limit(90), true, check.Warning},
		"not enough":           {"docker.io", 91, limit(90), true, check.Fault},
		"none left":            {"r.example", 1, limit(0), true, check.Fault},
		"Docker Hub is mum":    {"docker.io", 1, throttle.Limit{}, false, check.Unknown},
		"others have no limit": {"r.example", 1, throttle.Limit{}, false, ""},
	} {
		f, is := enough(tt.host, tt.pulls, tt.limit, tt.told)
		if is != (tt.want != "") || is && f.Severity != tt.want {
			t.Errorf("%s: %+v, %v, want %q", name, f, is, tt.want)
		}
		if tt.told && is && f.Text != fmt.Sprintf("%s lets %d of 100 pulls be made in 6h, and up to %d images are read from there", tt.host, tt.limit.Remaining, tt.pulls) {
			t.Errorf("%s: %s", name, f.Text)
		}
	}
}

func TestNearby(t *testing.T) {
	for name, tt := range map[string]struct {
		ref  string
		near neighbours
		want string
	}{
		"a slip":         {"r.example/a:1.26", neighbours{tags: []string{"2", "1.25", "latest"}}, "; did you mean r.example/a:1.25?"},
		"no slip":        {"r.example/a:noble-7", neighbours{tags: []string{"1", "jammy-12345", "noble-20240101", "2"}}, "; the tags of r.example/a are noble-20240101, 1, jammy-12345 and 1 more"},
		"a digest":       {"r.example/a@sha256:" + strings.Repeat("0", 64), neighbours{tags: []string{"1"}}, "; r.example/a is there, without this digest"},
		"a repository":   {"r.example/tools/aple:1", neighbours{repositories: []string{"tools/apple", "x"}}, "; r.example has no repository tools/aple; did you mean r.example/tools/apple?"},
		"none near":      {"r.example/tools/aple:1", neighbours{repositories: []string{"x"}}, "; r.example has no repository tools/aple"},
		"nothing listed": {"nosuch:1", neighbours{}, "; docker.io lists no tags of library/nosuch, nor repositories near it"},
		"could not list": {"r.example/a:1", neighbours{err: os.ErrDeadlineExceeded}, "; which names are near is not known: i/o timeout"},
		"no reference":   {"Not A Reference", neighbours{}, ""},
	} {
		if got := nearby(tt.ref, tt.near); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestPushFindings(t *testing.T) {
	denied, missing := fmt.Errorf("%w: 401", registry.ErrDenied), fmt.Errorf("%w: 404", registry.ErrNotFound)
	errs, names := map[string]error{"r.example/fine": nil, "other.example/a": denied, "r.example/none": missing}, map[string][]string{}
	for i := range 10 {
		errs[fmt.Sprintf("r.example/a%d", i)] = denied
	}
	for at := range errs {
		names[at] = []string{"job of " + at}
	}
	var got []string
	for _, f := range pushFindings(names, errs) {
		got = append(got, fmt.Sprintf("%d %s", len(f.Jobs), f.Text))
		if f.Severity != check.Fault || f.Hint == "" {
			t.Errorf("%+v", f)
		}
	}
	want := []string{
		"1 pushing to other.example/a is not allowed: access denied: 401",
		"10 10 repositories cannot be pushed to, such as this: pushing to r.example/a0 is not allowed: access denied: 401",
		"1 r.example has no repository r.example/none, and makes none by itself: image not found: 404",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant\n%q", got, want)
	}
}

// A registry that never answers is asked no more; an error that it tells is an answer.
func TestHostsThatAreSilent(t *testing.T) {
	var h hosts
	asked := 0
	ask := func(host string, err error) error {
		return h.ask(t.Context(), host, func(context.Context) error {
			asked++
			return err
		})
	}
	silent, told := errors.New("no route"), &transport.Error{StatusCode: http.StatusForbidden}
	for range 5 {
		if err := ask("silent.example", silent); !errors.Is(err, silent) {
			t.Error(err)
		}
	}
	if asked != mostSilent {
		t.Errorf("it was asked %d times", asked)
	}
	asked = 0
	for _, err := range []error{nil, silent, silent, silent, told} {
		_ = ask("once.example", err)
		_ = ask("told.example", told)
	}
	if asked != 10 {
		t.Errorf("those that answer were asked %d times", asked)
	}
}

func TestSamePlatform(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{"linux/amd64", "linux/amd64"}: true, {"linux/arm64", "linux/arm64/v8"}: true, {"linux/arm64/v8", "linux/arm64"}: true,
		{"linux/amd64", "linux/arm64"}: false, {"windows/amd64", "linux/amd64"}: false, {"linux/arm/v7", "linux/arm/v6"}: true,
	} {
		if got := samePlatform(pair[0], pair[1]); got != want {
			t.Errorf("%v: %v", pair, got)
		}
	}
}

// A job on the image of one that cannot be built cannot be built, and so on; a job on
// another's that can has no fault.
func TestUpon(t *testing.T) {
	job := func(name, base string) *plan.Job {
		return &plan.Job{Name: name, Base: base, Tags: []string{"r.example/" + name + ":1"}}
	}
	broken, second, third, fine := job("broken", "gone"), job("second", "r.example/broken:1"), job("third", ""), job("fine", "r.example/other:1")
	linked := job("linked", "")
	linked.Links = map[string]*plan.Job{"base": third}
	jobs := []*plan.Job{linked, third, second, broken, fine, job("other", "")}
	p := &plan.Plan{Jobs: jobs}
	r := reads{jobs: jobs, images: make([][]plan.Image, len(jobs))}
	r.images[1] = []plan.Image{{Ref: "r.example/second:1"}}
	e := &examination{Options: Options{Plan: p}, makers: plan.MakersOf(p.Jobs), faulty: map[string]bool{"broken": true}}
	e.report.Jobs = names(jobs)
	e.upon(r)
	told := map[string]string{}
	for _, f := range e.report.Findings(func(s string) string { return s }) {
		told[f.Jobs[0]] = f.Text
	}
	want := map[string]string{"second": "broken", "third": "second", "linked": "third"}
	for name, on := range want {
		if told[name] != "it is built on the image of "+on+", which cannot be built" {
			t.Errorf("%s: %q", name, told[name])
		}
	}
	if len(told) != len(want) {
		t.Errorf("found %v", told)
	}
	if by := r.by(plan.MakersOf(p.Jobs)); len(by) != 0 {
		t.Errorf("images of the plan's own would be asked for: %v", by)
	}
}

// What the builder does not find of an image that a job of the plan makes is no fault.
func TestMadeBy(t *testing.T) {
	root := &plan.Job{Name: "root", Tags: []string{"r.example:5000/dep/root:7"}}
	makers := plan.MakersOf([]*plan.Job{root, {Name: "other"}})
	for message, made := range map[string]bool{
		"failed to resolve source metadata for r.example:5000/dep/root:7: r.example:5000/dep/root:7: not found": true,
		"r.example:5000/dep/root:7@sha256:" + strings.Repeat("0", 64) + ": not found":                           true,
		"failed to resolve source metadata for r.example:5000/dep/root:8: r.example:5000/dep/root:8: not found": false,
		"": false,
	} {
		if maker, _ := madeBy(makers, message); (maker == root) != made {
			t.Errorf("%q: %v", message, maker)
		}
	}
}

func TestWritable(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{dir: true, file: true, filepath.Join(dir, "new/deep"): true, filepath.Join(file, "below"): false, "/proc/none/such": false} {
		if err := writable(path, map[string]error{}); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// What many jobs would write to one place that takes nothing is one fault of theirs.
func TestUnwritable(t *testing.T) {
	writes := []plan.Written{{Flag: "--output-dir", Path: t.TempDir()}, {Flag: "-o", Path: "-"}, {Flag: "--iidfile", Path: "/proc/y"}}
	for _, job := range []string{"a", "b"} {
		writes = append(writes, plan.Written{Flag: "-o", Path: "/proc/x/" + job, Job: job})
	}
	found := unwritable(writes)
	if len(found) != 2 || !slices.Equal(found[1].Jobs, []string{"a", "b"}) || len(found[0].Jobs) != 0 {
		t.Fatalf("%+v", found)
	}
	for i, want := range []string{`--iidfile: "/proc/y" cannot be written: nothing can be made in "/proc": `,
		`-o: 2 destinations cannot be written, such as "/proc/x/a": nothing can be made in "/proc": `} {
		if text := found[i].Text; !strings.HasPrefix(text, want) || strings.Contains(text, "stoker-try") {
			t.Errorf("%q, want %q", text, want)
		}
	}
}

func TestAbsentOf(t *testing.T) {
	for message, want := range map[string]string{
		"r.example/a:1: not found": "r.example/a:1",
		"failed to resolve source metadata for docker/a:1: docker.io/a:1: not found": "docker.io/docker/a:1",
		"debian: pull access denied": "docker.io/library/debian:latest",
		"No Image: at all":           "",
	} {
		if got := absentOf(message); got != want {
			t.Errorf("%q is about %q, want %q", message, got, want)
		}
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{6 * time.Hour: "6h", 10 * time.Minute: "10m", 90 * time.Minute: "1h30m", 90 * time.Second: "1m30s", 100 * time.Minute: "1h40m", time.Second: "1s"} {
		if got := short(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}
