package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	controlapi "github.com/moby/buildkit/api/services/control"

	"github.com/stoker-build/stoker/internal/lab"
)

// request is what a client asked of BuildKit, as the daemon has it on record.
type request map[string]string

// lastRequest reads a finished build off the daemon's history.
func lastRequest(ctx context.Context, d *lab.Buildkitd) (request, error) {
	c, err := d.Client(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	stream, err := c.ControlClient().ListenBuildHistory(ctx, &controlapi.BuildHistoryRequest{EarlyExit: true})
	if err != nil {
		return nil, err
	}
	var last request
	for {
		event, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return last, nil
		}
		if err != nil {
			return nil, err
		}
		if event.Record != nil && event.Record.CompletedAt != nil {
			last = requestOf(event.Record)
		}
	}
}

// requestOf is all that was asked but for the image's names, which differ from build to build.
func requestOf(record *controlapi.BuildHistoryRecord) request {
	r := request{"frontend": record.Frontend}
	for key, value := range record.FrontendAttrs {
		if key != "build-arg:BASE_IMAGE" {
			r["--opt "+key] = value
		}
	}
	for _, exporter := range record.Exporters {
		for key, value := range exporter.Attrs {
			if key != "name" {
				r["--output "+exporter.Type+" "+key] = value
			}
		}
	}
	return r
}

// differences lists what a client asked otherwise than another one.
func differences(r, other request) []string {
	keys := request{}
	maps.Copy(keys, r)
	maps.Copy(keys, other)
	var list []string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		a, has := r[key]
		b, otherHas := other[key]
		switch {
		case !otherHas:
			list = append(list, fmt.Sprintf("adds %s=%s", key, a))
		case !has:
			list = append(list, fmt.Sprintf("lacks %s=%s", key, b))
		case a != b:
			list = append(list, fmt.Sprintf("has %s=%s instead of %s", key, a, b))
		}
	}
	return list
}
