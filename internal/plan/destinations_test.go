package plan

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/rows"
)

func TestSharedDestinations(t *testing.T) {
	tests := []struct {
		name   string
		ids    string // of the jobs
		change func(*Spec)
		says   string // what the error begins with; empty for none
	}{
		{"a file each", "a b", to("type=oci,dest={{.id}}.tar"), ""},
		{"one archive", "a b", to("type=oci,dest=o.tar"), "--output: 2 jobs would write to o.tar: a, b\n"},
		{"one tar", "a b", to("type=tar,dest=o.tar"), "--output: 2 jobs would write to o.tar: a, b\n"},
		{"one for docker", "a b", to("type=docker,dest=o.tar"), "--output: 2 jobs would write to o.tar: a, b\n"},
		{"the same in two ways", "a b", to("type=tar,dest={{if eq .id `a`}}./{{end}}o.tar"), "--output: 2 jobs would write to ./o.tar: a, b\n"},
		{"one directory by links", "lnk lnk2 real", to("type=tar,dest={{.id}}/x.tar"), "--output: 3 jobs would write to lnk/x.tar: lnk, lnk2, real\n"},
		{"one file by a link", "toNew real/new", to("type=tar,dest={{.id}}"), "--output: 2 jobs would write to toNew: toNew, real-new"},
		{"one directory by a link and back", "real lnk/..", to("type=tar,dest={{if eq .id `real`}}x.tar{{else}}lnk/../x.tar{{end}}"), "--output: 2 jobs would write to x.tar: real, lnk"},
		{"below another's directory by a link", "real lnk/a", to("{{.id}}"), "--output: 2 jobs would write to real or below it: real, lnk"},
		{"a directory each", "a b", to("type=local,dest=out/{{.id}}"), ""},
		{"a directory each, in short", "a b", to("out/{{.id}}"), ""},
		{"one directory", "a b", to("type=local,dest=out"), "--output: 2 jobs would write to out or below it: a, b\n"},
		{"one directory, in short", "a b", to("out"), "--output: 2 jobs would write to out or below it: a, b\n"},
		{"one layout", "a b", to("type=oci,tar=false,dest=out"), "--output: 2 jobs would write to out or below it: a, b\n"},
		{"a directory in another's", "a b c", to("out{{if ne .id `a`}}/x/{{.id}}{{end}}"), "--output: 3 jobs would write to out or below it: a, b, c\n"},
		{"a file in another's directory", "a b", to("type={{if eq .id `a`}}local,dest=out{{else}}tar,dest=out/b.tar{{end}}"), "--output: 2 jobs would write to out or below it: a, b\n"},
		{"names of which one begins as another", "a ab", to("out/{{.id}}"), ""},
		{"standard output", "a b", to("type=tar,dest=-"), "--output: 2 jobs would write to standard output: a, b\n"},
		{"standard output, in short", "a b", to("-"), "--output: 2 jobs would write to standard output: a, b\n"},
		{"standard output by default", "a b", to("type=oci"), "--output: 2 jobs would write to standard output: a, b\n"},
		{"standard output of one job", "a", to("type=tar"), ""},
		{"standard output of the first job", "a b", func(s *Spec) { to("type=tar")(s); s.Limit = 1 }, ""},
		{"one name", "a b", to("type=image,name=r.example/x,push=true"), "--output: 2 jobs would write to r.example/x: a, b\n"},
		{"a name each", "a b", to("type=image,name=r.example/{{.id}},push=true"), ""},
		{"by digest", "a b", to("type=image,name=r.example/x,push=true,push-by-digest=true"), ""},
		{"one name beside tags, which count", "a b", func(s *Spec) { to("type=image,name=r.example/x")(s); s.TagTemplates = []string{"r.example/{{.id}}"} }, ""},
		{"no name to push to", "a", to("type=registry"), "rows.jsonl: line 1: --output: a tag is needed when pushing"},
		{"nothing", "a b", to("type=cacheonly"), ""},
		{"a cache each", "a b", cacheTo("type=registry,ref=r.example/cache:{{.id}}"), ""},
		{"one cache", "a b", cacheTo("type=registry,ref=r.example/cache,mode=max"), "--cache-to: 2 jobs would write to r.example/cache: a, b\n"},
		{"one cache, in short", "a b", cacheTo("r.example/cache"), "--cache-to: 2 jobs would write to r.example/cache: a, b\n"},
		{"one cache directory", "a b", cacheTo("type=local,dest=c"), "--cache-to: 2 jobs would write to c or below it: a, b\n"},
		{"inline", "a b", cacheTo("type=inline"), ""},
		{"one cache of GitHub's", "a b", cacheTo("type=gha,mode=max"), "--cache-to: 2 jobs would write to type=gha,scope=buildkit: a, b\n"},
		{"a scope each", "a b", cacheTo("type=gha,scope={{.id}}"), ""},
		{"one object", "a b", cacheTo("type=s3,bucket=b,region=r,access_key_id=key,secret_access_key=key"), "--cache-to: 2 jobs would write to type=s3,bucket=b,name=buildkit: a, b\n"},
		{"a cache and an output", "a b", func(s *Spec) { to("out/{{.id}}")(s); cacheTo("type=local,dest=out/{{.id}}/cache")(s) }, ""},
		{"one tag", "a b c d e f g", func(s *Spec) { s.TagTemplates = []string{"r.example/x"} }, "-t: 7 jobs would get the tag r.example/x:latest: a, b, c, d, e and 2 more\n"},
		{"two tags", "a b c d e", func(s *Spec) { s.TagTemplates = []string{"r.example/x:{{mod .Index 2}}"} },
			"-t: 3 jobs would get the tag r.example/x:0: a, c, e; in all, 5 jobs would share 2 destinations\n"},
		{"one file of metadata", "a b", func(s *Spec) { s.MetadataFile = "m.json" }, ""},
		{"a file of metadata each", "a b", func(s *Spec) { s.MetadataFile = "{{.id}}.json" }, ""},
		{"files of metadata that are one", "a b", func(s *Spec) { s.MetadataFile = "{{if .id}}m{{end}}.json" }, "--metadata-file: 2 jobs would write to m.json: a, b\n"},
	}
	dir := files(t, map[string]string{"Dockerfile": "FROM debian\nARG V\nRUN echo $V\n"})
	t.Chdir(dir)
	if err := os.Mkdir("real", 0o755); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"lnk": "real", "lnk2": "real", "toNew": "lnk/new"} {
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := Spec{Context: ".", BuildArgs: map[string]string{"V": "{{.id}}"}}
			tt.change(&s)
			_, err := newPlan(t, s, rowsOf(t, strings.Fields(tt.ids)...))
			switch {
			case tt.says == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.says != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.says)):
				t.Errorf("error %v, want one that begins with %q", err, tt.says)
			case err != nil && strings.Contains(err.Error(), "key"):
				t.Errorf("error %v says more than where", err)
			}
		})
	}
}

