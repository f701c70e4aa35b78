package page

import (
	"fmt"
	"time"

	"github.com/stoker-build/stoker/internal/timeline"
)

// axis is the time below a drawing of a run. Its marks stand at round times, so that it ends
// where the run does or a little later.
type axis struct {
	timeline.Grid
	// marks are how many follow the beginning, each mark after the one before it.
	marks int
	mark  time.Duration
	// length is how long the run is.
	length time.Duration
}

// roundTimes are the times between marks of short runs. Those of long ones are whole days.
var roundTimes = []time.Duration{
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, day,
}

const day = 24 * time.Hour

func axisOf(r *timeline.Run) axis {
	a := axis{mark: roundTime(r.Length()), length: r.Length()}
	a.marks = max(int((a.length+a.mark-1)/a.mark), 1)
	perMark := pieces / a.marks
	a.Grid = timeline.Grid{Began: r.Began, Step: a.mark / time.Duration(perMark), N: a.marks*perMark + 1}
	return a
}

// roundTime is how far apart the marks of a run are that took so long.
func roundTime(length time.Duration) time.Duration {
	for _, t := range roundTimes {
		if length <= mostMarks*t {
			return t
		}
	}
	return (length/mostMarks + day) / day * day
}

// clock is a time since the run began: 0:05, 12:30, 1:02:03.
func clock(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
