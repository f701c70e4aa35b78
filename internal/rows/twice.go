package rows

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// TwiceError says that an object of JSON has a name twice: which of the values counts, each
// reader would decide for itself.
type TwiceError struct {
	Name   string // behind those that lead to its object, such as env.PATH
	Offset int    // of the second, in the text
}

func (e *TwiceError) Error() string { return fmt.Sprintf("it has %q twice", e.Name) }

// twice finds the first name that an object has twice in a text that is JSON.
func twice(text []byte) *TwiceError {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return twiceIn(decoder, text, "")
}

// twiceIn reads a value; names lead to it, each with a point behind it.
func twiceIn(decoder *json.Decoder, text []byte, names string) (found *TwiceError) {
	open, _ := decoder.Token()
	if open != json.Delim('{') && open != json.Delim('[') {
		return nil
	}
	seen := map[string]bool{}
	for decoder.More() {
		inner := names
		if open == json.Delim('{') {
			before := int(decoder.InputOffset())
			name, _ := decoder.Token()
			inner += fmt.Sprint(name)
			if seen[inner] {
				return &TwiceError{Name: inner, Offset: before + bytes.IndexByte(text[before:], '"')}
			}
			seen[inner] = true
			inner += "."
		}
		if found := twiceIn(decoder, text, inner); found != nil {
			return found
		}
	}
	_, _ = decoder.Token() // its end
	return nil
}