func to(text string) func(*Spec) { return func(s *Spec) { s.Outputs = []string{text} } }

func cacheTo(text string) func(*Spec) { return func(s *Spec) { s.CacheTo = []string{text} } }

// rowsOf makes rows that have ids.
func rowsOf(t *testing.T, ids ...string) rows.Input {
	t.Helper()
	var lines []string
	for _, id := range ids {
		lines = append(lines, fmt.Sprintf("{%q:%q}", "id", id))
	}
	return jsonRows(t, lines...)
}

func TestOutputsOfJobs(t *testing.T) {
	s := spec(t, "FROM debian\nARG V\nRUN echo $V\n", "r.example/{{.id}}")
	s.BuildArgs = map[string]string{"V": "{{.id}}"}
	s.Outputs = []string{"type=oci,dest={{.id}}.tar,x={{.DockerfileHash}}", "{{if eq .id `a`}}type=registry{{end}}"}
	s.CacheFrom, s.CacheTo = []string{"r.example/cache:{{.id}}"}, []string{"type=registry,ref=r.example/cache:{{.id}},mode=max"}
	s.Annotations, s.Labels = []string{"manifest:org.example.id={{.id}}, really"}, map[string]string{"l": "{{.id}}"}
	s.ShmSize, s.Ulimits, s.Resources, s.CgroupParent = "1g", []string{"nofile=1:2", "nproc=3"}, []string{"memory=2g"}, "builds"
	p, err := newPlan(t, s, rowsOf(t, "a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	a, b := p.Jobs[0].Options, p.Jobs[1].Options
	for _, tt := range []struct{ what, got, want string }{
		{"outputs", fmt.Sprint(len(a.Exports), len(b.Exports)), "2 1"},
		{"output", a.Exports[0].Attrs["x"], p.Jobs[0].Hash},
		{"push", a.Exports[1].Attrs["push"], "true"},
		{"annotation", a.Exports[1].Attrs["annotation-manifest.org.example.id"], "a, really"},
		{"annotation", b.Exports[0].Attrs["annotation-manifest.org.example.id"], "b, really"},
		{"cache source", b.CacheFrom[0].Attrs["ref"], "r.example/cache:b"},
		{"cache destination", fmt.Sprint(b.CacheTo[0].Attrs), "map[mode:max ref:r.example/cache:b]"},
		{"shared memory", a.ShmSize.String(), "1GiB"},
		{"limits", a.Ulimits.String(), "[nofile=1:2 nproc=3:3]"},
		{"resources", a.ResourceLimits.Memory.String(), "2GiB"},
		{"cgroup", a.CgroupParent, "builds"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", tt.what, tt.got, tt.want)
		}
	}
}

// What goes to docker by --load goes there beside an archive for docker, too, as with docker buildx.
func TestLoadBesideAFile(t *testing.T) {
	for output, want := range map[string]int{"": 1, "type=docker": 1, "type=docker,dest={{.id}}.tar": 2, "type=oci,dest={{.id}}.tar": 2} {
		s := spec(t, "FROM debian\nARG V\nRUN echo $V\n")
		s.BuildArgs, s.Load = map[string]string{"V": "{{.id}}"}, true
		if output != "" {
			s.Outputs = []string{output}
		}
		p, err := newPlan(t, s, rowsOf(t, "a"))
		if err != nil {
			t.Fatal(err)
		}
		if exports := p.Jobs[0].Options.Exports; len(exports) != want {
			t.Errorf("%q: %d outputs, want %d: %+v", output, len(exports), want, exports)
		}
	}
}

// What one output of a job has written no other one of it overwrites.
func TestOutputsOfOneJobToOneFile(t *testing.T) {
	for _, tt := range []struct {
		outputs []string
		refused bool
	}{
		{[]string{"type=oci,dest={{.id}}", "type=docker,dest={{.id}}"}, true},
		{[]string{"type=oci,dest=a/../{{.id}}", "type=tar,dest=./{{.id}}"}, true},
		{[]string{"type=oci,dest={{.id}}.oci", "type=docker,dest={{.id}}.tar"}, false},
		{[]string{"type=docker", "type=docker,dest={{.id}}.tar"}, false},
	} {
		s := spec(t, "FROM debian\nARG V\nRUN echo $V\n")
		s.BuildArgs, s.Outputs = map[string]string{"V": "{{.id}}"}, tt.outputs
		_, err := newPlan(t, s, rowsOf(t, "a"))
		if (err != nil) != tt.refused || err != nil && !strings.Contains(err.Error(), "two outputs of one image would both be written to ") {
			t.Errorf("%v: %v", tt.outputs, err)
		}
	}
}

// A job without an output would be built for nothing.
func TestOutputsThatAreMissing(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Spec)
		says   string
	}{
		{"none", func(*Spec) {}, "no output: nothing says where the images are to go\nadd --push"},
		{"of some", to("{{if eq .id `a`}}type=cacheonly{{end}}"), "no output: nothing says where the images of 6 of the 7 jobs are to go: b, c, d, e, f and 1 more\n"},
		{"the wish for none", to("type=cacheonly"), ""},
		{"push", func(s *Spec) { s.Push, s.TagTemplates = true, []string{"r.example/{{.id}}"} }, ""},
		{"load", func(s *Spec) { s.Load = true }, ""},
		{"a cache is no image", cacheTo("type=local,dest={{.id}}"), "no output: nothing says where the images are to go\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := spec(t, "FROM debian\nARG V\nRUN echo $V\n")
			s.BuildArgs = map[string]string{"V": "{{.id}}"}
			tt.change(&s)
			p, err := newPlan(t, s, rowsOf(t, strings.Fields("a b c d e f g")...))
			if err != nil {
				t.Fatal(err)
			}
			err = p.CheckOutputs()
			if (err == nil) != (tt.says == "") || err != nil && !strings.HasPrefix(err.Error(), tt.says) {
				t.Errorf("error %v, want %q", err, tt.says)
			}
		})
	}
}

