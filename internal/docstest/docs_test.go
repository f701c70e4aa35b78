package docstest

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoker-build/stoker/internal/cli"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

// program is the name under which this test's binary is the stoker program.
const program = "stoker"

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == program {
		os.Exit(cli.Main(context.Background(), "docs", os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	labtest.Main(m)
}

// commandTimeout bounds one command of the documents.
const commandTimeout = 30 * time.Second

// TestCommands runs every stoker command of the documents on real parts, but for
// the README's quick start, which TestQuickStart runs as it stands. The commands
// of one document share a directory and run in their order. Of what usage.md's
// commands leave, record.md must name all fields.
func TestCommands(t *testing.T) {
	w := newWorkshop(t)
	for _, doc := range documents(t) {
		t.Run(doc.name, func(t *testing.T) {
			dir := w.directory(t)
			if doc.name == "README.md" {
				doc = doc.without(quickStart)
				w.run(t, dir, command{text: standIn})
			}
			for _, c := range doc.commands() {
				switch {
				case c.runs():
					w.run(t, dir, c)
				case !known(t, c.text):
					t.Errorf("%s:%d: %q is neither run nor known here", doc.name, c.line, c.text)
				}
			}
			if doc.name == "docs/usage.md" {
				checkFields(t, filepath.Join(dir, "stoker-out"))
			}
		})
	}
}

// standIn leaves what the README's quick start does, for the commands after it.
const standIn = "stoker build --images bases.txt -t 'registry.example/first:{{.Name}}' --push ./agent"

// checkFields makes sure that record.md names the fields of a run's files.
func checkFields(t *testing.T, dir string) {
	t.Helper()
	named := read(t, "docs/record.md")
	for _, name := range []string{"manifest.jsonl", "summary.json"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"([a-z_]+)":`).FindAllStringSubmatch(string(data), -1) {
			if !strings.Contains(named, "`"+m[1]+"`") {
				t.Errorf("docs/record.md does not name the field %s of %s", m[1], name)
			}
		}
	}
}

// A command that does not exist any more must not pass.
func TestUnknownFlagFails(t *testing.T) {
	w := newProgram(t)
	for _, text := range []string{
		"stoker build --images bases.txt -t 'registry.example/agent:{{.Name}}' --no-such-flag ./agent",
		"stoker no-such-command",
		"stoker build --images no-such-file.txt ./agent",
	} {
		if code, out := w.exec(t, w.directory(t), text); code != cli.ExitUsage {
			t.Errorf("%s: exit code %d, want %d\n%s", text, code, cli.ExitUsage, out)
		}
	}
}

// TestSWEBenchVerified runs the README's command for SWE-bench Verified as far as
// that goes without its images: it plans 500 of them.
func TestSWEBenchVerified(t *testing.T) {
	commands := document{name: "README.md", text: read(t, "README.md")}.commands()
	i := slices.IndexFunc(commands, func(c command) bool { return strings.Contains(c.text, "swebench-verified") })
	if i < 0 {
		t.Fatal("the README has no command for SWE-bench Verified")
	}
	w := newProgram(t)
	dir := w.directory(t)
	ids := "examples/swebench-verified-instances.txt"
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "examples"), 0o755), os.WriteFile(filepath.Join(dir, ids), []byte(read(t, ids)), 0o644)); err != nil {
		t.Fatal(err)
	}
	code, out := w.exec(t, dir, strings.Replace(commands[i].text, "--push", "--dry-run", 1))
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != cli.ExitOK || len(lines) != 500 || !strings.Contains(lines[0], "swebench/sweb.eval.x86_64.astropy_1776_astropy-12907\t") ||
		!strings.HasSuffix(lines[0], "/agent:astropy_1776_astropy-12907") {
		t.Errorf("exit code %d, %d lines, the first is\n%s", code, len(lines), lines[0])
	}
}

// others are the commands in the documents that are not run here: they change
// the machine, or need what a test has not.
var others = []*regexp.Regexp{
	regexp.MustCompile(`^docker buildx (create|use) `),
	regexp.MustCompile(`^git (clone|switch) `),
	regexp.MustCompile(`^cd `),
	regexp.MustCompile(`^sed .* examples/swebench-verified-instances.txt \| stoker build `), // TestSWEBenchVerified
}

var makeLine = regexp.MustCompile(`^make ([a-z-]+)$`)
var goLine = regexp.MustCompile(`^go (?:build -o \S+|run|test|vet)(?: -\S+(?: \d+m)?)* (\./\S*)`)

// known tells whether a command that is not run can be right: a target that the
// Makefile has, a package or a script that is there, or one of the others.
func known(t *testing.T, text string) bool {
	if m := makeLine.FindStringSubmatch(text); m != nil {
		makefile := read(t, "Makefile")
		return strings.Contains(makefile, "\n"+m[1]+":")
	}
	if m := goLine.FindStringSubmatch(text); m != nil {
		return exists(strings.TrimSuffix(m[1], "/..."))
	}
	if strings.HasPrefix(text, "./") || strings.HasPrefix(text, "tools/") {
		return exists(strings.Fields(text)[0])
	}
	return slices.ContainsFunc(others, func(r *regexp.Regexp) bool { return r.MatchString(text) })
}

// TestFlags compares the flags of the program with those of the documents: each
// is explained in usage.md, rows.md or builders.md, and none is mentioned that is
// not there.
func TestFlags(t *testing.T) {
	have := map[string]bool{"--version": true}
	for _, name := range []string{"build", "bake", "check", "plan", "du", "prune", "status", "report", "explain", "presets", "version"} {
		var help strings.Builder
		cli.Main(t.Context(), "docs", []string{name, "--help"}, cli.Streams{In: strings.NewReader(""), Out: &help, Err: &help})
		for _, m := range regexp.MustCompile(`(?m)^\s+(?:-\w, )?(--[a-z-]+)`).FindAllStringSubmatch(help.String(), -1) {
			have[m[1]] = true
		}
	}
	if len(have) < 40 {
		t.Fatalf("only %d flags found in the help texts", len(have))
	}
	explained := read(t, "docs/usage.md") + read(t, "docs/rows.md") + read(t, "docs/builders.md")
	for flag := range have {
		if !regexp.MustCompile("`"+flag+"[ `]").MatchString(explained) && flag != "--help" && flag != "--version" {
			t.Errorf("%s is explained in none of docs/usage.md, docs/rows.md and docs/builders.md", flag)
		}
	}
	mentioned := regexp.MustCompile("`(--[a-z][a-z-]+)[ `]")
	for _, doc := range documents(t) {
		for _, m := range mentioned.FindAllStringSubmatch(doc.text, -1) {
			if !have[m[1]] && !notOurs[m[1]] {
				t.Errorf("%s mentions %s, which no command has", doc.name, m[1])
			}
		}
	}
}

// notOurs are flags of other programs that the documents mention.
var notOurs = map[string]bool{"--link": true, "--chown": true, "--chmod": true, "--from": true, "--all": true, "--fix": true}

// TestLinks makes sure that links between the documents lead somewhere: to a file
// that is there, and to a heading that it has.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]*)(?:#([^)]*))?\)`)
	docs := documents(t)
	for _, doc := range docs {
		for _, m := range link.FindAllStringSubmatch(doc.text, -1) {
			target := doc.name
			if m[1] != "" {
				target = filepath.Join(filepath.Dir(doc.name), m[1])
			}
			i := slices.IndexFunc(docs, func(d document) bool { return d.name == target })
			switch {
			case !exists(target):
				t.Errorf("%s links to %s, which is not there", doc.name, m[1])
			case m[2] != "" && (i < 0 || !slices.Contains(docs[i].anchors(), m[2])):
				t.Errorf("%s links to %s, of which %s has no heading", doc.name, m[0][2:], target)
			}
		}
	}
}

func TestReadingOfDocuments(t *testing.T) {
	doc := document{name: "x.md", text: "a\n```sh\nstoker du # all\nA=1 stoker plan \\\n  --images x .\n```\n```text\nstoker no\n```\n" +
		"<!-- exit 2 -->\n```sh\n$ ls\nstoker bad\n```\n## Part\n```sh\nA\n```\n### Of it\n```text\nB\n```\n## Next\n"}
	want := []command{
		{"stoker du", 3, 0}, {"A=1 stoker plan --images x .", 4, 0}, {"$ ls", 12, 2}, {"stoker bad", 13, 2}, {"A", 17, 0},
	}
	got := doc.commands()
	if !slices.Equal(got, want) {
		t.Errorf("commands %+v, want %+v", got, want)
	}
	for i, runs := range []bool{true, true, false, true} {
		if got[i].runs() != runs {
			t.Errorf("%q runs: %t", got[i].text, got[i].runs())
		}
	}
	if blocks := doc.section("Part").blocks(); len(blocks) != 2 || blocks[0].line != 17 || blocks[1].language != "text" || blocks[1].lines[0] != "B" {
		t.Errorf("the section's blocks are %+v", blocks)
	}
	if rest := doc.without("Part").commands(); !slices.Equal(rest, want[:4]) {
		t.Errorf("without the section: %+v", rest)
	}
	if anchors := (document{text: "# A `b.c` --d\n```sh\n# no\n```\n## Of it\n"}).anchors(); !slices.Equal(anchors, []string{"a-bc---d", "of-it"}) {
		t.Errorf("anchors %q", anchors)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func exists(name string) bool {
	_, err := os.Stat(filepath.Join(root, name))
	return err == nil
}

func documents(t *testing.T) []document {
	t.Helper()
	var docs []document
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			name, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			docs = append(docs, document{name, read(t, name)})
		}
	}
	if !slices.ContainsFunc(docs, func(d document) bool { return d.name == "README.md" }) {
		t.Fatal("README.md was not found")
	}
	slices.SortFunc(docs, func(a, b document) int { return cmp.Compare(a.name, b.name) })
	return docs
}
