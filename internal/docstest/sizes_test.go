package docstest

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What a reader can take in at once.
const (
	mostLines   = 350
	mostFields  = 12
	mostMethods = 20
)

// large is how a type's comment begins the line with the reason for which it has
// more fields or methods.
var large = regexp.MustCompile(`(?m)^Large: \S+( \S+){3}`)

// TestSizes makes sure that files and types stay of a size that can be read.
func TestSizes(t *testing.T) {
	files := goFiles(t)
	for _, text := range oversized(files) {
		t.Error(text)
	}
}

// goFile is a file of Go, by its path in the repository.
type goFile struct {
	name   string
	lines  int
	syntax *ast.File
}

// goFiles are those of the repository.
func goFiles(t *testing.T) (files []goFile) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && name != root && strings.HasPrefix(entry.Name(), ".") {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(name) != ".go" {
			return nil
		}
		name, err = filepath.Rel(root, name)
		if err != nil {
			return err
		}
		files = append(files, parse(t, filepath.ToSlash(name), read(t, name)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 100 {
		t.Fatalf("only %d files of Go were found", len(files))
	}
	return files
}

func parse(t *testing.T, name, text string) goFile {
	t.Helper()
	syntax, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return goFile{name, strings.Count(text, "\n"), syntax}
}

// size is what is counted of a type.
type size struct {
	file, comment   string
	fields, methods int
}

// oversized tells of files and types that are too large without a reason, and of
// reasons that nothing needs.
func oversized(files []goFile) (found []string) {
	for _, f := range files {
		if f.lines > mostLines {
			found = append(found, fmt.Sprintf("%s has %d lines, more than %d: split it by subject", f.name, f.lines, mostLines))
		}
	}
	sizes := sizesOf(files)
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		s := sizes[name]
		is, has := s.fields > mostFields || s.methods > mostMethods, large.MatchString(s.comment)
		switch {
		case is && !has:
			found = append(found, fmt.Sprintf("%s: %s has %d fields and %d methods, more than %d or %d: split it, or say in a line of its comment why not, as \"Large: \" and the reason",
				s.file, name, s.fields, s.methods, mostFields, mostMethods))
		case has && !is:
			found = append(found, fmt.Sprintf("%s: %s gives a reason for its size, but is no larger than others", s.file, name))
		}
	}
	return found
}

// sizesOf counts types' fields and methods, by the types' directories and names.
// What is embedded counts as one field.
func sizesOf(files []goFile) map[string]*size {
	sizes := map[string]*size{}
	of := func(f goFile, name string) *size {
		key := path.Dir(f.name) + "." + name
		if sizes[key] == nil {
			sizes[key] = &size{}
		}
		return sizes[key]
	}
	for _, f := range files {
		for _, d := range f.syntax.Decls {
			switch d := d.(type) {
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if named, is := spec.(*ast.TypeSpec); is {
						s := of(f, named.Name.Name)
						s.file, s.comment = f.name, cmp.Or(named.Doc.Text(), d.Doc.Text())
						s.measure(named.Type)
					}
				}
			case *ast.FuncDecl:
				if d.Recv != nil {
					of(f, receiver(d.Recv.List[0].Type)).methods++
				}
			}
		}
	}
	return sizes
}

func (s *size) measure(typ ast.Expr) {
	switch typ := typ.(type) {
	case *ast.StructType:
		s.fields += typ.Fields.NumFields()
	case *ast.InterfaceType:
		s.methods += typ.Methods.NumFields()
	}
}

// receiver is the name of a receiver's type.
func receiver(typ ast.Expr) string {
	switch typ := typ.(type) {
	case *ast.StarExpr:
		return receiver(typ.X)
	case *ast.IndexExpr:
		return receiver(typ.X)
	case *ast.IndexListExpr:
		return receiver(typ.X)
	case *ast.Ident:
		return typ.Name
	}
	return ""
}

func TestReadingOfSizes(t *testing.T) {
	fields := strings.Repeat("\n\t_ int", mostFields)
	methods := strings.Repeat("func (T[K]) M() {}\n", mostMethods)
	tests := []struct{ name, text, want string }{
		{"as large as can be", "type T[K any] struct {" + fields + "\n}\n" + methods, ""},
		{"a field too many", "type T struct {" + fields + "\n\tU\n}\n", "has 13 fields"},
		{"two names in one line", "type T struct {" + fields[len("\n\t_ int"):] + "\n\ta, b int\n}\n", "has 13 fields"},
		{"a method too many", "type T[K any] struct{}\n" + methods + "func (*T[K]) N() {}\n", "21 methods"},
		{"too much asked", "type T interface {" + strings.Repeat("\n\tM()", mostMethods+1) + "\n}\n", "21 methods"},
		{"a reason", "// T is large.\n//\n// Large: it has to be so.\ntype T struct {" + fields + "\n\tU\n}\n", ""},
		{"no reason", "// T is large.\n//\n// Large: yes.\ntype T struct {" + fields + "\n\tU\n}\n", "has 13 fields"},
		{"a reason for nothing", "// T is small.\n//\n// Large: it was once very large.\ntype T struct{}\n", "no larger than others"},
		{"a long file", strings.Repeat("\n", mostLines), "lines, more than 350"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(oversized([]goFile{parse(t, "a/x.go", "package a\n"+tt.text)}), "\n")
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}
