package ledger

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

var brokenStep = Failure{Class: "step_failed", Step: "RUN nosuchcommand --install", File: "agent/Dockerfile", Line: 5, ExitCode: 127,
	Message: "/bin/sh: nosuchcommand: not found", Output: []string{"/bin/sh: nosuchcommand: not found"}}

func TestFailureText(t *testing.T) {
	silent, long := brokenStep, brokenStep
	silent.Message = ""
	long.Step = "RUN " + strings.Repeat("x", 500)
	for _, tt := range []struct {
		failure      Failure
		text, reason string
	}{
		{brokenStep, "agent/Dockerfile:5: RUN nosuchcommand --install: exit code: 127: /bin/sh: nosuchcommand: not found", "agent/Dockerfile:5: /bin/sh: nosuchcommand: not found"},
		{silent, "agent/Dockerfile:5: RUN nosuchcommand --install: exit code: 127", "agent/Dockerfile:5: exit code: 127"},
		{long, "agent/Dockerfile:5: RUN " + strings.Repeat("x", 56) + "…" + strings.Repeat("x", 59) + ": exit code: 127: /bin/sh: nosuchcommand: not found", "agent/Dockerfile:5: /bin/sh: nosuchcommand: not found"},
		{Failure{Class: "permanent", Why: "the registry denies access", Message: "r/a:1: 403 Forbidden"}, "the registry denies access: r/a:1: 403 Forbidden", "the registry denies access: r/a:1: 403 Forbidden"},
		{Failure{}, "no reason given", "no reason given"},
	} {
		if got := tt.failure.String(); got != tt.text {
			t.Errorf("got  %s\nwant %s", got, tt.text)
		}
		if got := tt.failure.Reason(); got != tt.reason {
			t.Errorf("got  %s\nwant %s", got, tt.reason)
		}
	}
}

func TestFailureKind(t *testing.T) {
	with := func(change func(*Failure)) Failure {
		f := brokenStep
		change(&f)
		return f
	}
	missing := func(image string, line int) Failure {
		f := Failure{Class: "permanent", Why: "the registry says that an image does not exist", Message: image + ": not found"}
		if line > 0 {
			f.Step, f.File, f.Line = "FROM ${BASE_IMAGE}", "Dockerfile", line
		}
		return f
	}
	other := func(message string) Failure { return Failure{Class: "transient", Message: message} }
	for _, tt := range []struct {
		name string
		a, b Failure
		same bool
	}{
		{"a name in the output", brokenStep, with(func(f *Failure) { f.Message = "django-2: not found" }), true},
		{"another directory", brokenStep, with(func(f *Failure) { f.File = "task-2/Dockerfile" }), true},
		{"another code", brokenStep, with(func(f *Failure) { f.ExitCode = 1 }), false},
		{"another line", brokenStep, with(func(f *Failure) { f.Line = 6 }), false},
		{"another step", brokenStep, with(func(f *Failure) { f.Step = "RUN other" }), false},
		{"another class", brokenStep, with(func(f *Failure) { f.Class = "no_space" }), false},
		{"another image", missing("r/a:1", 2), missing("r/b:1", 2), true},
		{"seen before the build", missing("r/a:1", 2), missing("r/b:1", 0), true},
		{"another name", other(`failed to do request: Head "http://r/v2/a/manifests/1": EOF`), other(`failed to do request: Head "http://r/v2/b/manifests/2": EOF`), true},
		{"other words", other("failed to do request: EOF"), other("failed to do request: refused"), false},
	} {
		if got := tt.a.Kind() == tt.b.Kind(); got != tt.same {
			t.Errorf("%s: %q and %q", tt.name, tt.a.Kind(), tt.b.Kind())
		}
	}
}

func failedEntry(name string, f Failure) Entry {
	text, log := f.String(), "somewhere/out/logs/"+name+"/attempt-2.log"
	return Entry{Name: name, Status: Failed, Error: &text, ErrorClass: f.Class, Failure: &f, AttemptCount: 2, LogPath: &log}
}

