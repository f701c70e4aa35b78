package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/stoker-build/stoker/internal/rows"
	"github.com/stoker-build/stoker/internal/rows/file"
	imagelist "github.com/stoker-build/stoker/internal/rows/images"
)

// standardInput is what messages call what - stands for.
const standardInput = "standard input"

// inputFlag returns which flag says what is to be built, and what it names.
func (o inputOptions) inputFlag() (flag, name string, err error) {
	for _, way := range []struct{ flag, name string }{{"--images", o.images}, {"--rows", o.rows}} {
		switch {
		case way.name == "":
		case flag != "":
			return "", "", &flagError{fmt.Errorf("%s and %s are two ways to say what to build: give one of them", flag, way.flag)}
		default:
			flag, name = way.flag, way.name
		}
	}
	if flag == "" {
		return "", "", &flagError{errors.New("--images FILE or --rows FILE is needed: a list of base images, one reference per line, " +
			"or rows as JSON Lines, one object per line (- for standard input)")}
	}
	return flag, name, nil
}

// readRows reads what is to be built.
func (o inputOptions) readRows(stdin io.Reader) (rows.Input, error) {
	flag, name, err := o.inputFlag()
	switch {
	case err != nil:
		return rows.Input{}, err
	case name == "-" && o.file == "-":
		return rows.Input{}, &flagError{fmt.Errorf("%s and -f cannot both be read from standard input", flag)}
	case flag == "--images":
		return readImageRows(name, stdin)
	case name == "-":
		return file.Stream(standardInput, stdin)
	}
	in, err := file.Read(name)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		err = fmt.Errorf("--rows: %w", err)
	}
	return in, err
}

func readImageRows(name string, stdin io.Reader) (rows.Input, error) {
	list, notes, err := readImageList(name, stdin)
	if err != nil {
		return rows.Input{}, err
	}
	return imagelist.Input(name, list, notes)
}
