package show

import (
	"fmt"
	"io"
	"time"

	"github.com/stoker-build/stoker/internal/engine"
)

// Forecasting returns an observer that writes, for a person who waits for a
// forecast, that the builder is asked and what to know of the answer.
func Forecasting(w io.Writer) engine.Observer {
	return func(_ time.Time, e engine.Event) {
		switch e := e.(type) {
		case engine.Surveying:
			fmt.Fprintln(w, "asking "+surveyText(e))
		case engine.Warning:
			fmt.Fprintln(w, "warning: "+clean(e.Message))
		}
	}
}
