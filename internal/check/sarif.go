package check

import (
	"net/url"
	"path/filepath"
	"slices"

	"github.com/stoker-build/stoker/internal/visible"
)

// SARIF is a report as code scanning reads it: SARIF 2.1.0 (OASIS), as much of it as
// GitHub takes.
type SARIF struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool        sarifTool         `json:"tool"`
	Invocations []sarifInvocation `json:"invocations"`
	Results     []sarifResult     `json:"results"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name    string      `json:"name"`
	Version string      `json:"version"`
	URI     string      `json:"informationUri"`
	Rules   []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID    string        `json:"id"`
	Short *sarifMessage `json:"shortDescription,omitempty"`
	Help  *sarifMessage `json:"help,omitempty"`
}

func newSarifRule(id string) sarifRule {
	text, is := ruleTexts[id]
	if !is {
		return sarifRule{ID: id}
	}
	return sarifRule{id, &sarifMessage{text.finds}, &sarifMessage{text.help}}
}

// sarifInvocation has what stands in no file.
type sarifInvocation struct {
	Successful    bool                `json:"executionSuccessful"`
	Notifications []sarifNotification `json:"toolExecutionNotifications"`
}

type sarifNotification struct {
	Level   string       `json:"level"`
	Message sarifMessage `json:"message"`
}

type sarifMessage struct {
	Text string `json:"text"`
}

type sarifResult struct {
	Rule       string          `json:"ruleId"`
	Index      int             `json:"ruleIndex"`
	Level      string          `json:"level"`
	Message    sarifMessage    `json:"message"`
	Locations  []sarifLocation `json:"locations"`
	Properties sarifProperties `json:"properties"`
}

type sarifLocation struct {
	Physical sarifPhysical `json:"physicalLocation"`
}

type sarifPhysical struct {
	Artifact struct {
		URI string `json:"uri"`
	} `json:"artifactLocation"`
	Region *sarifRegion `json:"region,omitempty"`
}

type sarifRegion struct {
	Line int `json:"startLine"`
}

// sarifProperties are what SARIF has no words for.
type sarifProperties struct {
	Jobs []string `json:"jobs,omitempty"`
	Cost *Costing `json:"cost,omitempty"`
}

var sarifLevels = map[Severity]string{Fault: "error", Warning: "warning", Advice: "note", Unknown: "none"}

// SARIF returns the report for code scanning. Files are named from a directory, where they
// are in it. What stands in no file is told as a notification: a result must have a place.
func (r *Report) SARIF(version, dir string, rewrite func(string) string) SARIF {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "stoker", Version: version, URI: "https://github.com/stoker-build/stoker", Rules: []sarifRule{}}},
		Results: []sarifResult{}}
	invocation := sarifInvocation{Successful: true, Notifications: []sarifNotification{}}
	for _, f := range r.Findings(rewrite) {
		message := sarifMessage{f.message(r)}
		if len(f.Places) == 0 {
			invocation.Notifications = append(invocation.Notifications, sarifNotification{sarifLevels[f.Severity], message})
			continue
		}
		result := sarifResult{Rule: f.rule(), Level: sarifLevels[f.Severity], Message: message, Properties: sarifProperties{f.Jobs, f.Cost}}
		result.Index = run.Tool.Driver.ruleOf(result.Rule)
		for _, p := range f.Places {
			result.Locations = append(result.Locations, p.sarif(dir))
		}
		run.Results = append(run.Results, result)
	}
	run.Invocations = []sarifInvocation{invocation}
	return SARIF{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}}
}

// ruleOf returns the number of a rule, which is a new one where it is not known.
func (d *sarifDriver) ruleOf(id string) int {
	at := slices.IndexFunc(d.Rules, func(r sarifRule) bool { return r.ID == id })
	if at < 0 {
		at = len(d.Rules)
		d.Rules = append(d.Rules, newSarifRule(id))
	}
	return at
}

func (f *Finding) rule() string {
	if f.Cost != nil {
		return f.Cost.Rule
	}
	return string(f.Kind)
}

func (f *Finding) message(r *Report) string {
	text := visible.Lines(f.Text)
	if f.Cost != nil {
		text += "\n" + f.Cost.Text
	}
	if f.Hint != "" {
		text += "\n" + visible.Lines(f.Hint)
	}
	if len(f.Jobs) > 0 {
		text += "\n" + r.jobsOf(*f)
	}
	return text
}

func (p Place) sarif(dir string) (l sarifLocation) {
	name := p.File
	if in, err := filepath.Rel(dir, name); err == nil && filepath.IsAbs(name) && filepath.IsLocal(in) {
		name = in
	}
	uri := url.URL{Path: filepath.ToSlash(name)}
	if filepath.IsAbs(name) {
		uri.Scheme = "file"
	}
	l.Physical.Artifact.URI = uri.String()
	if p.Line > 0 {
		l.Physical.Region = &sarifRegion{p.Line}
	}
	return l
}
