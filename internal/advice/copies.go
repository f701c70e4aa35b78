package advice

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
)

// copies finds copies of the stages that become images which keep the base image from
// being left alone.
func (f *file) copies() (all []Advice) {
	f.images(func(st stage, jobs []*plan.Job) { all = append(all, f.copiesOf(st, jobs)...) })
	return all
}

// onlyCopied counts the jobs whose images only have files copied onto their base.
func (f *file) onlyCopied() (n int) {
	f.images(func(st stage, jobs []*plan.Job) {
		if f.copiesOnly(st) {
			n += len(jobs)
		}
	})
	return n
}

// images tells of the stages that become images of some jobs.
func (f *file) images(tell func(st stage, jobs []*plan.Job)) {
	targets := map[string][]*plan.Job{}
	for _, j := range f.jobs {
		name := strings.ToLower(j.Options.Target)
		targets[name] = append(targets[name], j)
	}
	for _, st := range f.stages {
		var jobs []*plan.Job
		if st.name != "" {
			jobs = append(jobs, targets[st.name]...)
		}
		if last := f.stages[len(f.stages)-1]; st.from == last.from {
			jobs = append(jobs, targets[""]...)
		}
		if len(jobs) > 0 {
			tell(st, jobs)
		}
	}
}

func (f *file) copiesOf(st stage, jobs []*plan.Job) (all []Advice) {
	alone := f.copiesOnly(st)
	for _, i := range st.all {
		link, is := links(i.command)
		if !is || staysPlain(i.command) {
			continue
		}
		plain := notLinked(i.first, jobs)
		if len(plain) == 0 {
			continue
		}
		owner := f.ownerAt(i.first)
		a := Advice{File: f.name, Line: i.first, Jobs: names(plain)}
		switch {
		case owner != "":
			a.Rule = OwnerByName
			a.Text = fmt.Sprintf("the owner %s is given by name, which has to be looked up in each base image", owner)
			a.Remedy = "give its number, such as --chown=1000:1000: then --link can be added, too"
		case !link && alone && slices.ContainsFunc(plain, (*plan.Job).CacheWantsPlain):
			continue // with a link, BuildKit would not find what is copied in that cache
		case !link && alone:
			a.Rule, a.Price = UnlinkedCopy, f.pull(plain)
			a.Text = "the stage only copies files, and without --link that pulls and unpacks each base image"
			a.Remedy = "add --link: its layer is then made without the base image, and once for all of them"
			if why, ofJobs := f.given.keeps(i); why != "" {
				a.Text += "; it is not linked by itself, since " + why
				a.Remedy = "copy to where that does not hold, such as a directory that nothing below it has; --link by hand may make another image"
				if ofJobs {
					a.Remedy = "build it so that this does not hold: it is linked then where that makes the same image; --link by hand may make another"
				}
				break
			}
			a.Patch = f.patch(f.flagged(i.first, "--link"))
		default:
			continue
		}
		all = append(all, a)
	}
	return all
}

// notLinked are those of some jobs in which the copy in a line is not linked by itself.
func notLinked(line int, jobs []*plan.Job) (plain []*plan.Job) {
	links := map[*plan.Source]bool{}
	for _, j := range jobs {
		if _, known := links[j.Source]; !known && j.Proved != nil {
			links[j.Source] = linksAt(j.Source, line)
		}
		if !links[j.Source] {
			plain = append(plain, j)
		}
	}
	return plain
}

// linksAt tells whether the copy in a line of a Dockerfile links.
func linksAt(s *plan.Source, line int) bool {
	stages, err := s.Stages()
	if err != nil {
		return false
	}
	for _, st := range stages {
		for _, c := range st.Commands {
			if at := c.Location(); len(at) > 0 && at[0].Start.Line == line {
				link, _ := links(c)
				return link
			}
		}
	}
	return false
}

// keeps is why a copy was not linked by itself, and whether that is something of whole jobs; empty
// where nobody tells.
func (g Given) keeps(i instruction) (why string, ofJobs bool) {
	if g.Keeps == nil {
		return "", false
	}
	return g.Keeps(i.first, fmt.Sprint(i.command))
}

// copiesOnly tells that a stage only copies files onto a base image.
func (f *file) copiesOnly(st stage) bool {
	return st.copiesOnly() && st.base != "scratch" &&
		!slices.ContainsFunc(f.stages, func(other stage) bool { return other.name != "" && strings.EqualFold(other.name, st.base) })
}

// copiesOnly tells that a stage has copies, and no step that needs what is below them.
func (st stage) copiesOnly() bool {
	copies := false
	for _, i := range st.all {
		switch i.command.(type) {
		case *instructions.CopyCommand, *instructions.AddCommand:
			if staysPlain(i.command) {
				return false
			}
			copies = true
		case *instructions.RunCommand, *instructions.WorkdirCommand:
			return false
		}
	}
	return copies
}

// links tells of an instruction that copies whether it links.
func links(c instructions.Command) (link, copies bool) {
	switch c := c.(type) {
	case *instructions.CopyCommand:
		return c.Link, true
	case *instructions.AddCommand:
		return c.Link, true
	}
	return false, false
}

// staysPlain tells of an instruction that it says itself that it is not to be linked.
func staysPlain(c instructions.Command) bool {
	for _, word := range strings.Fields(fmt.Sprint(c))[1:] {
		if !strings.HasPrefix(word, "--") {
			break
		}
		if strings.EqualFold(word, "--link=false") {
			return true
		}
	}
	return false
}

