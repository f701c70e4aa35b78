package report

import (
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/visible"
)

// column is one of the CSV.
type column struct {
	name  string
	value func(Job) string
}

// columns are all, in their order.
var columns = append([]column{
	{"name", func(j Job) string { return j.Name }},
	{"status", func(j Job) string { return string(j.Status) }},
	{"base_image", func(j Job) string { return j.BaseImage }},
	{"tags", func(j Job) string { return strings.Join(j.Tags, " ") }},
	{"digest", func(j Job) string { return j.Digest }},
	{"error_class", func(j Job) string { return j.Cause().Class }},
	{"error", Job.why},
	{"attempt_count", func(j Job) string { return fmt.Sprint(j.AttemptCount) }},
	{"started_at", func(j Job) string { return timestamp(j.StartedAt) }},
	{"finished_at", func(j Job) string { return timestamp(j.FinishedAt) }},
	{"duration_seconds", func(j Job) string { return fmt.Sprint(j.DurationSeconds) }},
	{"build_seconds", func(j Job) string { return fmt.Sprint(j.BuildSeconds) }},
	{"node", func(j Job) string { return j.Node }},
	{"run", func(j Job) string { return j.Run }},
	{"runs", func(j Job) string { return fmt.Sprint(j.Runs) }},
}, phaseColumns()...)

// phaseColumns are the times of a job's phases; empty where they are not known.
func phaseColumns() (all []column) {
	for i, phase := range (ledger.Phases{}).Each() {
		all = append(all, column{phase.Key + "_seconds", func(j Job) string {
			if j.Phases == nil {
				return ""
			}
			return fmt.Sprint(j.Phases.Each()[i].Seconds)
		}})
	}
	return all
}

// unfinished is the status of jobs that are in no record.
const unfinished = ledger.Status("unfinished")

// CSV has a line for each job, those too that are not on record.
func (r Report) CSV() (string, error) {
	var b strings.Builder
	w := csv.NewWriter(&b)
	record := make([]string, len(columns))
	for i, c := range columns {
		record[i] = c.name
	}
	if err := w.Write(record); err != nil {
		return "", err
	}
	jobs := r.Jobs[:len(r.Jobs):len(r.Jobs)]
	for _, j := range r.Open {
		jobs = append(jobs, Job{Entry: ledger.Entry{Name: j.Name, Tags: j.Tags, Status: unfinished}, Run: j.Run})
	}
	for _, j := range jobs {
		for i, c := range columns {
			record[i] = csvCell(c.value(j))
		}
		if err := w.Write(record); err != nil {
			return "", err
		}
	}
	w.Flush()
	return b.String(), w.Error()
}

// timestamp is a time as the record has it; empty where there is none.
func timestamp(t ledger.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// csvCell is a text as a cell, without what a terminal would obey. Programs for tables take what
// begins like a formula for one: as is the habit, an apostrophe keeps them from it. Numbers are
// none.
func csvCell(text string) string {
	_, err := strconv.ParseFloat(text, 64)
	formula := err != nil && text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0]))
	if text = visible.Escaped(text); formula {
		return "'" + text
	}
	return text
}
