package show

import (
	"fmt"
	"io"
	"time"

	"github.com/stoker-build/stoker/internal/journal"
	"github.com/stoker-build/stoker/internal/visible"
)

// Forecasting returns an observer that writes, for a person who waits for a
// forecast, that the builder is asked and what to know of the answer.
func Forecasting(w io.Writer) journal.Observer {
	var said journal.Surveying
	return func(_ time.Time, e journal.Event) {
		switch e := e.(type) {
		case journal.Surveying:
			if e != said {
				fmt.Fprintln(w, "asking "+surveyText(e))
			}
			said = e
		case journal.Warning:
			fmt.Fprintln(w, "warning: "+visible.Line(e.Message))
		}
	}
}
