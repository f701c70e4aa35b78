package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// least is how many bytes a step writes at least, which makes its layer unlike any other.
const least = 16

// dockerfile is a Dockerfile as it is written.
type dockerfile struct {
	tally *Tally
	lines strings.Builder
	runs  []string // the names of the RUN steps
}

func (d *dockerfile) line(format string, args ...any) { fmt.Fprintf(&d.lines, format+"\n", args...) }

// run adds a RUN step that reports to the tally, where there is one. alias is its name as the
// shell is given it, with the variables that the name depends on.
func (d *dockerfile) run(name, alias, command string) {
	d.runs = append(d.runs, name)
	if d.tally != nil {
		command = d.tally.Report(alias) + " && " + command
	}
	d.line("RUN %s", command)
}

func (d *dockerfile) text(syntax string) string { return syntaxLine(syntax) + d.lines.String() }

// writeFiles writes files into a directory, which is made if it is missing.
func writeFiles(dir string, files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// syntaxLine is the first line of a Dockerfile for a frontend's image; none for an empty one.
func syntaxLine(frontend string) string {
	if frontend == "" {
		return ""
	}
	return "# syntax=" + frontend + "\n"
}

// writeRandom is a shell command that writes random bytes to a file, so that a step that ran twice
// left two different layers. dd tells when the disk is full, where busybox's other commands speak
// of an I/O error. bytes is a number or a variable.
func writeRandom(bytes any, file string) string {
	return fmt.Sprintf(`head -c %v /dev/urandom | dd of=%s bs=64k`, bytes, file)
}
