package plan

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/buildx/util/buildflags"
	"github.com/moby/buildkit/client"

	"github.com/stoker-build/stoker/internal/imageref"
	"github.com/stoker-build/stoker/internal/paths"
	"github.com/stoker-build/stoker/internal/plural"
)

// destination is something that a job's build writes, and that another's would
// overwrite.
type destination struct {
	flag string // that names it
	name string // as a person reads it
	// key is the same for the same destination: of a file or directory its absolute
	// path without links.
	key string
	dir bool // it is a directory, and takes all below it
}

// stdoutKey is the key of standard output.
const stdoutKey = "-"

// exportDestinations returns what an output writes beside the image's tags, which
// count instead of a name of its own. The entry is as it was given, but that no file
// means standard output.
func exportDestinations(entry *buildflags.ExportEntry, export client.ExportEntry, tagged bool) []destination {
	switch {
	case entry.Destination == "-":
		return []destination{{flag: outputFlag, name: "standard output", key: stdoutKey}}
	case entry.Destination != "":
		return []destination{pathDestination(outputFlag, entry.Destination, export.OutputDir != "")}
	}
	if byDigest, _ := strconv.ParseBool(export.Attrs["push-by-digest"]); byDigest || tagged {
		return nil
	}
	var names []destination
	for _, name := range strings.Split(export.Attrs["name"], ",") {
		if name != "" {
			names = append(names, destination{flag: outputFlag, name: name, key: "image " + spelledOut(name)})
		}
	}
	return names
}

// writtenTwice is a file that one job would write twice; empty where there is none.
func writtenTwice(writes []destination) string {
	for i, d := range writes {
		if filepath.IsAbs(d.key) && slices.ContainsFunc(writes[:i], func(o destination) bool { return o.key == d.key && !(o.dir && d.dir) }) {
			return d.name
		}
	}
	return ""
}

// WritesTo tells whether a file is one that the job's build writes on this machine.
func (j *Job) WritesTo(path string) bool {
	key := paths.Key(path)
	return slices.ContainsFunc(j.writes, func(d destination) bool { return paths.Within(d.key, key) })
}

func pathDestination(flag, path string, dir bool) destination {
	return destination{flag: flag, name: path, key: paths.Key(path), dir: dir}
}

// Written is a file or directory of this machine that a job's build writes.
type Written struct {
	Flag string // that names it
	Path string // as it was named
	Key  string // see paths.Key
	Job  string // whose build it is; empty where it is of all
}

// Writes returns what the jobs' builds write on this machine: outputs and caches.
// Metadata is written after them.
func (p *Plan) Writes() (all []Written) {
	for _, j := range p.Jobs {
		for _, d := range j.writes {
			if d.flag != MetadataFlag && filepath.IsAbs(d.key) {
				all = append(all, Written{Flag: d.flag, Path: d.name, Key: d.key, Job: j.Name})
			}
		}
	}
	return all
}

// UsesStdout tells whether a job's output goes to standard output.
func (p *Plan) UsesStdout() bool {
	return slices.ContainsFunc(p.Jobs, func(j *Job) bool {
		return slices.ContainsFunc(j.writes, func(d destination) bool { return d.key == stdoutKey })
	})
}

// spelledOut returns a reference with registry and tag, or the text of what is none.
func spelledOut(ref string) string {
	if parsed, err := imageref.Parse(ref); err == nil {
		return parsed.String()
	}
	return ref
}

// Of caches that are kept under a name: the parts that name one, and the name that
// BuildKit takes where none is given (cache/remotecache).
var cacheNames = map[string]struct {
	parts     []string
	name      string
	byDefault string
}{
	"gha":    {nil, "scope", "buildkit"},
	"s3":     {[]string{"bucket", "prefix"}, "name", "buildkit"},
	"azblob": {[]string{"account_url", "container", "prefix"}, "name", "buildkit"},
}

// cacheDestinations returns what a cache export writes. Each overwrites what was
// there: caches of several jobs do not add up.
func cacheDestinations(entry *buildflags.CacheOptionsEntry) []destination {
	switch entry.Type {
	case "local":
		return []destination{pathDestination(cacheToFlag, entry.Attrs["dest"], true)}
	case "registry":
		ref := entry.Attrs["ref"]
		return []destination{{flag: cacheToFlag, name: ref, key: "image " + spelledOut(ref)}}
	}
	named, known := cacheNames[entry.Type]
	if !known {
		return nil // inline, in the image itself
	}
	text := "type=" + entry.Type
	for _, part := range named.parts {
		if value := entry.Attrs[part]; value != "" {
			text += "," + part + "=" + value
		}
	}
	name := entry.Attrs[named.name]
	if name == "" {
		name = named.byDefault
	}
	text += "," + named.name + "=" + name
	return []destination{{flag: cacheToFlag, name: text, key: "cache " + text}}
}

