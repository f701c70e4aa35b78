package main

import (
	"context"
	"fmt"

	"github.com/stoker-build/stoker/bench/report"
)

// syntaxImage is the frontend in the first line with which most Dockerfiles begin.
const syntaxImage = "docker/dockerfile:1.7"

// syntax builds the images of the comparison with others with a syntax line and without one.
func syntax(ctx context.Context, b *bench) (report.Report, error) {
	s := forty(b)
	s.name = "syntax"
	with := func(w way, against string) way {
		w.name += ", with a syntax line"
		w.syntax, w.against = syntaxImage, against
		return w
	}
	loop := loopWay("no pruning, large disk", peersWorkers)
	loop.unlimited = true
	stoker := stokerWay("stoker build", peersWorkers)
	ways := []way{loop, with(loop, loop.name), stoker, with(stoker, stoker.name)}
	c := s.contest()
	c.rounds = 3
	if b.quick {
		c.rounds = 1
	}
	r, err := c.compare(ctx, b, ways)
	r.Title = fmt.Sprintf("Syntax: %d images on a disk of %s, with # syntax=%s", s.jobs(), report.Bytes.Format(float64(s.small)), syntaxImage)
	r.Text = s.text() + " The frontend of a syntax line is a real image on a mirror of docker.io, which itself is out of reach."
	r.Columns = append(r.Columns, report.Column{Key: "ratio", Title: "wall clock to that without the line", Unit: report.Ratio})
	return r, err
}
