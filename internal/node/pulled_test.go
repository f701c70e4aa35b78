package node

import (
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/stoker-build/stoker/internal/builder"
)

// A layer that several builds tell of is counted once, and again when it was pulled anew.
func TestPulled(t *testing.T) {
	at := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	var p pulled
	for i, tt := range []struct {
		digest string
		after  time.Duration
		want   bool
	}{
		{"sha256:a", 0, true},
		{"sha256:a", 0, false},
		{"sha256:a", -30 * time.Millisecond, false},
		{"sha256:b", 0, true},
		{"sha256:a", time.Minute, true},
		{"sha256:a", time.Minute + time.Millisecond, false},
		{"sha256:a", 0, false}, // told late
	} {
		if got := p.add(builder.Pulled{Digest: digest.Digest(tt.digest), Bytes: 10, At: at.Add(tt.after)}); got != tt.want {
			t.Errorf("%d: %s after %s: counted %t, want %t", i, tt.digest, tt.after, got, tt.want)
		}
	}
	if p.bytes != 30 {
		t.Errorf("%d bytes, want 30", p.bytes)
	}
}
