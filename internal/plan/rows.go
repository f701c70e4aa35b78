package plan

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"unicode/utf8"

	"github.com/stoker-build/stoker/internal/imageref"
)

// Input is the rows that a plan is made of: one job for each.
type Input struct {
	// Name is what a person calls it, such as a file's name.
	Name string
	Rows []Row
	// Notes are remarks about it that a person should see, such as rows that
	// were listed twice.
	Notes []string
}

// Row is one line of input. Its columns can be used in every templated flag.
type Row struct {
	Line int
	// columns are what templates see. Values are strings, int64, json.Number,
	// bool, []any and map[string]any.
	columns map[string]any
	// base is the image reference that an image list's line is, as it is
	// written; empty for other rows.
	base string
	// name is the name that the row's job would like to have, and whole tells
	// the row from others that would like the same.
	name, whole string
}

// ImageRows makes rows of an image list.
func ImageRows(images []Image) ([]Row, error) {
	rows := make([]Row, len(images))
	for i, img := range images {
		columns, err := imageColumns(img.Ref)
		if err != nil {
			return nil, err
		}
		columns["Index"] = i
		rows[i] = Row{Line: img.Line, columns: columns, base: img.Ref,
			name: columns["Name"].(string), whole: columns["Ref"].(string)}
	}
	return rows, nil
}

// imageColumns are the parts of a reference: Ref with registry and tag spelled
// out, Repo without tag and digest, Name as the last path element of that, and
// Tag, which is empty when the image is given by digest alone.
func imageColumns(ref string) (map[string]any, error) {
	parsed, err := imageref.Parse(ref)
	if err != nil {
		return nil, err
	}
	return map[string]any{"Ref": parsed.String(), "Repo": parsed.Repository(), "Name": path.Base(parsed.Path()), "Tag": parsed.Tag()}, nil
}

// The longest line that rows may have, in bytes: rows of a dataset may hold
// whole patches and logs.
const maxRow = 16 << 20

var errRowTooLong = fmt.Errorf("it is longer than %d bytes", maxRow)

// ReadRows reads JSON Lines: one object on each line, blank lines allowed. A
// line that is there again is left out and mentioned in the input's notes. What
// cannot be read, or holds no row at all, is an *InputError that lists every bad
// line.
func ReadRows(name string, r io.Reader) (Input, error) {
	in := Input{Name: name}
	var found findings
	seen := map[[sha256.Size]byte]int{}
	lines := rowReader{bufio.NewReaderSize(r, 64<<10)}
	for number := 1; ; number++ {
		line, err := lines.next()
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, errRowTooLong) {
			return Input{}, fmt.Errorf("%s: %w", name, err)
		}
		if number == 1 {
			line = bytes.TrimPrefix(line, byteOrderMark)
		}
		sum := sha256.Sum256(line)
		first, again := seen[sum]
		switch {
		case errors.Is(err, errRowTooLong):
			found.add(number, err)
		case len(line) == 0:
		case again:
			in.Notes = append(in.Notes, fmt.Sprintf("%s line %d is the same as line %d; it is built once", name, number, first))
		default:
			seen[sum] = number
			row, err := readRow(line, number)
			if err != nil {
				found.add(number, err)
				break
			}
			in.Rows = append(in.Rows, row)
		}
		if errors.Is(err, io.EOF) {
			break
		}
	}
	found.hint = "each line must be one JSON object, such as {\"id\": \"one\"}; jq -c '.[]' makes such lines of an array"
	if err := found.err(name); err != nil {
		return Input{}, err
	}
	if len(in.Rows) == 0 {
		return Input{}, &InputError{What: name, Problems: []string{"no rows in it"}, Hint: found.hint}
	}
	return in, nil
}

// rowReader reads lines and holds no more than maxRow bytes of each.
type rowReader struct{ *bufio.Reader }

// next returns a line without the blanks around it. The error is errRowTooLong
// for one that is left out, and io.EOF with the last.
func (r rowReader) next() ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := r.ReadSlice('\n')
		long = long || len(line)+len(part) > maxRow
		if !long {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case long && (err == nil || errors.Is(err, io.EOF)):
			return nil, errRowTooLong
		default:
			return bytes.TrimSpace(line), err
		}
	}
}

// readRow reads the object on a line.
func readRow(line []byte, number int) (Row, error) {
	if !utf8.Valid(line) {
		return Row{}, errors.New("it is not UTF-8 text")
	}
	columns, err := readObject(line)
	if err != nil {
		return Row{}, err
	}
	return Row{Line: number, columns: columns, name: rowName(columns, number), whole: string(line)}, nil
}

func readObject(line []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more on it than one JSON value")
	}
	object, ok := tidy(value).(map[string]any)
	if !ok {
		return nil, errors.New("it is not a JSON object")
	}
	return object, nil
}

// tidy makes a value fit for templates: whole numbers are int64, so that they
// can be compared and counted with; others stay as they are written, since 3.10
// may be a version. A null is as if its key were not there.
func tidy(value any) any {
	switch v := value.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n
		}
	case []any:
		for i := range v {
			v[i] = tidy(v[i])
		}
	case map[string]any:
		for key, inner := range v {
			if inner == nil {
				delete(v, key)
				continue
			}
			v[key] = tidy(inner)
		}
	}
	return value
}

// The columns that name a row's job, the first that the row has.
var nameColumns = []string{"id", "instance_id", "name"}

func rowName(columns map[string]any, line int) string {
	for _, key := range nameColumns {
		switch v := columns[key].(type) {
		case string:
			if safeName(v) != "" {
				return v
			}
		case int64, json.Number:
			return fmt.Sprint(v)
		}
	}
	return fmt.Sprintf("row-%d", line)
}
