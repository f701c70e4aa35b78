package node

import (
	"testing"

	"github.com/stoker-build/stoker/internal/space"
)

// A job that adds nothing waits for no space; what is not known does not fit.
func TestFits(t *testing.T) {
	full := state{used: 95, reserved: 10, limit: space.Limit{Low: 70, High: 90}}
	for _, tt := range []struct {
		name   string
		change func(s *state)
		want   bool
	}{
		{"it adds nothing", func(*state) {}, true},
		{"it adds something", func(s *state) { s.need = 1 }, false},
		{"nobody knows", func(s *state) { s.guessed = true }, false},
		{"a bound cannot be read", func(s *state) { s.unread = BudgetName }, false},
		{"there is room", func(s *state) { s.used, s.need = 70, 10 }, true},
	} {
		s := full
		if tt.change(&s); s.fits() != tt.want {
			t.Errorf("%s: fits %t", tt.name, !tt.want)
		}
	}
}
