package parquet

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	lib "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// textOf returns what makes a template's value of a leaf's values.
func textOf(t lib.Type) func(lib.Value) any {
	if logical := t.LogicalType(); logical != nil {
		switch l := logical.Value.(type) {
		case *format.TimestampType:
			return timestamp(l.Unit.Value)
		case *format.DateType:
			return func(v lib.Value) any { return time.Unix(int64(v.Int32())*86400, 0).UTC().Format(time.DateOnly) }
		case *format.DecimalType:
			return func(v lib.Value) any { return decimal(v, int(l.Scale)) }
		case *format.IntType:
			if !l.IsSigned {
				return unsigned
			}
		case *format.UUIDType:
			return func(v lib.Value) any {
				b := v.ByteArray()
				if len(b) != 16 {
					return nil
				}
				return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
			}
		}
	}
	return plain
}

// plain is a value that means what it is.
func plain(v lib.Value) any {
	switch v.Kind() {
	case lib.Boolean:
		return v.Boolean()
	case lib.Int32:
		return int64(v.Int32())
	case lib.Int64:
		return v.Int64()
	case lib.Int96: // how old programs write the time: nanoseconds of a day, and the day
		i := v.Int96()
		return time.Unix((int64(i[2])-unixDay)*86400, int64(uint64(i[1])<<32|uint64(i[0]))).UTC().Format(time.RFC3339Nano)
	case lib.Float:
		return number(float64(v.Float()), 32)
	case lib.Double:
		return number(v.Double(), 64)
	}
	text := string(v.ByteArray())
	if !utf8.ValidString(text) {
		return nil // bytes, such as those of a picture
	}
	return text
}

// unixDay is the Julian day of the first day of 1970.
const unixDay = 2440588

// number is a number as it would be written; a whole one as it is in other formats.
func number(f float64, bits int) any {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return nil // what pandas writes for null
	case f == math.Trunc(f) && math.Abs(f) < 1<<53:
		return int64(f)
	}
	return json.Number(strconv.FormatFloat(f, 'g', -1, bits))
}

func unsigned(v lib.Value) any {
	n := v.Uint64()
	if v.Kind() == lib.Int32 {
		n = uint64(v.Uint32())
	}
	if n > math.MaxInt64 {
		return json.Number(strconv.FormatUint(n, 10))
	}
	return int64(n)
}

func timestamp(unit format.TimeUnitValue) func(lib.Value) any {
	since := time.UnixMilli
	switch unit.(type) {
	case *format.MicroSeconds:
		since = time.UnixMicro
	case *format.NanoSeconds:
		since = func(n int64) time.Time { return time.Unix(0, n) }
	}
	return func(v lib.Value) any { return since(v.Int64()).UTC().Format(time.RFC3339Nano) }
}

// decimal is a number with some digits behind the point.
func decimal(v lib.Value, scale int) any {
	n := new(big.Int)
	switch v.Kind() {
	case lib.Int32:
		n.SetInt64(int64(v.Int32()))
	case lib.Int64:
		n.SetInt64(v.Int64())
	default: // the two's complement, of which the first byte is the highest
		b := v.ByteArray()
		n.SetBytes(b)
		if len(b) > 0 && b[0] >= 0x80 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
		}
	}
	digits, sign := n.String(), ""
	if rest, negative := strings.CutPrefix(digits, "-"); negative {
		digits, sign = rest, "-"
	}
	if scale <= 0 {
		return json.Number(sign + digits + strings.Repeat("0", min(-scale, 100)))
	}
	if missing := min(scale, 100) + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	point := len(digits) - min(scale, 100)
	return json.Number(sign + digits[:point] + "." + digits[point:])
}
