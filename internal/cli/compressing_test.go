package cli

import (
	"encoding/hex"
	"math/rand/v2"
	"testing"
)

// After a run that compressed much, its summary tells what other ways would have taken.
func TestOtherCompression(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 3))
	data := make([]byte, 16<<20)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(data) // never fails
	w.write("ctx/large", hex.EncodeToString(data))
	w.write("ctx/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY large /\nRUN true\n")
	if code, out := w.build(t.Context(), "--compression", "gzip:9", "--assemble", "builder"); code != ExitOK {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	c := w.summary().Compressing
	if c == nil {
		t.Fatal("nothing was tried")
	}
	// Random digits are compressed to half of them, whatever the way; a part of the layer was
	// enough to see that, and the bases' layers are others.
	if c.Way != "gzip:9" || c.Seconds <= 0 || c.SampleBytes < 1<<20 || c.SampleBytes > 48<<20 || len(c.Others) != 3 {
		t.Errorf("%+v", c)
	}
	for _, o := range c.Others {
		if o.Seconds <= 0 || o.Size < 0.8 || o.Size > 1.3 {
			t.Errorf("%+v", o)
		}
	}
}
