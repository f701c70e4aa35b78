package process

import "testing"

func TestHas(t *testing.T) {
	for _, tt := range []struct {
		stat string
		want bool
	}{
		{"4711 (sleep) S 1 4700 4700 0 -1", true},
		{"4711 (a ) R 1 1 1) S 1 4700 4700 0 -1", true},
		{"4711 (sleep) Z 1 4700 4700 0 -1", false},
		{"4711 (sleep) S 4700 1 4700 0 -1", false},
		{"", false},
	} {
		if got := group(4700).has([]byte(tt.stat)); got != tt.want {
			t.Errorf("%q: %v", tt.stat, got)
		}
	}
}
