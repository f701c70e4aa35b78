package ledger

import (
	"reflect"
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

// What programs read of phases is called the same everywhere.
func TestKeysOfPhases(t *testing.T) {
	of := reflect.TypeFor[Phases]()
	each := Phases{}.Each()
	if len(each) != of.NumField() {
		t.Fatalf("%d phases of %d fields", len(each), of.NumField())
	}
	for i, phase := range each {
		if tag := of.Field(i).Tag.Get("json"); tag != phase.Key {
			t.Errorf("the record calls %s %s", phase.Key, tag)
		}
	}
}
