package plan

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Shard is one of the parts into which the jobs of an input are cut, so that each is
// built by a run of its own. The zero value is all of it.
type Shard struct {
	// Number is that of the part; the first is 1.
	Number int
	// Of is how many parts there are.
	Of int
}

// mostShards is more than anybody has jobs.
const mostShards = 1_000_000

// ParseShard reads I/N.
func ParseShard(text string) (Shard, error) {
	number, of, _ := strings.Cut(text, "/")
	i, err1 := strconv.Atoi(number)
	n, err2 := strconv.Atoi(of)
	if err1 != nil || err2 != nil || i < 1 || i > n || n > mostShards {
		return Shard{}, fmt.Errorf("%q is not I/N, shard I of N, such as 1/4; the first is 1, the last N, and no more than %d are made", text, mostShards)
	}
	return Shard{Number: i, Of: n}, nil
}

// String is what ParseShard reads; empty for the zero value.
func (s Shard) String() string {
	if s.Of == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.Number, s.Of)
}

// keepShard keeps the jobs of one shard. Which these are follows from the input alone:
// nobody is asked, so that all shards come to the same cut.
func (p *Plan) keepShard(s Shard) {
	if s.Of <= 1 {
		return
	}
	all := make([]piece, len(p.Jobs))
	for i, j := range p.Jobs {
		all[i] = j.piece()
	}
	shards := cut(units(all), s.Of)
	var jobs []*Job
	for _, i := range slices.Sorted(slices.Values(shards[s.Number-1])) {
		jobs = append(jobs, p.Jobs[i])
	}
	p.Notes = append(p.Notes, fmt.Sprintf("shard %s: %d of %d jobs", s, len(jobs), len(p.Jobs)))
	share := (len(p.Jobs) + s.Of - 1) / s.Of
	if most := longest(shards); most > share+share/2 {
		p.Notes = append(p.Notes, fmt.Sprintf("the shards are uneven, since jobs that are built on each other's images stay together: the largest has %d jobs; "+
			"what many are built on can be built before, by a run of its own", most))
	}
	p.Jobs = jobs
}

// piece is what can be known of a job without asking anybody.
type piece struct {
	// likeness are words of which jobs that share much have many in common, the first
	// ones before all.
	likeness    []string
	makes, read []string // images, by their tags
}

// piece tells what a job is like: its base image, by whose name those of a project are
// neighbours, then its Dockerfile's text, which is alike for as long as the steps are, then
// what it is given.
func (j *Job) piece() piece {
	args := j.Options.BuildArgs
	p := piece{likeness: []string{j.Base, string(j.Source.dockerfile), j.Source.context, j.Options.Target}}
	read := slices.Concat(j.inputs(), j.Reads(context.Background()))
	for _, key := range slices.Sorted(maps.Keys(args)) {
		p.likeness = append(p.likeness, key+"="+args[key])
		read = append(read, args[key])
	}
	for _, ref := range read {
		if tag := tagOf(ref); tag != "" {
			p.read = append(p.read, tag)
		}
	}
	for _, ref := range j.Tags {
		p.makes = append(p.makes, tagOf(ref))
	}
	return p
}

// units returns the pieces, by their places, in groups that must stay together: those of
// which one reads what another makes. What is alike is next to each other.
func units(all []piece) [][]int {
	group := make([]int, len(all)) // by place: another place of the group, or itself
	for i := range group {
		group[i] = i
	}
	first := func(i int) int {
		for group[i] != i {
			i = group[i]
		}
		return i
	}
	makers := map[string]int{}
	for i, p := range all {
		for _, tag := range p.makes {
			makers[tag] = i
		}
	}
	for i, p := range all {
		for _, tag := range p.read {
			if maker, made := makers[tag]; made {
				a, b := first(i), first(maker)
				group[max(a, b)] = min(a, b)
			}
		}
	}
	members := map[int][]int{}
	for i := range all {
		members[first(i)] = append(members[first(i)], i)
	}
	return slices.SortedFunc(maps.Values(members), func(a, b []int) int {
		return cmp.Or(slices.Compare(all[a[0]].likeness, all[b[0]].likeness), cmp.Compare(a[0], b[0]))
	})
}

// cut deals units out to n shards, in their order, so that the shards' sizes differ as
// little as that allows: where each unit is one job, by one at most.
func cut(units [][]int, n int) [][]int {
	left := 0
	for _, u := range units {
		left += len(u)
	}
	shards := make([][]int, n)
	for k := range shards {
		share := float64(left) / float64(n-k)
		for len(units) > 0 {
			have, next := len(shards[k]), len(units[0])
			// A unit is taken when at least half of it lies within the share.
			if have > 0 && k < n-1 && float64(have)+float64(next)/2 > share {
				break
			}
			shards[k] = append(shards[k], units[0]...)
			units = units[1:]
		}
		left -= len(shards[k])
	}
	return shards
}

func longest(shards [][]int) (most int) {
	for _, s := range shards {
		most = max(most, len(s))
	}
	return most
}