func TestFailureGroups(t *testing.T) {
	unread := "failed to solve: something"
	entries := []Entry{{Name: "old", Status: Failed, Error: &unread, ErrorClass: "transient"}}
	for i := range 5 {
		entries = append(entries, failedEntry(fmt.Sprint("job-", i), brokenStep))
	}
	s := Summarize(entries, 6, time.Now(), time.Now())
	if len(s.FailureGroups) != 2 {
		t.Fatalf("groups %+v", s.FailureGroups)
	}
	first, last := s.FailureGroups[0], s.FailureGroups[1]
	if first.Jobs != 5 || fmt.Sprint(first.Examples) != "[job-0 job-1 job-2]" || first.LogPath != "somewhere/out/logs/job-0/attempt-2.log" || first.Failure.ExitCode != 127 {
		t.Errorf("the group of most jobs is %+v", first)
	}
	if last.Jobs != 1 || last.Failure.Message != unread || last.Failure.Class != "transient" {
		t.Errorf("the group from words alone is %+v", last)
	}
}

// Different images that are missing are different causes, but very many are told as one;
// to a run they are alike all the same.
func TestGroupsOfMissingImages(t *testing.T) {
	lacking := func(n int) (failed []FailedJob) {
		for i := range 2 * n {
			ref := fmt.Sprintf("r.example/base:%d", i%n)
			failed = append(failed, FailedJob{Name: fmt.Sprint("job-", i), Failure: Failure{Class: "permanent", Why: "the registry says that an image does not exist",
				Message: ref + ": not found", Image: ref}})
		}
		return failed
	}
	groups, names := GroupsWithNames(lacking(3))
	if len(groups) != 3 || groups[1].Jobs != 2 || groups[1].Failure.Image != "r.example/base:1" || fmt.Sprint(names[1]) != "[job-1 job-4]" || groups[1].Images != 0 {
		t.Errorf("%+v %v", groups, names)
	}
	for _, all := range [][]FailureGroup{Groups(lacking(500)), {Together(lacking(500))}} {
		if len(all) != 1 || all[0].Jobs != 1000 || len(all[0].Examples) != 3 || all[0].Images != 500 ||
			all[0].Common().Reason() != "the registry says that an image does not exist: 500 images, such as r.example/base:0: not found" {
			t.Errorf("%+v", all)
		}
	}
}

func TestMarkdownOfOneFailureInSeveralFiles(t *testing.T) {
	elsewhere := brokenStep
	elsewhere.File = "task-2/Dockerfile"
	got := Summarize([]Entry{failedEntry("job-1", brokenStep), failedEntry("job-2", elsewhere)}, 2, time.Now(), time.Now()).Markdown(true, "")
	for _, want := range []string{"#### 2 images: `Dockerfile:5: /bin/sh", "in `agent/Dockerfile:5` and others exited with code 127."} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing:\n%s", want, got)
		}
	}
}

func TestMarkdownOfFailures(t *testing.T) {
	s := Summarize([]Entry{failedEntry("job-1", brokenStep), failedEntry("job-2", brokenStep)}, 2, time.Now(), time.Now())
	for _, links := range []bool{true, false} {
		got := s.Markdown(links, "")
		for want, there := range map[string]bool{
			"#### 2 images: `agent/Dockerfile:5: /bin/sh: nosuchcommand: not found`":      true,
			"`RUN nosuchcommand --install` in `agent/Dockerfile:5` exited with code 127.": true,
			"```text\n/bin/sh: nosuchcommand: not found\n```":                             true,
			"- [`job-2`](logs/job-2/attempt-2.log), 2 attempts\n":                         links,
			"- `job-2`: `somewhere/out/logs/job-2/attempt-2.log`, 2 attempts\n":           !links,
		} {
			if strings.Contains(got, want) != there {
				t.Errorf("links %v: %q is there: %v\n%s", links, want, !there, got)
			}
		}
	}
}

// However many jobs fail, for however many reasons, the page stays small and says
// what it leaves out.
func TestMarkdownIsBounded(t *testing.T) {
	var entries []Entry
	for i := range 3000 {
		f := brokenStep
		f.Line = i / 2
		f.Output = []string{strings.Repeat("long ", 2000)}
		entries = append(entries, failedEntry(fmt.Sprintf("%s-%d", strings.Repeat("name", 20), i), f))
	}
	for _, entries := range [][]Entry{entries, entries[:600]} {
		s := Summarize(entries, len(entries), time.Now(), time.Now())
		got := s.Markdown(true, "")
		if len(got) >= 64<<10 {
			t.Errorf("%d bytes", len(got))
		}
		for _, want := range []string{`… and \d+ more reasons, in .summary.json.`, `- and \d+ more, in .manifest.jsonl.`, `</details>`} {
			if !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("%q is missing", want)
			}
		}
	}
}
