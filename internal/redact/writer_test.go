package redact

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

// write writes a text in chunks of random sizes.
func write(t testing.TB, r *Redactor, text string, seed uint64) string {
	var out bytes.Buffer
	w := r.Writer(&out)
	random := rand.New(rand.NewPCG(seed, 0))
	for len(text) > 0 {
		n := 1 + random.IntN(min(len(text), 1+int(seed%50)))
		if _, err := w.Write([]byte(text[:n])); err != nil {
			t.Fatal(err)
		}
		text = text[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestWriter(t *testing.T) {
	r := New("hunter2secret", pem, "two\nlines")
	text := "a hunter2secret\r\nTOKEN=abc def\n" + pem + "\ntwo\nlines x two\r\nAuthorization: Bearer " + jwtText + "\nthe end hunter2se"
	want := r.String(text)
	for seed := range uint64(200) {
		if got := write(t, r, text, seed); got != want {
			t.Fatalf("seed %d:\n%q\nwant\n%q", seed, got, want)
		}
	}
}

func TestWriterPassesLinesOnAtOnce(t *testing.T) {
	var out bytes.Buffer
	w := New("hunter2secret").Writer(&out)
	for _, step := range []struct{ in, out string }{
		{"one hunter2", ""}, {"secret\ntwo", "one [redacted]\n"}, {"\r", "one [redacted]\ntwo\r"}, {"three", "one [redacted]\ntwo\r"},
	} {
		_, _ = w.Write([]byte(step.in))
		if out.String() != step.out {
			t.Errorf("after %q: %q", step.in, out.String())
		}
	}
	if err := w.Flush(); err != nil || !strings.HasSuffix(out.String(), "three") {
		t.Errorf("flushed: %q %v", out.String(), err)
	}
}

func TestWriterHoldsLongLinesWithinBounds(t *testing.T) {
	secret := "hunter2secret"
	r := New(secret, "aaaaaa")
	for _, tt := range []struct{ name, line string }{
		{"without spaces", strings.Repeat("0123456789", 30) + secret},
		{"with spaces", strings.Repeat("0123456789 ", 30) + secret},
		{"nothing but secrets", secret},
		{"overlapping secrets", strings.Repeat("a", 64)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			w := r.Writer(&out)
			for range 5 * maxHeld / len(tt.line) / 50 {
				if _, err := w.Write([]byte(strings.Repeat(tt.line, 50))); err != nil {
					t.Fatal(err)
				}
				if len(w.held) > maxHeld+100 {
					t.Fatalf("holds %d bytes", len(w.held))
				}
			}
			_ = w.Close()
			if strings.Contains(out.String(), secret) || strings.Contains(out.String(), "aaaaaa") {
				t.Error("a secret is in the output")
			}
		})
	}
}

func TestWriterFromSeveralGoroutines(t *testing.T) {
	var out bytes.Buffer
	w := New("hunter2secret").Writer(&out)
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range 100 {
				_, _ = w.Write([]byte("a hunter2secret\n"))
			}
			_ = w.Flush()
		})
	}
	writers.Wait()
	if got := out.String(); got != strings.Repeat("a [redacted]\n", 400) {
		t.Errorf("%d bytes came out", len(got))
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken") }

func TestWriterPassesErrorsOn(t *testing.T) {
	w := New().Writer(brokenWriter{})
	if _, err := w.Write([]byte("a\n")); err == nil {
		t.Error("no error from Write")
	}
	_, _ = w.Write([]byte("a"))
	if err := w.Close(); err == nil {
		t.Error("no error from Close")
	}
}

func BenchmarkWriter(b *testing.B) {
	text := []byte(log())
	r := New("hunter2secret")
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		w := r.Writer(&bytes.Buffer{})
		for at := 0; at < len(text); at += 4 << 10 {
			_, _ = w.Write(text[at:min(at+4<<10, len(text))])
		}
		_ = w.Close()
	}
}
