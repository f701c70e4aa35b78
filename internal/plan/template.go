package plan

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/Masterminds/sprig/v3"
	"github.com/distribution/reference"
)

// Fields are what a tag template can use.
type Fields struct {
	// Ref is the base image's full reference, registry and tag spelled out.
	Ref string
	// Repo is Ref without tag and digest.
	Repo string
	// Name is the last path element of Repo.
	Name string
	// Tag is the base image's tag; empty when it is given by digest alone.
	Tag string
	// Index is the job's place in the input; the first is 0.
	Index int
	// DockerfileHash changes when the Dockerfile, the build arguments or the
	// target change: 12 hexadecimal digits.
	DockerfileHash string

	gitSHA func() (string, error)
}

// GitSHA is the commit that the build context is at. It is an error where the
// context is not a git work tree.
func (f Fields) GitSHA() (string, error) { return f.gitSHA() }

// The functions that a tag template can use: those of sprig that turn strings
// into strings. None of them reads a file, the environment or the clock, or can
// be made to run for long.
var sprigFuncs = []string{
	"lower", "upper", "title", "trim", "trimAll", "trimPrefix", "trimSuffix",
	"replace", "trunc", "substr", "nospace", "contains", "hasPrefix", "hasSuffix",
	"regexReplaceAll", "regexReplaceAllLiteral", "regexFind", "regexMatch",
	"splitList", "join", "first", "last", "default", "ternary", "sha256sum",
	"add", "sub", "mod", "snakecase", "kebabcase", "base", "dir",
}

func templateFuncs() template.FuncMap {
	all := sprig.HermeticTxtFuncMap()
	funcs := template.FuncMap{"slug": slug}
	for _, name := range sprigFuncs {
		funcs[name] = all[name]
	}
	return funcs
}

var notInSlug = regexp.MustCompile(`[^a-z0-9]+`)

// slug makes a text fit for any place in a tag: lower case, letters and digits
// with single dashes between.
func slug(s string) string {
	return strings.Trim(notInSlug.ReplaceAllString(strings.ToLower(s), "-"), "-")
}

// TagTemplate is a parsed tag template.
type TagTemplate struct {
	text string
	tmpl *template.Template
}

// ParseTagTemplate reads one -t flag. An unknown function or a syntax error is
// an *InputError.
func ParseTagTemplate(text string) (*TagTemplate, error) {
	tmpl, err := template.New("tag").Option("missingkey=error").Funcs(templateFuncs()).Parse(text)
	if err != nil {
		return nil, tagError(text, err.Error())
	}
	if loops(tmpl) {
		return nil, tagError(text, "range, template, block and define are not for tags")
	}
	return &TagTemplate{text: text, tmpl: tmpl}, nil
}

// loops tells whether a template could run for longer than its text is long:
// by a range (over a large number, say) or by calling itself.
func loops(tmpl *template.Template) bool {
	if len(tmpl.Templates()) > 1 {
		return true
	}
	var visit func(parse.Node) bool
	visit = func(n parse.Node) bool {
		switch n := n.(type) {
		case *parse.RangeNode, *parse.TemplateNode:
			return true
		case *parse.ListNode:
			return n != nil && slices.ContainsFunc(n.Nodes, visit)
		case *parse.IfNode:
			return visit(n.List) || visit(n.ElseList)
		case *parse.WithNode:
			return visit(n.List) || visit(n.ElseList)
		}
		return false
	}
	return tmpl.Tree != nil && visit(tmpl.Root)
}

// Tag expands the template. An unknown field or a result that is no valid tag
// is an *InputError.
func (t *TagTemplate) Tag(f Fields) (string, error) {
	var b strings.Builder
	if err := t.tmpl.Execute(&limitedWriter{w: &b, left: maxTag}, f); err != nil {
		return "", tagError(t.text, fmt.Sprintf("for %s: %s", f.Ref, err))
	}
	named, err := parseRef(b.String())
	if err != nil {
		return "", tagError(t.text, fmt.Sprintf("for %s: the result %q is not a valid tag: %s", f.Ref, b.String(), err))
	}
	if _, digested := named.(reference.Digested); digested {
		return "", tagError(t.text, fmt.Sprintf("for %s: the result %q has a digest; a tag cannot", f.Ref, b.String()))
	}
	return named.String(), nil
}

func tagError(text, problem string) error {
	return &InputError{
		What:     fmt.Sprintf("tag template %q", text),
		Problems: []string{strings.TrimPrefix(problem, "template: ")},
		Hint:     "fields: .Ref .Name .Tag .Repo .Index .DockerfileHash .GitSHA",
	}
}

// The longest text that a tag template may produce, in bytes.
const maxTag = 4096

// limitedWriter refuses to write more than it was allowed to.
type limitedWriter struct {
	w    *strings.Builder
	left int
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	if len(p) > l.left {
		return 0, fmt.Errorf("the result is longer than %d bytes", maxTag)
	}
	l.left -= len(p)
	return l.w.Write(p)
}

// fieldsOf returns the fields that come from the base image's reference.
func fieldsOf(ref string, index int) (Fields, error) {
	named, err := parseRef(ref)
	if err != nil {
		return Fields{}, err
	}
	f := Fields{
		Ref:   named.String(),
		Repo:  named.Name(),
		Name:  path.Base(named.Name()),
		Index: index,
	}
	if tagged, ok := named.(reference.Tagged); ok {
		f.Tag = tagged.Tag()
	}
	return f, nil
}
