package file

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/stoker-build/stoker/internal/rows/parquet"
)

// format is one that rows can be in.
type format int

const (
	plainText format = iota
	jsonLines
	jsonArray
	csv
	tsv
	parquetFile
)

const formatsHint = "rows are JSON Lines, JSON (an array of objects), CSV, TSV, Parquet, or plain text with one id on each line"

// seen is how much of a file tells its format, in bytes.
const seen = 64 << 10

// byName are formats by the end of a file's name.
var byName = map[string]format{
	".jsonl": jsonLines, ".ndjson": jsonLines, ".json": jsonLines,
	".csv": csv, ".tsv": tsv, ".tab": tsv, ".txt": plainText, ".list": plainText, ".ids": plainText,
	".parquet": parquetFile, ".pq": parquetFile,
}

// NamesTable tells whether a file is named as one whose rows have columns.
func NamesTable(name string) bool { return byName[strings.ToLower(filepath.Ext(name))] != plainText }

// others are files that are no rows, by what they begin with.
var others = []struct{ begin, is string }{
	{"version https://git-lfs.github.com/", "it is a pointer of Git LFS, in the place of the file: git lfs pull brings that"},
	{"\x1f\x8b", "it is packed, by gzip: unpack it first, as with gunzip -c FILE | stoker build --rows - ..."},
	{"\x28\xb5\x2f\xfd", "it is packed, by zstd: unpack it first, as with zstd -dc FILE | stoker build --rows - ..."},
	{"PK\x03\x04", "it is a ZIP archive or a spreadsheet: unpack it, or save it as CSV"},
	{"ARROW1", "it is an Arrow file: save it as Parquet"},
	{"\xff\xfe", "it is UTF-16 text: save it as UTF-8"},
	{"\xfe\xff", "it is UTF-16 text: save it as UTF-8"},
}

// detect tells the format of a file by its beginning, and then by its name.
func detect(name string, begin []byte) (format, error) {
	named, known := byName[strings.ToLower(filepath.Ext(name))]
	for _, other := range others {
		if bytes.HasPrefix(begin, []byte(other.begin)) {
			return 0, errors.New(other.is)
		}
	}
	text := bytes.TrimSpace(bytes.TrimPrefix(begin, []byte("\xef\xbb\xbf")))
	switch {
	case bytes.HasPrefix(begin, []byte(parquet.Magic)):
		return parquetFile, nil
	case known && named == parquetFile:
		return parquetFile, nil
	case bytes.IndexByte(begin, 0) >= 0:
		return 0, errors.New("it is neither text nor Parquet")
	case bytes.HasPrefix(text, []byte("[")):
		return jsonArray, nil
	case bytes.HasPrefix(text, []byte("{")):
		return jsonLines, nil
	case isYAML(name, known, text):
		return 0, errors.New("it is YAML, which rows are not read from: make JSON of it first, as with yq -o=json . FILE > rows.json, or with yq . FILE > rows.json where yq is the one that is made of jq")
	case known:
		return named, nil
	}
	is := byFirstLine(text)
	if name, named := header(text); is == plainText && named {
		return 0, fmt.Errorf("line 1 is %q, as the header of a table with one column: read it from a file that is named .csv, or leave that line out, as with tail -n +2", name)
	}
	return is, nil
}

// yamlLine is how YAML begins, and no id does: an element of a list, a key, or the mark of a document.
var yamlLine = regexp.MustCompile(`^(-\s|---|%YAML|[\w."'-]+:(\s|$))`)

// isYAML tells whether a file is named so, or begins so where its name says nothing.
func isYAML(name string, known bool, text []byte) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yaml", ".yml":
		return true
	}
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' {
			return !known && yamlLine.Match(line)
		}
	}
	return false
}

// header is the first line of a text of several where that is how columns of ids are called,
// and hardly an id itself.
func header(text []byte) (name string, is bool) {
	line, _, more := bytes.Cut(text, []byte("\n"))
	name = strings.TrimSpace(string(line))
	return name, more && slices.Contains([]string{"id", "instance_id", "name", "image"}, name)
}

// byFirstLine tells the format of a text by what stands between the words of its first
// line. A comment is plain text's.
func byFirstLine(text []byte) format {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	switch {
	case bytes.HasPrefix(line, []byte("#")):
		return plainText
	case bytes.IndexByte(line, '\t') >= 0:
		return tsv
	case bytes.IndexByte(line, ',') >= 0, bytes.IndexByte(line, ';') >= 0:
		return csv // which says what is wrong with semicolons
	}
	return plainText
}
