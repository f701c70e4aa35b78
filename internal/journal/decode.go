package journal

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"time"

	"github.com/stoker-build/stoker/internal/ledger"
)

// kinds are all events, by their names in events.jsonl.
var kinds = func() map[string]reflect.Type {
	types := map[string]reflect.Type{}
	for _, e := range []Event{
		RunStarted{}, JobStarted{}, AttemptStarted{}, StepStarted{}, AttemptFailed{}, Assembled{}, JobFinished{}, PullStarted{}, PullFinished{}, LayerPulled{}, BatchFinished{},
		Surveying{}, WaitingForSpace{}, DiskFull{}, BuilderLost{}, Recovered{}, WorkersChanged{}, SweepStarted{},
		SweepFinished{}, Warning{}, Stopping{}, RunFinished{}, RegistryThrottled{}, RegistryAnswers{}, RegistryLimit{}, JobWaiting{}, JobHeld{},
		Forecast{}, Sampled{}, Lost{},
	} {
		types[e.Kind()] = reflect.TypeOf(e)
	}
	return types
}()

// Marshal encodes an event as one flat JSON object that begins with its
// time and type.
func Marshal(at time.Time, e Event) ([]byte, error) {
	head, err := json.Marshal(struct {
		Time ledger.Time `json:"time"`
		Type string      `json:"type"`
	}{ledger.Time{Time: at}, e.Kind()})
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	if string(body) == "{}" {
		return head, nil
	}
	return append(append(head[:len(head)-1], ','), body[1:]...), nil
}

// Unmarshal reads what Marshal wrote. An event of a kind that is not
// known, such as a later version's, is an error.
func Unmarshal(line []byte) (time.Time, Event, error) {
	var head struct {
		Time ledger.Time `json:"time"`
		Type string      `json:"type"`
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return time.Time{}, nil, err
	}
	kind, known := kinds[head.Type]
	if !known {
		return time.Time{}, nil, fmt.Errorf("events of type %q are not known", head.Type)
	}
	event := reflect.New(kind)
	if err := json.Unmarshal(line, event.Interface()); err != nil {
		return time.Time{}, nil, err
	}
	return head.Time.Time, event.Elem().Interface().(Event), nil
}

// Replay tells an observer the lines of a file of events. A line that is no event that is
// known is passed over, as is a last one that is not whole.
func Replay(events io.Reader, observe Observer) error {
	in := bufio.NewReader(events)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if at, e, err := Unmarshal(line); err == nil {
			observe(at, e)
		}
	}
}
