package each

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"go.yaml.in/yaml/v3"

	"github.com/stoker-build/stoker/internal/mistakes"
	"github.com/stoker-build/stoker/internal/rows"
)

// decoders read files of data, by how their names end.
var decoders = map[string]func([]byte) (map[string]any, error){
	".json": rows.ReadObject, ".toml": readTOML, ".yaml": readYAML, ".yml": readYAML,
}

func extension(path string) string { return strings.ToLower(filepath.Ext(path)) }

// addSidecar gives a row its columns: those of its match, and the values of its sidecar.
func (a *Answer) addSidecar(row *rows.Row, columns map[string]any, data func(map[string]any) (string, error), f finder) error {
	row.Columns = columns
	if data == nil {
		return nil
	}
	file, err := f.sidecar(columns, data)
	if err != nil || file == "" {
		return err
	}
	values, err := readData(file)
	if err != nil {
		return &mistakes.InputError{What: file, Problems: []string{err.Error()}}
	}
	a.Sidecars = append(a.Sidecars, file)
	for name, value := range columns {
		values[name] = value
	}
	row.Columns = values
	return nil
}

// meta makes a text a pattern that matches itself alone.
var meta = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `{`, `\{`, `}`, `\}`)

// sidecar finds the file that belongs to a row; none is no error, but two are.
func (f finder) sidecar(columns map[string]any, data func(map[string]any) (string, error)) (string, error) {
	escaped := map[string]any{}
	for name, value := range columns {
		escaped[name] = meta.Replace(value.(string))
	}
	pattern, err := data(escaped)
	if err != nil {
		return "", err
	}
	found, err := f.glob(pattern)
	switch {
	case err != nil:
		return "", &mistakes.InputError{What: DataFlag, Problems: []string{fmt.Sprintf("%q: %s", pattern, err)}}
	case len(found) == 0:
		return "", nil
	case len(found) > 1:
		return "", &mistakes.InputError{What: DataFlag, Problems: []string{fmt.Sprintf("%d files are there for it: %s", len(found), strings.Join(found, ", "))},
			Hint: "remove all but one, or name one of them in " + DataFlag}
	}
	return found[0], f.allow(found[0])
}

// readData reads a file of values.
func readData(path string) (map[string]any, error) {
	decode := decoders[extension(path)]
	if decode == nil {
		return nil, errors.New("its name does not end in .toml, .yaml, .yml or .json")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, rows.MaxRow+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > rows.MaxRow:
		return nil, rows.ErrTooLong
	}
	return decode(text)
}

func readTOML(text []byte) (map[string]any, error) {
	var values map[string]any
	err := toml.Unmarshal(text, &values)
	var wrong *toml.DecodeError
	if errors.As(err, &wrong) {
		line, column := wrong.Position()
		return nil, fmt.Errorf("line %d, column %d: it is not TOML: %s", line, column, strings.TrimPrefix(wrong.Error(), "toml: "))
	}
	if err != nil || values == nil {
		return map[string]any{}, err
	}
	return tidy(values).(map[string]any), nil
}

func readYAML(text []byte) (map[string]any, error) {
	var values map[string]node
	if err := yaml.Unmarshal(text, &values); err != nil {
		return nil, fmt.Errorf("it is not YAML with names and values: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	columns := make(map[string]any, len(values))
	for name, value := range values {
		if value.any != nil {
			columns[name] = value.any
		}
	}
	return columns, nil
}

// node is a value of YAML. A number that is not whole stays as it is written: 3.10 may be
// a version.
type node struct{ any }

// UnmarshalYAML implements yaml.Unmarshaler.
func (n *node) UnmarshalYAML(from *yaml.Node) error {
	switch from.Kind {
	case yaml.MappingNode:
		var values map[string]node
		err := from.Decode(&values)
		object := make(map[string]any, len(values))
		for name, value := range values {
			object[name] = value.any
		}
		n.any = tidy(object)
		return err
	case yaml.SequenceNode:
		var values []*node // a null is none
		err := from.Decode(&values)
		list := make([]any, len(values))
		for i, value := range values {
			if value != nil {
				list[i] = value.any
			}
		}
		n.any = list
		return err
	}
	if from.ShortTag() == "!!float" {
		n.any = json.Number(from.Value)
		return nil
	}
	var value any
	err := from.Decode(&value)
	n.any = tidy(value)
	return err
}

// tidy makes a value that a decoder has made one that rows have.
func tidy(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			if inner == nil {
				delete(v, name)
				continue
			}
			v[name] = tidy(inner)
		}
		return v
	case []any:
		for i := range v {
			v[i] = tidy(v[i])
		}
		return v
	case int:
		return int64(v)
	case uint64:
		return json.Number(strconv.FormatUint(v, 10))
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return json.Number(strconv.FormatFloat(v, 'g', -1, 64))
	case json.Number:
		return v
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case fmt.Stringer: // a date or a time of TOML
		return v.String()
	}
	return value
}