// ownerAt is the name that the copy in a line gives files to; empty for none.
func (f *file) ownerAt(line int) string {
	for _, s := range f.steps {
		if s.Line == line && s.Owner != "" {
			return s.Owner
		}
	}
	return ""
}

// pull is what is pulled for some jobs, which is known where they are all.
func (f *file) pull(jobs []*plan.Job) Price {
	if f.given.PullBytes == 0 || len(jobs) < len(f.given.Jobs) {
		return Price{}
	}
	return Price{Bytes: new(f.given.PullBytes), AtMost: true}
}

func names(jobs []*plan.Job) (all []string) {
	for _, j := range jobs {
		all = append(all, j.Name)
	}
	return all
}

// tool is a program that fetches packages.
type tool struct {
	name string
	says []string // words of commands that do
	// mount is what its cache needs; empty where that takes more than a mount.
	mount  string
	remedy string
}

var tools = []tool{
	{"apt", []string{"apt-get install", "apt install", "apt-get -y install", "apt-get -yq install", "apt-get -qq install"}, "",
		"mount caches for /var/cache/apt and /var/lib/apt (--mount=type=cache,target=...,sharing=locked), remove /etc/apt/apt.conf.d/docker-clean first, and do not delete /var/lib/apt/lists"},
	{"apk", []string{"apk add"}, "", "mount a cache for /var/cache/apk, and leave out --no-cache"},
	{"dnf", []string{"dnf install", "dnf -y install", "yum install", "yum -y install", "microdnf install"}, "", "mount a cache for /var/cache/dnf (yum: /var/cache/yum), set keepcache=1, and do not clean it"},
	{"pip", []string{"pip install", "pip3 install"}, "/root/.cache/pip", "mount a cache for /root/.cache/pip, and leave out --no-cache-dir"},
	{"uv", []string{"uv sync", "uv pip install", "uv tool install"}, "/root/.cache/uv", "mount a cache for /root/.cache/uv"},
	{"npm", []string{"npm ci", "npm install", "npm i "}, "/root/.npm", "mount a cache for /root/.npm"},
	{"yarn", []string{"yarn install", "yarn --frozen-lockfile"}, "/usr/local/share/.cache/yarn", "mount a cache for /usr/local/share/.cache/yarn"},
	{"go", []string{"go build", "go install", "go mod download"}, "", "mount caches for /go/pkg/mod and /root/.cache/go-build"},
	{"cargo", []string{"cargo build", "cargo install", "cargo fetch"}, "", "mount caches for /usr/local/cargo/registry and the target directory"},
	{"bundle", []string{"bundle install"}, "", "mount a cache for the bundle's directory"},
	{"mvn", []string{"mvn "}, "/root/.m2", "mount a cache for /root/.m2"},
}

// Programs that fetch what is the same on every base image.
var fetchers = []string{"curl ", "wget ", "git clone "}

// repeated finds steps that fetch the same for many base images.
func (f *file) repeated() (all []Advice) {
	for _, st := range f.stages {
		for _, i := range st.all {
			if _, is := i.command.(*instructions.RunCommand); !is {
				continue
			}
			if steps := f.perBase(i.first); len(steps) > 1 {
				all = append(all, f.fetches(i, steps)...)
			}
		}
	}
	return all
}

// perBase are the steps of a line that differ in what they are made from alone.
func (f *file) perBase(line int) (steps []*ledger.Step) {
	for _, s := range f.steps {
		if s.Line != line || s.Op != "exec" {
			continue
		}
		if len(steps) > 0 && s.Parts["command"] != steps[0].Parts["command"] {
			return nil
		}
		steps = append(steps, s)
	}
	return steps
}

func (f *file) fetches(i instruction, steps []*ledger.Step) []Advice {
	p := priceOf{learned: f.given.Learned}
	p.add(steps[0].Text, len(steps)-1)
	a := Advice{File: f.name, Line: i.first, Jobs: f.namesOf(steps), Price: p.price()}
	a.AtMost = true
	if t := slices.IndexFunc(tools, func(t tool) bool { return i.says(t.says) }); t >= 0 && len(steps[0].Caches) == 0 {
		a.Rule, a.Bytes = PackagesUncached, nil // the same is installed
		a.Text = fmt.Sprintf("%s fetches the same packages %d times, since what the step stands on differs", tools[t].name, len(steps))
		a.Remedy = tools[t].remedy
		if mount := tools[t].mount; mount != "" && steps[0].Parts["user"] == "" {
			a.Patch = f.patch(f.flagged(i.first, "--mount=type=cache,target="+mount))
		}
		return []Advice{a}
	}
	if i.says(fetchers) {
		a.Rule = RepeatedDownload
		a.Text = fmt.Sprintf("the step fetches the same from elsewhere %d times, since what it stands on differs", len(steps))
		a.Remedy = "fetch it in a stage of its own, on one base image for all, and take it from there with COPY --link --from"
		return []Advice{a}
	}
	return nil
}

// says tells whether an instruction has one of some words.
func (i instruction) says(words []string) bool {
	text := strings.Join(strings.Fields(strings.ReplaceAll(i.text, "\\\n", " ")), " ") + " "
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}
