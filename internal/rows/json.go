package rows

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// ReadObject reads a row's columns from a text that is one JSON object.
func ReadObject(text []byte) (map[string]any, error) {
	if !utf8.Valid(text) {
		return nil, ErrNotText
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, notJSON(text, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more on it than one JSON value")
	}
	object, ok := Tidy(value).(map[string]any)
	if !ok {
		return nil, ErrNoObject
	}
	if found := twice(text); found != nil {
		return nil, fmt.Errorf("%w, at %s", found, at(bytes.TrimRight(text, " \t\r\n"), found.Offset))
	}
	return object, nil
}

// ErrNoObject says that a value of JSON has no columns.
var ErrNoObject = errors.New("it is not a JSON object")

// notJSON says what is wrong with a text, and where in it.
func notJSON(text []byte, err error) error {
	var syntax *json.SyntaxError
	text = bytes.TrimRight(text, " \t\r\n")
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("it is not JSON: it ends in the middle, at %s", at(text, len(text)))
	case errors.As(err, &syntax):
		return fmt.Errorf("it is not JSON: %w, at %s", err, at(text, int(syntax.Offset)-1))
	}
	return fmt.Errorf("it is not JSON: %w", err)
}

// at names a place in a text; its line where there are several.
func at(text []byte, offset int) string {
	line, column := Position(text, offset)
	if !bytes.Contains(text, []byte("\n")) {
		return fmt.Sprintf("column %d", column)
	}
	return fmt.Sprintf("line %d, column %d", line, column)
}
