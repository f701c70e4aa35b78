package parquet

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	lib "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"

	"github.com/stoker-build/stoker/internal/rows"
)

// file is a Parquet file of some values.
func file[T any](t *testing.T, values []T, options ...lib.WriterOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w := lib.NewGenericWriter[T](&b, options...)
	if _, err := w.Write(values); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func collect(data []byte) (rows.Input, error) {
	return rows.Collect("x.parquet", New(bytes.NewReader(data), int64(len(data))))
}

type inner struct {
	Name string   `parquet:"name"`
	Deep []string `parquet:"deep,list"`
}

// task has a column of each kind.
//
// Large: there are as many kinds of columns.
type task struct {
	ID     string            `parquet:"id"`
	Null   *string           `parquet:"null,optional"`
	N      int32             `parquet:"n"`
	Big    uint64            `parquet:"big"`
	Whole  float64           `parquet:"whole"`
	Part   float32           `parquet:"part"`
	None   float64           `parquet:"none"`
	Yes    bool              `parquet:"yes"`
	When   time.Time         `parquet:"when,timestamp(microsecond)"`
	Day    int32             `parquet:"day,date"`
	Cents  int64             `parquet:"cents,decimal(2:18)"`
	Old    deprecated.Int96  `parquet:"old"`
	Bytes  []byte            `parquet:"bytes"`
	Group  inner             `parquet:"group"`
	Maybe  *inner            `parquet:"maybe,optional"`
	List   []inner           `parquet:"list,list"`
	Bare   []int64           `parquet:"bare"`
	Nested [][]string        `parquet:"nested,list"`
	Env    map[string]string `parquet:"env"`
	Levels []*int64          `parquet:"levels,list"`
}

// Groups and maps are objects, lists are lists, what is null is not there.
func TestRows(t *testing.T) {
	five := int64(5)
	full := task{ID: "one", N: -3, Big: math.MaxUint64, Whole: 42, Part: 0.1, None: math.NaN(), Yes: true,
		When: time.Date(2024, 5, 6, 7, 8, 9, 1000, time.UTC), Day: 19723, Cents: -5, Old: deprecated.Int96{0, 0, unixDay + 1}, Bytes: []byte{0xff},
		Group: inner{"g", []string{"x", "y"}}, Maybe: &inner{Name: "m"}, List: []inner{{"a", nil}, {"b", []string{"z"}}},
		Bare: []int64{1, 2}, Env: map[string]string{"A": "1"}, Levels: []*int64{&five}}
	empty := task{ID: "two", Old: deprecated.Int96{0, 0, unixDay}}
	in, err := collect(file(t, []task{full, empty}))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		`{"Index":0,"Name":"one","bare":[1,2],"big":18446744073709551615,"cents":-0.05,"day":"2024-01-01","env":{"A":"1"},` +
			`"group":{"deep":["x","y"],"name":"g"},"id":"one","levels":[5],"list":[{"deep":[],"name":"a"},{"deep":["z"],"name":"b"}],` +
			`"maybe":{"deep":[],"name":"m"},"n":-3,"nested":[],"old":"1970-01-02T00:00:00Z","part":0.1,"when":"2024-05-06T07:08:09.000001Z","whole":42,"yes":true}`,
		`{"Index":1,"Name":"two","bare":[],"big":0,"bytes":"","cents":0.00,"day":"1970-01-01","env":{},` +
			`"group":{"deep":[],"name":""},"id":"two","levels":[],"list":[],"n":0,"nested":[],"none":0,"old":"1970-01-01T00:00:00Z","part":0,"when":"0001-01-01T00:00:00Z","whole":0,"yes":false}`,
	} {
		if got, _ := json.Marshal(in.Rows[i].Columns); string(got) != want {
			t.Errorf("row %d is\n%s, want\n%s", i+1, got, want)
		}
	}
}

// Many rows, in several groups of them, come one after the other with their numbers.
func TestManyRows(t *testing.T) {
	type row struct {
		N int64 `parquet:"n"`
	}
	values := make([]row, 1000)
	for i := range values {
		values[i].N = int64(i)
	}
	in, err := collect(file(t, values, lib.MaxRowsPerRowGroup(300), lib.Compression(&lib.Zstd)))
	if err != nil || len(in.Rows) != len(values) {
		t.Fatalf("%d rows, error %v", len(in.Rows), err)
	}
	for i, r := range in.Rows {
		if r.Columns["n"] != int64(i) || r.Place.Number != i+1 || r.Place.Unit != "row" {
			t.Fatalf("row %d is %v at %s", i, r.Columns, r.Place)
		}
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	type row struct {
		Text string `parquet:"text"`
	}
	small := []row{{"a"}, {"b"}}
	whole := file(t, small)
	huge := bytes.Clone(whole)
	copy(huge[len(huge)-8:], "\xff\xff\xff\x7f")
	for _, tt := range []struct {
		name string
		data []byte
		says string
	}{
		{"the end is missing", whole[:len(whole)-4], "it does not end with PAR1"},
		{"the beginning is another", append([]byte("XXXX"), whole[4:]...), "it does not begin with PAR1"},
		{"nothing", nil, "it has only 0 bytes"},
		{"a footer that is larger than the file", huge, "more than there are"},
		{"LZ4", file(t, small, lib.Compression(&lib.Lz4Raw)), "compressed with LZ4"},
		{"a row that is too long", file(t, []row{{"a"}, {strings.Repeat("b", rows.MaxRow+1)}}), "row 2: it is longer than"},
		{"no rows", file(t, []row{}), "no rows in it"},
	} {
		if _, err := collect(tt.data); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.says)
		}
	}
}

// Of a damaged file there are rows or an error, and never a panic.
func TestDamage(t *testing.T) {
	whole := file(t, []inner{{"a", []string{"x"}}, {"b", nil}})
	random := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		damaged := bytes.Clone(whole)
		for range 1 + random.IntN(4) {
			damaged[random.IntN(len(damaged))] = byte(random.IntN(256))
		}
		if in, err := collect(damaged); (err == nil) != (len(in.Rows) > 0) {
			t.Fatalf("%d rows and error %v", len(in.Rows), err)
		}
	}
}

func TestDecimals(t *testing.T) {
	for _, tt := range []struct {
		n     int64
		scale int
		want  string
	}{{0, 0, "0"}, {5, 2, "0.05"}, {-5, 1, "-0.5"}, {12345, 2, "123.45"}, {-128, 3, "-0.128"}, {7, -2, "700"}} {
		bytes := new(big.Int).SetUint64(uint64(tt.n)).Bytes() // the two's complement of 8 bytes
		if tt.n == 0 {
			bytes = []byte{0}
		}
		if tt.n > 0 {
			bytes = append([]byte{0}, bytes...)
		}
		for _, v := range []lib.Value{lib.Int64Value(tt.n), lib.ByteArrayValue(bytes)} {
			if got := decimal(v, tt.scale); got != json.Number(tt.want) {
				t.Errorf("%d with %d digits of %v is %v, want %s", tt.n, tt.scale, v.Kind(), got, tt.want)
			}
		}
	}
}
