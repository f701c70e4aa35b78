package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/rows"
	"github.com/stoker-build/stoker/internal/rows/choose"
	"github.com/stoker-build/stoker/internal/rows/each"
	"github.com/stoker-build/stoker/internal/rows/file"
	imagelist "github.com/stoker-build/stoker/internal/rows/images"
)

// rowOptions say which rows jobs are made of.
type rowOptions struct {
	images     string
	rows       string
	each       string
	eachData   string
	where      string
	selectFile string
	sample     int
	seed       int
}

func (o *rowOptions) addTo(f *pflag.FlagSet) {
	once(f, &o.images, "images", "`FILE` with one base image reference per line (- for standard input)")
	once(f, &o.rows, "rows", "`FILE` with rows, whose columns the templates use: JSON Lines, JSON, CSV, TSV, Parquet, or an id on each line (- for standard input)")
	once(f, &o.each, "each", "`PATTERN` of files or directories, such as 'tasks/*/Dockerfile': a row for each, with .Path, .Dir and .Name")
	f.StringVar(&o.eachData, "each-data", "", "`PATTERN` of a file of TOML, YAML or JSON whose values a row of --each has too, such as '{{.Dir}}/task.{toml,yaml,json}'")
	f.StringVar(&o.where, "where", "", "build only rows of which `EXPR` is true, such as 'lang == \"go\" and stars > 100'")
	f.StringVar(&o.selectFile, "select", "", "build only rows whose ids are in `FILE`, one on each line (- for standard input)")
	f.IntVar(&o.sample, "sample", 0, "build only `N` rows, chosen by chance (0: all)")
	f.IntVar(&o.seed, "seed", 1, "`S` that decides which rows --sample chooses: with the same one the same rows")
}

// check finds flags that make no sense whatever the input is.
func (o rowOptions) check() error {
	switch {
	case o.sample < 0:
		return &flagError{fmt.Errorf("--sample %d: it cannot be negative", o.sample)}
	case o.eachData != "" && o.each == "":
		return &flagError{errors.New("--each-data is for rows of --each alone: others have their values in their file")}
	case o.selectFile == "-" && (o.images == "-" || o.rows == "-"):
		return &flagError{errors.New("--select and the rows cannot both be read from standard input")}
	}
	return nil
}

// standardInput is what messages call what - stands for.
const standardInput = "standard input"

// inputFlag returns which flag says what is to be built.
func (o rowOptions) inputFlag() (flag string, err error) {
	for _, way := range []struct{ flag, value string }{{"--images", o.images}, {"--rows", o.rows}, {each.Flag, o.each}} {
		switch {
		case way.value == "":
		case flag != "":
			return "", &flagError{fmt.Errorf("%s and %s are two ways to say what to build: give one of them", flag, way.flag)}
		default:
			flag = way.flag
		}
	}
	if flag == "" {
		return "", &flagError{errors.New("--images FILE, --rows FILE or --each PATTERN is needed: a list of base images, one reference per line; " +
			"rows as JSON Lines, JSON, CSV, TSV, Parquet or ids; or files such as 'tasks/*/Dockerfile' (- for standard input)")}
	}
	return flag, nil
}

// readRows reads the rows, and keeps those that are chosen. The file is the -f of all of
// them that is meant where none is given.
func (o inputOptions) readRows(stdin io.Reader) (in rows.Input, file string, err error) {
	flag, err := o.inputFlag()
	if err != nil {
		return in, "", err
	}
	if o.file == "-" && (o.images == "-" || o.rows == "-" || o.selectFile == "-") {
		return in, "", &flagError{errors.New("-f and the rows, or --select, cannot both be read from standard input")}
	}
	choice := choose.Choice{Where: o.where, Sample: o.sample, Seed: o.seed}
	if choice.Select, err = o.readSelect(stdin); err != nil {
		return in, "", err
	}
	switch flag {
	case "--images":
		in, err = readImageRows(o.images, stdin)
	case "--rows":
		in, err = readFileRows(o.rows, stdin)
	default:
		in, file, err = o.readEach()
	}
	if err != nil {
		return in, "", err
	}
	chosen, err := choice.From(in)
	if err != nil {
		err = keepFrom(err, rowSecrets(in))
	}
	return chosen, file, err
}

func readImageRows(name string, stdin io.Reader) (rows.Input, error) {
	list, notes, err := readImageList(name, stdin)
	if err != nil {
		return rows.Input{}, err
	}
	return imagelist.Input(name, list, notes)
}

func readFileRows(name string, stdin io.Reader) (rows.Input, error) {
	if name == "-" {
		return file.Stream(standardInput, stdin)
	}
	in, err := file.Read(name)
	if errors.As(err, new(*os.PathError)) {
		err = fmt.Errorf("--rows: %w", err)
	}
	return in, err
}

// readEach finds what --each matches. A Dockerfile that it matches is its row's own.
func (o inputOptions) readEach() (in rows.Input, file string, err error) {
	q := each.Question{Pattern: o.each, AllowOutside: o.allowOutside}
	if o.eachData != "" {
		if q.Data, err = plan.Template(each.DataFlag, o.eachData); err != nil {
			return in, "", err
		}
	}
	found, err := each.Rows(q)
	if err == nil && found.Dockerfiles {
		file = "{{.Path}}"
	}
	return found.Input, file, err
}

// readSelect reads the ids of the rows that are chosen; nil for no list.
func (o rowOptions) readSelect(stdin io.Reader) (*choose.List, error) {
	switch o.selectFile {
	case "":
		return nil, nil
	case "-":
		return choose.ReadList(standardInput, stdin)
	}
	f, err := os.Open(o.selectFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", choose.SelectFlag, err)
	}
	defer f.Close()
	return choose.ReadList(o.selectFile, f)
}