// tagDestinations are the tags of a job's image.
func tagDestinations(flag string, tags []string) []destination {
	var out []destination
	for _, tag := range tags {
		out = append(out, destination{flag: flag, name: tag, key: "image " + tag})
	}
	return out
}

// How messages call the flags that are not outputs.
const (
	tagFlag      = "-t"
	MetadataFlag = "--metadata-file"
)

// writer is a job's name and what its build writes.
type writer struct {
	name   string
	writes []destination
	// columns are those of its row, for what a message suggests; nil where they are not
	// known.
	columns map[string]any
}

// checkShared makes sure that no job would overwrite what another has written. A
// directory is also shared with whoever writes below it.
func checkShared(writers []writer) error {
	at := map[string]*sharing{}
	var all []*sharing
	for i, w := range writers {
		for _, d := range w.writes {
			if at[d.key] == nil {
				at[d.key] = &sharing{destination: d}
				all = append(all, at[d.key])
			}
			at[d.key].add(i)
		}
	}
	for i, w := range writers {
		for _, d := range w.writes {
			for _, above := range above(d.key) {
				if s := at[above]; s != nil && s.dir {
					s.add(i)
				}
			}
		}
	}
	all = slices.DeleteFunc(all, func(s *sharing) bool { return !s.shared() })
	if len(all) == 0 {
		return nil
	}
	return sharedError(writers, all)
}

// sharing is a destination and who writes to it.
type sharing struct {
	destination
	by []int
}

func (s *sharing) add(writer int) { s.by = append(s.by, writer) }

// shared tells whether several write, each of whom is then there once.
func (s *sharing) shared() bool {
	slices.Sort(s.by)
	s.by = slices.Compact(s.by)
	return len(s.by) > 1
}

// above returns the directories that an absolute path is in.
func above(path string) (dirs []string) {
	if !filepath.IsAbs(path) {
		return nil
	}
	for dir := filepath.Dir(path); dir != path; path, dir = dir, filepath.Dir(dir) {
		dirs = append(dirs, dir)
	}
	return dirs
}

// sharedError says in one line what jobs share.
func sharedError(writers []writer, all []*sharing) error {
	first := all[0]
	jobs := map[int]bool{}
	var names []string
	for _, s := range all {
		for _, i := range s.by {
			jobs[i] = true
		}
	}
	for _, i := range first.by {
		names = append(names, writers[i].name)
	}
	where := first.name
	if first.dir {
		where += " or below it"
	}
	does := "write to"
	if first.flag == tagFlag || first.flag == tagsAttribute {
		does = "get the tag"
	}
	problem := fmt.Sprintf("%d jobs would %s %s: %s", len(first.by), does, where, plural.Some(names, jobsInProblem, ", "))
	if len(all) > 1 {
		problem += fmt.Sprintf("; in all, %d jobs would share %d destinations", len(jobs), len(all))
	}
	return &InputError{What: first.flag, Problems: []string{problem}, Hint: sharedHint(first.flag, columnsOf(writers, first.by))}
}

// columnsOf are the columns of some writers' rows; none where they are not known of all.
func columnsOf(writers []writer, some []int) (all []map[string]any) {
	for _, i := range some {
		if writers[i].columns == nil {
			return nil
		}
		all = append(all, writers[i].columns)
	}
	return all
}

// sharedHint says what to do about a destination that jobs of some rows share: use what
// differs between these.
func sharedHint(flag string, all []map[string]any) string {
	if flag == tagFlag && all != nil {
		return differHint(all)
	}
	hint := sharedHints[flag]
	if actions := differing(all); len(actions) > 0 {
		hint = strings.ReplaceAll(hint, "{{.Name}}", actions[0])
	}
	return hint
}

// What to do about a destination that jobs share.
var sharedHints = map[string]string{
	tagsAttribute:    "give each target tags of its own; of a matrix, with its values in them, such as ${task.id}",
	outputAttribute:  "give each target a destination of its own; of a matrix, with its values in it, such as ${task.id}",
	cacheToAttribute: "each would overwrite the other's cache: give each target one of its own",

	tagFlag:      "make the tag differ for each image, for example with {{.Name}}",
	MetadataFlag: "give each job its own, for example --metadata-file '{{.Name}}.json', or leave out the braces for one file that has all jobs",
	outputFlag:   "give each job its own: -o is a template, for example -o 'type=oci,dest=images/{{.Name}}.tar'",
	cacheToFlag:  "each would overwrite the other's cache: --cache-to is a template, for example --cache-to 'type=registry,ref=registry.example/cache:{{.Name}}'",
}
