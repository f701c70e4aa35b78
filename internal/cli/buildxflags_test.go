package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// leftOut are the flags of docker buildx build that stoker build does not have, and
// why.
var leftOut = map[string]string{
	"policy":       "a policy beside a Dockerfile is used; other ones are yet to be asked for",
	"print":        "hidden: an older name of --call",
	"memory":       "hidden: --resource memory=",
	"memory-swap":  "hidden: --resource memory-swap=",
	"cpu-shares":   "hidden: --resource cpu-shares=",
	"cpu-period":   "hidden: --resource cpu-period=",
	"cpu-quota":    "hidden: --resource cpu-quota=",
	"cpuset-cpus":  "hidden: --resource cpuset-cpus=",
	"cpuset-mems":  "hidden: --resource cpuset-mems=",
	"compress":     "hidden: without effect",
	"isolation":    "hidden: without effect",
	"security-opt": "hidden: without effect",
	"squash":       "hidden: without effect",
	"rm":           "hidden: without effect",
	"force-rm":     "hidden: without effect",
}

// Every flag of docker buildx build is one of stoker build, with the same short form,
// or is left out for a reason.
func TestFlagsOfBuildx(t *testing.T) {
	theirs := buildxFlags(t)
	if len(theirs) < 40 {
		t.Fatalf("only %d flags found in buildx", len(theirs))
	}
	var ours *pflag.FlagSet
	for _, cmd := range newRoot(Streams{Version: "test", Out: io.Discard, Err: io.Discard}).Commands() {
		if cmd.Name() == "build" {
			ours = cmd.Flags()
		}
	}
	for name, short := range theirs {
		flag, reason := ours.Lookup(name), leftOut[name]
		switch {
		case flag == nil && reason == "":
			t.Errorf("buildx has --%s, which is neither a flag here nor left out for a reason", name)
		case flag != nil && reason != "":
			t.Errorf("--%s is said to be left out, and is there", name)
		case flag != nil && flag.Shorthand != short:
			t.Errorf("--%s is -%s in short, and in buildx -%s", name, flag.Shorthand, short)
		}
	}
	for name := range leftOut {
		if _, there := theirs[name]; !there {
			t.Errorf("--%s is said to be left out, and buildx has no such flag", name)
		}
	}
}

// buildxFlags reads the flags of docker buildx build, with their short forms, in the
// source of the version that is built in here. To import the package of its commands would take in
// all that bake needs.
func buildxFlags(t *testing.T) map[string]string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/docker/buildx").Output()
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(strings.TrimSpace(string(dir)), "commands", "build.go"), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	flags := map[string]string{}
	for _, decl := range file.Decls {
		function, ok := decl.(*ast.FuncDecl)
		if !ok || function.Name.Name != "buildCmd" && function.Name.Name != "commonBuildFlags" {
			continue
		}
		ast.Inspect(function, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				addFlag(flags, call)
			}
			return true
		})
	}
	return flags
}

// addFlag notes the flag that a call of a flag set's method adds, if it does: flags.Bool(NAME, ...) or
// flags.BoolVarP(TO, NAME, SHORT, ...).
func addFlag(flags map[string]string, call *ast.CallExpr) {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return
	}
	set, ok := method.X.(*ast.Ident)
	if !ok || set.Name != "flags" {
		return
	}
	at := 0
	if strings.Contains(method.Sel.Name, "Var") {
		at = 1
	} else if method.Sel.Name != "Bool" && method.Sel.Name != "String" {
		return
	}
	name, short := text(call.Args, at), ""
	if strings.HasSuffix(method.Sel.Name, "P") || strings.HasSuffix(method.Sel.Name, "PF") {
		short = text(call.Args, at+1)
	}
	if name != "" {
		flags[name] = short
	}
}

// text returns an argument that is a text.
func text(args []ast.Expr, at int) string {
	if at >= len(args) {
		return ""
	}
	literal, ok := args[at].(*ast.BasicLit)
	if !ok {
		return ""
	}
	value, _ := strconv.Unquote(literal.Value)
	return value
}
