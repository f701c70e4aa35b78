package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/stoker-build/stoker/internal/lab"
)

// probeDockerfile is a build that takes next to no time and needs nothing from the cache.
const probeDockerfile = "FROM scratch\nCOPY probe.txt /\n"

// probe is one small build.
type probe struct{ from, to time.Time }

type probes []probe

// within are the seconds that those builds took that a stretch of time overlaps.
func (p probes) within(from, to time.Time) []float64 {
	var seconds []float64
	for _, one := range p {
		if one.from.Before(to) && one.to.After(from) {
			seconds = append(seconds, one.to.Sub(one.from).Seconds())
		}
	}
	return seconds
}

// stream is small builds one after the other, without a pause.
type stream struct {
	daemon *lab.Buildkitd
	dir    string
	end    chan struct{}
	ended  chan struct{}
	warm   chan struct{}

	probes probes
	err    error
}

// startStream begins to build and returns when that has got going.
func startStream(ctx context.Context, d *lab.Buildkitd, dir string) (*stream, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(probeDockerfile), 0o644); err != nil {
		return nil, err
	}
	s := &stream{daemon: d, dir: dir, end: make(chan struct{}), ended: make(chan struct{}), warm: make(chan struct{})}
	go s.run(ctx)
	select {
	case <-s.warm:
		return s, nil
	case <-s.ended:
		return nil, s.err
	}
}

// stop ends the stream with the build that runs, and gives all builds.
func (s *stream) stop() (probes, error) {
	close(s.end)
	<-s.ended
	return s.probes, s.err
}

func (s *stream) run(ctx context.Context) {
	defer close(s.ended)
	for {
		select {
		case <-s.end:
			return
		default:
		}
		if s.err = s.build(ctx); s.err != nil {
			return
		}
		if len(s.probes) == warmUp {
			close(s.warm)
		}
	}
}

// build makes one small build, whose file differs from all before.
func (s *stream) build(ctx context.Context) error {
	text := fmt.Sprintln(time.Now().UnixNano())
	if err := os.WriteFile(filepath.Join(s.dir, "probe.txt"), []byte(text), 0o644); err != nil {
		return err
	}
	one := probe{from: time.Now()}
	if err := s.daemon.Build(ctx, lab.Build{Dir: s.dir}); err != nil {
		return err
	}
	one.to = time.Now()
	s.probes = append(s.probes, one)
	return nil
}
