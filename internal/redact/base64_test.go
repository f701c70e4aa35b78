package redact

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

// Of base64 that is broken into lines, no more stays than of a value that is too short
// to be looked for: whatever stands before the value, and how long the lines are.
func TestBase64InLines(t *testing.T) {
	key := make([]byte, 1200)
	random := rand.NewChaCha8([32]byte{7})
	_, _ = random.Read(key)
	for _, secret := range []string{string(key), "correct horse battery staple", "hunter2", strings.TrimSpace(strings.Repeat(pem, 4))} {
		r := New(secret)
		for _, width := range []int{64, 76, 1000} {
			for _, before := range []int{0, 1, 2, 5, 30, 57} {
				more := strings.Repeat("é", before)[:before]
				text := base64.StdEncoding.EncodeToString([]byte(more + secret + "\nand more"))
				var log strings.Builder
				for at := 0; at < len(text); at += width {
					log.WriteString("#7 0.31 " + text[at:min(at+width, len(text))] + "\n")
				}
				first, last := (before*8+5)/6, (before+len(secret))*8/6 // what of the text is of the secret alone
				got := r.String(log.String())
				for at := first; at+pieceSize <= last; at++ {
					if piece := text[at : at+pieceSize]; strings.Contains(got, piece) && !strings.Contains(text[:first], piece) && !strings.Contains(text[last:], piece) {
						t.Fatalf("%d bytes before, lines of %d: %q is left in\n%s", before, width, piece, got)
					}
				}
				if streamed := write(t, r, log.String(), uint64(before)); streamed != got {
					t.Fatalf("in a stream it is\n%s\nand else\n%s", streamed, got)
				}
			}
		}
	}
}

// What is made known later is found from then on, also by a writer that is open.
func TestAdd(t *testing.T) {
	r := New("hunter2secret")
	var out bytes.Buffer
	w := r.Writer(&out)
	var adding sync.WaitGroup
	for who := range 4 {
		adding.Go(func() {
			for i := range 20 {
				r.Add("old", "another-secret", fmt.Sprintf("token-%d-%d", who, i))
				if got := r.String("<hunter2secret>"); got != "<[redacted]>" {
					t.Errorf("meanwhile %q", got)
				}
			}
		})
	}
	adding.Wait()
	_, _ = w.Write([]byte("old hunter2secret another-secret token-3-19\n"))
	if got := out.String(); got != "old [redacted] [redacted] [redacted]\n" {
		t.Errorf("%q", got)
	}
	var many []string
	for i := range 2 * mostAdded {
		many = append(many, fmt.Sprintf("short-lived-%d.", i))
	}
	r.Add(many...)
	if got := r.String("hunter2secret short-lived-1. " + many[len(many)-1]); len(r.added) != mostAdded || got != "[redacted] short-lived-1. [redacted]" {
		t.Errorf("of %d values: %q", len(r.added), got)
	}
}
