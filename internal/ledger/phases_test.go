package ledger

import (
	"slices"
	"testing"
)

func TestSharesOfPhases(t *testing.T) {
	var p Phases
	p.Add(Phases{Steps: 30, Compress: 50, Push: 2})
	p.Add(Phases{Compress: 4, Pull: 14})
	if got, want := p.Shares(), []string{"54% compressing", "30% steps", "14% pulling"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	var none *Phases
	if got := none.Shares(); got != nil {
		t.Errorf("%q of nothing", got)
	}
}
