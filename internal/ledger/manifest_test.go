package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

func names(entries []Entry) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%s:%s ", e.Name, e.Status)
	}
	return strings.TrimSpace(b.String())
}

func TestReadManifest(t *testing.T) {
	const a, b = `{"name":"a","status":"built"}` + "\n", `{"name":"b","status":"failed"}` + "\n"
	long := `{"name":"` + strings.Repeat("x", maxLine) + `"}` + "\n"
	tests := []struct {
		name, in string
		want     string
		good     int
		note     string
		notes    int
	}{
		{"nothing", "", "", 0, "", 0},
		{"two jobs", a + b, "a:built b:failed", len(a + b), "", 0},
		{"carriage returns and blank lines", "\n" + a[:len(a)-1] + "\r\n \n" + b + "\n", "a:built b:failed", len(a+b) + 4, "", 0},
		{"torn last line", a + b[:9], "a:built", len(a), "line 2 of manifest.jsonl is no entry and is left out", 1},
		{"no line feed at the end", a + b[:len(b)-1], "a:built", len(a), "it was cut off", 1},
		{"zeros at the end", a + strings.Repeat("\x00", 4096), "a:built", len(a), "line 2", 1},
		{"torn in the middle", a + b[:9] + "\n" + b, "a:built b:failed", len(a+b) + 10, "line 2 of manifest.jsonl", 1},
		{"two lines run together", a[:9] + b + a, "a:built", len(a+b) + 9, "line 1 of", 1},
		{"no entry", "7\nnull\n[]\n{}\n" + a, "a:built", len(a) + 13, "it names no job", 4},
		{"a job again", a + b + `{"name":"a","status":"failed"}` + "\n", "b:failed a:failed", len(a+b+b) + 0, "1 line left out", 1},
		{"a long line", long + a, "a:built", len(long + a), "longer than", 1},
		{"a long last line", a + long[:maxLine+5], "a:built", len(a), "longer than", 1},
		{"many bad lines", strings.Repeat("x\n", 50) + a, "a:built", len(a) + 100, "40 further lines", 11},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := ReadManifest(strings.NewReader(tt.in))
			if err != nil || names(m.Entries) != tt.want || m.Good != int64(tt.good) || m.Lines != strings.Count(tt.in[:tt.good], "\n") || m.Size != int64(len(tt.in)) || len(m.Notes) != tt.notes {
				t.Errorf("got %q, %d good bytes in %d lines of %d bytes, want %q, %d; notes %q, %v", names(m.Entries), m.Good, m.Lines, m.Size, tt.want, tt.good, m.Notes, err)
			}
			if !strings.Contains(strings.Join(m.Notes, "\n"), tt.note) {
				t.Errorf("notes %q do not say %q", m.Notes, tt.note)
			}
		})
	}
}

// Of a job that was built again and again, one entry is held.
func TestReadManifestHoldsOneEntryOfEachJob(t *testing.T) {
	line := []byte(`{"name":"a","status":"built","error":"` + strings.Repeat("x", 1<<10) + `"}` + "\n")
	var held uint64
	left := 5_000
	lines := readerFunc(func(p []byte) (int, error) {
		if left--; left >= 0 {
			return copy(p, line), nil
		}
		runtime.GC()
		var memory runtime.MemStats
		runtime.ReadMemStats(&memory)
		held = memory.HeapAlloc
		return 0, io.EOF
	})
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if m, err := ReadManifest(lines); err != nil || names(m.Entries) != "a:built" || m.Lines != 5_000 {
		t.Errorf("%+v, %v", m, err)
	}
	if held > before.HeapAlloc+2<<20 {
		t.Errorf("%d KiB are held of it", (held-before.HeapAlloc)>>10)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestReadManifestPassesErrorsOn(t *testing.T) {
	broken := errors.New("broken")
	m, err := ReadManifest(iotest.ErrReader(broken))
	if !errors.Is(err, broken) || m.Good != 0 {
		t.Errorf("got %+v, %v", m, err)
	}
}

func FuzzReadManifest(f *testing.F) {
	for _, seed := range []string{
		`{"name":"a","status":"built","time":"2026-01-01T11:00:00.001Z","tags":["r/a:1"],"error":null}` + "\n{\"na",
		`{"name":"a","time":"9999-12-31T23:59:59-12:00"}` + "\n" + `{"name":"a","duration_seconds":1e308}` + "\n\n\x00\x00",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ReadManifest(bytes.NewReader(data))
		if err != nil || m.Good < 0 || m.Good > m.Size || m.Size != int64(len(data)) {
			t.Fatalf("%d good bytes of %d of %d, %v", m.Good, m.Size, len(data), err)
		}
		cut, _ := ReadManifest(bytes.NewReader(data[:m.Good]))
		if cut.Good != m.Good || cut.Lines != m.Lines || !reflect.DeepEqual(cut.Entries, m.Entries) {
			t.Fatalf("the first %d bytes hold %+v, not %+v", m.Good, cut, m)
		}
		text := encode(t, m.Entries)
		back, err := ReadManifest(bytes.NewReader(text))
		if err != nil || len(back.Notes) > 0 || back.Good != int64(len(text)) || !bytes.Equal(encode(t, back.Entries), text) {
			t.Fatalf("%q came back as %q; %q %v", text, encode(t, back.Entries), back.Notes, err)
		}
	})
}

func encode(t *testing.T, entries []Entry) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, e := range entries {
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	return b.Bytes()
}
