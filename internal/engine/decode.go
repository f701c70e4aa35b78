package engine

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/stoker-build/stoker/internal/ledger"
)

// kinds are all events, by their names in events.jsonl.
var kinds = func() map[string]reflect.Type {
	types := map[string]reflect.Type{}
	for _, e := range []Event{
		RunStarted{}, JobStarted{}, AttemptStarted{}, StepStarted{}, AttemptFailed{}, JobFinished{}, BatchFinished{},
		Surveying{}, WaitingForSpace{}, DiskFull{}, BuilderLost{}, Recovered{}, WorkersChanged{}, SweepStarted{},
		SweepFinished{}, Warning{}, Stopping{}, RunFinished{}, RegistryThrottled{}, RegistryAnswers{}, RegistryLimit{}, JobWaiting{},
	} {
		types[e.Kind()] = reflect.TypeOf(e)
	}
	return types
}()

// UnmarshalEvent reads what MarshalEvent wrote. An event of a kind that is not
// known, such as a later version's, is an error.
func UnmarshalEvent(line []byte) (time.Time, Event, error) {
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