// What a row's values make of outputs and caches stays below what the user named, and
// adds no part of its own.
func TestOutputsThatLeadOutside(t *testing.T) {
	dir := files(t, map[string]string{"work/Dockerfile": "FROM debian\nARG V\nRUN echo $V\n", "work/in/x": "", "outside/x": ""})
	if err := os.Symlink("../../outside", filepath.Join(dir, "work/in/link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../outside/new", filepath.Join(dir, "work/in/new")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join(dir, "work"))
	from := func(text string) func(*Spec) { return func(s *Spec) { s.CacheFrom = []string{text} } }
	const out = "is outside of "
	for _, tt := range []struct {
		id     string
		change func(*Spec)
		says   string
	}{
		{"a", to("in/{{.id}}"), ""},
		{"a", to("type=local,dest=in/{{.id}}"), ""},
		{"../b", to("in/{{.id}}"), out + `"in/"`},
		{"link/y", to("in/{{.id}}"), out + `"in/"`},
		{"new", to("type=tar,dest=in/{{.id}}"), out + `"in/"`},
		{"a", to("type=tar,dest=" + dir + "/outside/{{.id}}.tar"), ""},
		{"../a", to("type=tar,dest=" + dir + "/outside/{{.id}}.tar"), out + `"` + dir + `/outside/"`},
		{"../../etc", to("type=tar,dest={{.id}}"), out + "the working directory"},
		{"/etc/x", to("{{.id}}"), out + "the working directory"},
		{"/etc/x", func(s *Spec) { to("{{.id}}")(s); s.AllowOutside = true }, ""},
		{"x,dest=/etc/x", to("type=tar,dest={{.id}}"), "it would be read as more than one part"},
		{`x"`, to("type=tar,dest={{.id}}"), "it would be read as more than one part"},
		{"x,y", to(`type=tar,dest={{.id | replace "," "-"}}`), ""},
		{"max", to("type=tar,mode={{.id}},dest=" + dir + "/outside/x"), ""},
		{"../../outside", from("type=local,src={{.id}}"), out},
		{"../outside", cacheTo("type=local,dest={{.id}}"), out},
		{"x,mode=max", cacheTo("r.example/{{.id}}"), "it would be read as more than one part"},
		{"../m", func(s *Spec) { s.MetadataFile = "{{.id}}.json" }, out},
	} {
		t.Run(tt.id, func(t *testing.T) {
			s := Spec{Context: ".", BuildArgs: map[string]string{"V": "{{.id}}"}}
			tt.change(&s)
			_, err := newPlan(t, s, rowsOf(t, tt.id))
			wantInputError(t, err, tt.says)
		})
	}
}
