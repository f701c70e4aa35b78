// Package parquet reads rows from Parquet files. Groups and maps are objects, lists are
// lists, and a null is as if its column were not there.
package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"

	lib "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/stoker-build/stoker/internal/mistakes"
	"github.com/stoker-build/stoker/internal/rows"
)

// Magic is what a Parquet file begins and ends with.
const Magic = "PAR1"

// Reader reads a Parquet file.
type Reader struct {
	file io.ReaderAt
	size int64
}

// New makes a reader of a file of some size: what it holds stands at its end.
func New(file io.ReaderAt, size int64) Reader { return Reader{file, size} }

// Hint implements rows.Reader.
func (Reader) Hint() string {
	return "it must be a whole Parquet file: one that was cut short, as by a download that broke off, has lost its end, which says what is in it"
}

// rowsAtOnce is how many rows are held at a time.
const rowsAtOnce = 16

// Rows implements rows.Reader.
func (r Reader) Rows() iter.Seq2[rows.Row, error] {
	return func(yield func(rows.Row, error) bool) {
		var file *lib.File
		var columns *field
		err := safely(func() (err error) {
			if err = r.checkEnds(); err != nil {
				return err
			}
			if file, err = lib.OpenFile(r.file, r.size, lib.SkipBloomFilters(true), lib.SkipPageIndex(true)); err == nil {
				columns = rootOf(file.Schema())
				err = checkCodecs(file.Metadata())
			}
			return err
		})
		if err != nil {
			yield(rows.Row{}, fmt.Errorf("as Parquet it cannot be read: %w", err))
			return
		}
		number := 0
		for _, group := range file.RowGroups() {
			for row, err := range rowsOf(group) {
				number++
				at := rows.Row{Place: mistakes.Place{Unit: "row", Number: number}}
				if err == nil {
					err = safely(func() (err error) {
						at.Columns, err = columns.read(row)
						return err
					})
				}
				if !yield(at, err) {
					return
				}
			}
		}
	}
}

// checkEnds makes sure that the file begins and ends as it must: the library would make
// room for whatever length of its footer is there.
func (r Reader) checkEnds() error {
	const tail = 4 + len(Magic) // the footer's length, and the mark
	begin, end := make([]byte, len(Magic)), make([]byte, tail)
	if r.size < int64(len(Magic)+tail) {
		return fmt.Errorf("it has only %d bytes", r.size)
	}
	if _, err := r.file.ReadAt(begin, 0); err != nil {
		return err
	}
	if _, err := r.file.ReadAt(end, r.size-int64(tail)); err != nil {
		return err
	}
	switch footer := int64(binary.LittleEndian.Uint32(end)); {
	case string(begin) != Magic:
		return fmt.Errorf("it does not begin with %s", Magic)
	case string(end[4:]) != Magic:
		return fmt.Errorf("it does not end with %s", Magic)
	case footer > r.size-int64(len(Magic)+tail):
		return fmt.Errorf("what stands at its end is to have %d bytes, more than there are", footer)
	}
	return nil
}

// checkCodecs refuses what the library reads wrongly, without an error: of one of Apache's
// own samples (lz4_raw_compressed_larger) it makes empty texts (v0.32).
func checkCodecs(of *format.FileMetaData) error {
	for _, group := range of.RowGroups {
		for _, column := range group.Columns {
			if column.MetaData.Codec == format.Lz4Raw {
				return errors.New("it is compressed with LZ4, which cannot be read: write it with snappy or zstd")
			}
		}
	}
	return nil
}

// rowsOf gives the rows of a group. An error ends them.
func rowsOf(group lib.RowGroup) iter.Seq2[lib.Row, error] {
	return func(yield func(lib.Row, error) bool) {
		var reader lib.Rows
		if err := safely(func() error {
			reader = group.Rows()
			return nil
		}); err != nil {
			yield(nil, err)
			return
		}
		defer func() { _ = safely(reader.Close) }()
		buffer := make([]lib.Row, rowsAtOnce)
		for left := group.NumRows(); left > 0; {
			n := 0
			err := safely(func() (err error) {
				n, err = reader.ReadRows(buffer)
				return err
			})
			for _, row := range buffer[:n] {
				if !yield(row, nil) {
					return
				}
			}
			left -= int64(n)
			switch {
			case errors.Is(err, io.EOF) && left > 0:
				err = fmt.Errorf("%d rows are missing: %w", left, io.ErrUnexpectedEOF)
			case err == nil && n == 0:
				err = io.ErrNoProgress
			}
			if err != nil && left > 0 {
				yield(nil, fmt.Errorf("it cannot be read: %w", err))
				return
			}
		}
	}
}

// safely has the library read. Of a damaged file it may panic.
func safely(read func() error) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("it is damaged: %v", fault)
		}
	}()
	return read()
}
