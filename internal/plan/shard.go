package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
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

// Part is what a plan knows of the whole that its jobs are a shard of.
type Part struct {
	Shard
	// Jobs is how many there are in all shards.
	Jobs int
	// Input is the same for all shards of one input.
	Input string
}

// keepShard keeps the jobs of one shard. Which these are follows from the input alone:
// nobody is asked, so that all shards come to the same cut.
func (p *Plan) keepShard(s Shard) {
	if s.Of == 0 {
		return
	}
	p.Part = &Part{Shard: s, Jobs: len(p.Jobs), Input: p.input()}
	if s.Of == 1 {
		return
	}
	all := make([]piece, len(p.Jobs))
	for i, j := range p.Jobs {
		all[i] = j.piece()
	}
	shards := newRow(all).cut(s.Of)
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

// input stands for all jobs of the plan.
func (p *Plan) input() string {
	h := sha256.New()
	for _, j := range p.Jobs {
		fmt.Fprintf(h, "%q %q %q\n", j.Name, j.Base, j.Tags)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}
