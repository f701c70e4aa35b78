// Command portable checks that Stoker compiles for the systems that it is given
// as OS/ARCH: it type-checks Stoker's own packages in full, and of what they are
// made of only what these can see. That takes seconds, where compiling all of it
// for another system takes minutes. It runs in its own directory.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/tools/go/packages"
)

// program is all of Stoker that people get.
const program = "github.com/stoker-build/stoker/cmd/stoker"

func main() {
	failed := false
	for _, system := range os.Args[1:] {
		if err := check(system); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", system, err)
			failed = true
			continue
		}
		fmt.Println("compiles for", system)
	}
	if failed {
		os.Exit(1)
	}
}

func check(system string) error {
	goos, arch, found := strings.Cut(system, "/")
	if !found {
		return errors.New("this is not OS/ARCH")
	}
	config := packages.Config{
		Mode: packages.NeedName | packages.NeedImports | packages.NeedDeps | packages.NeedModule,
		Dir:  "../..",
		Env:  append(os.Environ(), "GOOS="+goos, "GOARCH="+arch, "CGO_ENABLED=0"),
	}
	all, err := packages.Load(&config, program)
	if err != nil {
		return err
	}
	var own []string
	for p := range packages.Postorder(all) {
		if p.Module != nil && p.Module.Main {
			own = append(own, p.PkgPath)
		}
	}
	// Of packages that are not asked for by name, functions' bodies are left out.
	config.Mode |= packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedTypes | packages.NeedTypesSizes | packages.NeedSyntax
	all, err = packages.Load(&config, own...)
	if err != nil {
		return err
	}
	var errs []error
	for p := range packages.Postorder(all) {
		for _, e := range p.Errors {
			errs = append(errs, e)
		}
	}
	return errors.Join(errs...)
}
