package graph

import (
	"slices"
)

// lists are lists of vertices by keys. Nearly all are of one vertex.
type lists[K comparable] struct {
	of   map[K]int32 // the only vertex, or -n for the nth list
	long [][]int32
}

// add appends a vertex, which may be the last one already.
func (l *lists[K]) add(key K, v int32) {
	switch at, known := l.of[key]; {
	case !known:
		l.of[key] = v
	case at < 0:
		if list := l.long[-at-1]; list[len(list)-1] != v {
			l.long[-at-1] = append(list, v)
		}
	case at != v:
		l.long = append(l.long, []int32{at, v})
		l.of[key] = int32(-len(l.long))
	}
}

func (l *lists[K]) get(key K, self []int32) []int32 {
	switch at, known := l.of[key]; {
	case !known:
		return nil
	case at < 0:
		return l.long[-at-1]
	default:
		return self[at : at+1 : at+1]
	}
}

func with(sorted []int32, n int32) []int32 {
	if len(sorted) == 0 || sorted[len(sorted)-1] < n { // as jobs come, mostly
		return append(sorted, n)
	}
	at, has := slices.BinarySearch(sorted, n)
	if has {
		return sorted
	}
	return slices.Insert(sorted, at, n)
}

func without(sorted []int32, n int32) []int32 {
	at, has := slices.BinarySearch(sorted, n)
	if !has {
		return sorted
	}
	return slices.Delete(sorted, at, at+1)
}
