package cli

import (
	"fmt"
	"os"
	"slices"

	"github.com/stoker-build/stoker/internal/paths"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/rows/choose"
	"github.com/stoker-build/stoker/internal/rows/each"
	"github.com/stoker-build/stoker/internal/show"
)

// checkWrites makes sure that nothing which the run writes takes the place of what it
// reads, of its own record, or of something else that it writes.
func (o buildOptions) checkWrites(p *plan.Plan) error {
	if err := o.run.checkStdout(p); err != nil {
		return err
	}
	builds, reports := p.Writes(), append(o.input.reports(p), o.run.metricsFiles()...)
	all := slices.Concat(builds, reports)
	if err := o.run.checkRecord(all); err != nil {
		return err
	}
	if err := checkInputs(all, o.inputFiles(p)); err != nil {
		return err
	}
	return checkReports(builds, reports)
}

// checkStdout makes sure that standard output is not used for two things.
func (o runOptions) checkStdout(p *plan.Plan) error {
	mode := show.Mode(o.progress)
	if mode != show.ModeJSON && mode != show.ModeQuiet || !p.UsesStdout() {
		return nil
	}
	return &plan.InputError{What: "--output", Problems: []string{fmt.Sprintf("the image is to go to standard output, where --progress %s writes, too", mode)},
		Hint: "write the image into a file with dest=FILE, or use --progress plain, which goes to standard error"}
}

// checkRecord keeps the output directory for the record of the run.
func (o runOptions) checkRecord(all []plan.Written) error {
	dir := paths.Key(o.outputDir)
	for _, w := range all {
		if paths.Within(dir, w.Key) {
			return &plan.InputError{What: w.Flag, Problems: []string{fmt.Sprintf("%q is in the output directory %q, which is for the record of the run alone", w.Path, o.outputDir)},
				Hint: "name a place outside of it, or another output directory with --output-dir"}
		}
	}
	return nil
}

// checkInputs makes sure that no file is written that the run is made from.
func checkInputs(all []plan.Written, inputs []inputFile) error {
	for _, w := range all {
		info, err := os.Stat(w.Path)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		for _, in := range inputs {
			if os.SameFile(in.info, info) {
				return &plan.InputError{What: w.Flag, Problems: []string{fmt.Sprintf("%q is the file that %s reads, and would be overwritten", w.Path, in.flag)},
					Hint: "name another file to write to"}
			}
		}
	}
	return nil
}

// inputFile is a file that is read, and the flag that names it.
type inputFile struct {
	flag string
	info os.FileInfo
}

// inputFiles are what says what is to be built, the Dockerfiles, what steps are given, and how
// the builder is reached.
func (o buildOptions) inputFiles(p *plan.Plan) (all []inputFile) {
	known := map[string]bool{}
	add := func(flag, path string) {
		info, err := os.Stat(path)
		if path != "-" && err == nil && !known[path] {
			all = append(all, inputFile{flag, info})
		}
		known[path] = true
	}
	add("--images", o.input.images)
	add("--rows", o.input.rows)
	add(choose.SelectFlag, o.input.selectFile)
	for _, path := range o.input.definitions {
		add("-f", path)
	}
	for _, path := range p.Sidecars {
		add(each.DataFlag, path)
	}
	for _, j := range plan.WithLinked(p.Jobs) {
		add("-f", j.Source.Name())
		for _, s := range j.Options.SecretSpecs {
			add("--secret", secretFile(s))
		}
		for _, s := range j.Options.SSHSpecs {
			for _, path := range s.Paths {
				add("--ssh", path)
			}
		}
	}
	add("--buildkitd", o.builder.buildkitd)
	add("--buildkitd-config", o.builder.config)
	add("--tlscacert", o.builder.tls.CACert)
	add("--tlscert", o.builder.tls.Cert)
	add("--tlskey", o.builder.tls.Key)
	add("--recover-lock", o.run.recoverBy)
	return all
}

// checkReports makes sure that files which tell of images are nothing else that is
// written.
func checkReports(builds, reports []plan.Written) error {
	at := map[string]string{}
	for _, w := range builds {
		at[w.Key] = w.Flag
	}
	for _, r := range reports {
		if paths.InPlace(r.Path) {
			continue
		}
		if flag, taken := at[r.Key]; taken {
			return &plan.InputError{What: r.Flag, Problems: []string{fmt.Sprintf("%q is what %s writes, and would be overwritten", r.Path, flag)},
				Hint: "give each its own file"}
		}
		at[r.Key] = r.Flag
	}
	return nil
}
