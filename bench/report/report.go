// Package report turns measured values into a table, a chart and JSON. It does no measuring and
// no I/O but writing the files.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Report is the outcome of one benchmark.
type Report struct {
	Name  string `json:"name"` // of the files
	Title string `json:"title"`
	Text  string `json:"text"` // what was done, in a paragraph

	Columns []Column `json:"columns"`
	Rows    []Row    `json:"rows"`
	// Rounds are the single measurements that the rows sum up; empty when there was one each.
	Rounds []Row    `json:"rounds,omitempty"`
	Notes  []string `json:"notes,omitempty"`

	// Limit is what the rows' use of the disk is drawn against; nil where that is not drawn.
	Limit *Limit `json:"limit,omitempty"`

	Commands []Command `json:"commands"`
	Machine  Machine   `json:"machine"`
}

// Column is one kind of value.
type Column struct {
	Key   string `json:"key"`
	Title string `json:"title"`
	Unit  Unit   `json:"unit"`
	// Chart says that the chart shows it.
	Chart bool `json:"-"`
}

// Row is what one way to do the work came to.
type Row struct {
	Way string `json:"way"`
	// Ours marks Stoker's ways.
	Ours   bool               `json:"ours"`
	Values map[string]float64 `json:"values"` // by the columns' keys; one may be missing
	// Short says, in a word or two, in how far the way did not do the work; empty when it did.
	Short string `json:"short,omitempty"`
	// Use is how much of the disk was in use while the work was done; empty where that is not drawn.
	Use []Moment `json:"use,omitempty"`
}

// Command is how a way was run, with stand-ins in capitals for what differs from run to run.
type Command struct {
	Way  string `json:"way"`
	Line string `json:"line"`
}

// Machine is where the measuring was done, and when.
type Machine struct {
	Date   string `json:"date"`
	CPU    string `json:"cpu"`
	CPUs   int    `json:"cpus"`
	Memory int64  `json:"memory_bytes"`
	Kernel string `json:"kernel"`
	// Load is the load average of the last minute before the start: how busy others kept the machine.
	Load     float64 `json:"load_before"`
	BuildKit string  `json:"buildkit"`
	Stoker   string  `json:"stoker"`
	Go       string  `json:"go"`
}

// cell is a row's value as people read it.
func (r Row) cell(c Column) string {
	v, ok := r.Values[c.Key]
	if !ok {
		return "-"
	}
	return c.Unit.Format(v)
}

// Table is the rows as a Markdown table.
func (r Report) Table() string {
	var b strings.Builder
	b.WriteString("| way |")
	for _, c := range r.Columns {
		b.WriteString(" " + c.Title + " |")
	}
	b.WriteString("\n| --- |" + strings.Repeat(" ---: |", len(r.Columns)) + "\n")
	for _, row := range r.Rows {
		b.WriteString("| " + escape(row.Way) + " |")
		for _, c := range r.Columns {
			b.WriteString(" " + row.cell(c) + " |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// escape keeps a text from ending its cell.
func escape(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// Markdown is the whole report.
func (r Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\n%s\n![%s](%s.svg)\n", r.Title, r.Text, r.Table(), r.Title, r.Name)
	if len(r.Notes) > 0 {
		b.WriteString("\n")
		for _, note := range r.Notes {
			fmt.Fprintf(&b, "- %s\n", note)
		}
	}
	b.WriteString("\n## How it was run\n\n")
	for _, c := range r.Commands {
		fmt.Fprintf(&b, "%s:\n\n```\n%s\n```\n\n", c.Way, c.Line)
	}
	m := r.Machine
	fmt.Fprintf(&b, "%s, %d CPUs (%s), %s of memory, Linux %s, BuildKit %s, Stoker %s, %s; load before the start %.1f.\n",
		m.Date, m.CPUs, m.CPU, Bytes.Format(float64(m.Memory)), m.Kernel, m.BuildKit, m.Stoker, m.Go, m.Load)
	return b.String()
}

// Write writes NAME.md, NAME.json and NAME.svg into a directory, which is made if it is missing.
func (r Report) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	chart := r.Chart()
	if r.Limit != nil {
		chart = r.UseChart()
	}
	write := func(extension string, text []byte) error {
		return os.WriteFile(filepath.Join(dir, r.Name+extension), text, 0o644)
	}
	return errors.Join(
		write(".json", append(data, '\n')),
		write(".md", []byte(r.Markdown())),
		write(".svg", []byte(chart)),
	)
}
