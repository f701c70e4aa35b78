// Package file reads the rows of a file, or of standard input, in whatever format they
// are.
package file

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/stoker-build/stoker/internal/mistakes"
	"github.com/stoker-build/stoker/internal/rows"
	"github.com/stoker-build/stoker/internal/rows/jsonarray"
	"github.com/stoker-build/stoker/internal/rows/jsonlines"
	"github.com/stoker-build/stoker/internal/rows/parquet"
	"github.com/stoker-build/stoker/internal/rows/table"
	"github.com/stoker-build/stoker/internal/rows/text"
	"github.com/stoker-build/stoker/internal/scratch"
)

// Read reads the rows of a file.
func Read(name string) (rows.Input, error) {
	f, err := os.Open(name)
	if err != nil {
		return rows.Input{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return rows.Input{}, err
	case info.IsDir():
		return rows.Input{}, &mistakes.InputError{What: name, Problems: []string{"it is a directory"},
			Hint: "--rows takes a file; for a row of each directory give --each '" + filepath.Join(name, "*/Dockerfile") + "'"}
	case !info.Mode().IsRegular():
		return Stream(name, f)
	}
	return read(name, f, func(io.Reader) (whole, error) { return whole{f, info.Size()}, nil })
}

// whole is a file of which any part can be read.
type whole struct {
	io.ReaderAt
	size int64
}

// Stream reads rows that can be read only once, such as those on standard input. The
// name is what a person calls it.
func Stream(name string, r io.Reader) (in rows.Input, err error) {
	var kept kept
	defer func() { err = errors.Join(err, kept.close()) }()
	return read(name, r, kept.keep)
}

// kept is a temporary file.
type kept struct {
	dir  *scratch.Dir
	file *os.File
}

func (k *kept) keep(r io.Reader) (w whole, err error) {
	if k.dir, err = scratch.New("rows"); err != nil {
		return w, err
	}
	if k.file, err = os.Create(filepath.Join(k.dir.Path, "rows")); err != nil {
		return w, err
	}
	size, err := io.Copy(k.file, r)
	return whole{k.file, size}, err
}

func (k *kept) close() error {
	if k.dir == nil {
		return nil
	}
	if k.file != nil {
		_ = k.file.Close() // nothing of it is kept
	}
	return k.dir.Close()
}

// read reads rows in the format that they are in. What is read from its end on is had
// from keep.
func read(name string, r io.Reader, keep func(io.Reader) (whole, error)) (rows.Input, error) {
	buffered := bufio.NewReaderSize(r, seen)
	begin, err := buffered.Peek(seen)
	if err != nil && !errors.Is(err, io.EOF) {
		return rows.Input{}, &mistakes.InputError{What: name, Problems: []string{err.Error()}}
	}
	is, err := detect(name, begin)
	if err != nil {
		return rows.Input{}, &mistakes.InputError{What: name, Problems: []string{err.Error()}, Hint: formatsHint}
	}
	var reader rows.Reader
	switch is {
	case jsonLines:
		reader = jsonlines.New(buffered)
	case jsonArray:
		reader = jsonarray.New(buffered)
	case csv:
		reader = table.CSV(buffered)
	case tsv:
		reader = table.TSV(buffered)
	case plainText:
		reader = text.New(buffered)
	case parquetFile:
		file, err := keep(buffered)
		if err != nil {
			return rows.Input{}, err
		}
		reader = parquet.New(file, file.size)
	}
	return rows.Collect(name, reader)
}
