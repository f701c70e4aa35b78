package assemble

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/graph"
)

const epochArg = "SOURCE_DATE_EPOCH"

// epochOf is the moment that what is made is to be of; nil for none. An argument that is a
// moment has precedence, also where it is empty, as with BuildKit.
func epochOf(linked *graph.Linked, buildArgs map[string]string) (*time.Time, error) {
	if text, given := buildArgs[epochArg]; given {
		if moment, err := parseEpoch(text); err == nil {
			return moment, nil
		}
	}
	moment, err := parseEpoch(linked.Frontend.Epoch)
	if err != nil {
		return nil, fmt.Errorf("the frontend's moment %q is no number of seconds", linked.Frontend.Epoch)
	}
	return moment, nil
}

func parseEpoch(text string) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, err
	}
	return new(time.Unix(seconds, 0).UTC()), nil
}

// clamp makes the times of a history not be after a moment, but for what it has from the
// base image.
func clamp(history []ocispecs.History, baseConfig []byte, epoch time.Time) {
	var base ocispecs.Image
	_ = json.Unmarshal(baseConfig, &base) // empty where there is none
	own := false
	for i := range history {
		if !own && i < len(base.History) && reflect.DeepEqual(history[i], base.History[i]) {
			continue
		}
		own = true
		if created := history[i].Created; created == nil || created.After(epoch) {
			history[i].Created = &epoch
		}
	}
}
