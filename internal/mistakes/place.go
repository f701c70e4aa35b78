package mistakes

import (
	"cmp"
	"fmt"
	"strconv"

	"github.com/stoker-build/stoker/internal/plural"
)

// Place is where something stands in its input.
type Place struct {
	// Unit is what the input is counted in: line, row or element. It is empty where
	// each thing has a name.
	Unit string
	// Number is the place's among those of its unit; the first is 1.
	Number int
	// Name is what stands for the number where there is no unit.
	Name string
}

// Line is the place of a line in a file of text.
func Line(number int) Place { return Place{Unit: "line", Number: number} }

// String is how a message names the place.
func (p Place) String() string {
	if p.Unit == "" {
		return p.Name
	}
	return fmt.Sprintf("%s %d", p.Unit, p.Number)
}

// inList is how a list of places of one unit names it.
func (p Place) inList() string {
	if p.Unit == "" {
		return p.Name
	}
	return strconv.Itoa(p.Number)
}

func comparePlaces(a, b Place) int {
	return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Name, b.Name))
}

// listPlaces names places of one input, all by the same unit, up to a number of them.
func listPlaces(places []Place, most int) string {
	if len(places) == 1 {
		return places[0].String()
	}
	named := make([]string, len(places))
	for i, p := range places {
		named[i] = p.inList()
	}
	list := plural.Some(named, most, ", ")
	if unit := places[0].Unit; unit != "" {
		return unit + "s " + list
	}
	return list
}
