package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/yaml"
)

const (
	dashboardPath = "../../deploy/grafana/dashboard.json"
	alertsPath    = "../../deploy/grafana/alerts.yaml"
	docsPath      = "../../docs/monitoring.md"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	namePattern  = regexp.MustCompile(`stoker_[a-z_]+`)
	labelPattern = regexp.MustCompile(`(stoker_[a-z_]+)\{([^}]*)\}`)
	keyPattern   = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"`)
)

// all are all metrics with the labels of their series, of a run that has each.
func all(t *testing.T) (labels map[string]map[string]bool, names []string) {
	t.Helper()
	r := full()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	labels = map[string]map[string]bool{}
	for _, f := range families {
		keys := map[string]bool{"job": true, "instance": true} // which Prometheus adds
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				keys[l.GetName()] = true
			}
		}
		names = append(names, f.GetName())
		labels[f.GetName()] = keys
		if f.GetType().String() == "HISTOGRAM" {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				labels[f.GetName()+suffix] = keys
			}
		}
	}
	described := make(chan *prometheus.Desc, 1000)
	r.all.registry.Describe(described)
	if len(described) != len(families) {
		t.Fatalf("%d metrics are made, and the run of this test has %d of them", len(described), len(families))
	}
	return labels, names
}

// checkNames makes sure that a text names only what there is.
func checkNames(t *testing.T, where, text string, labels map[string]map[string]bool) {
	t.Helper()
	for _, name := range namePattern.FindAllString(text, -1) {
		if labels[name] == nil {
			t.Errorf("%s has %s, which is no metric", where, name)
		}
	}
	for _, found := range labelPattern.FindAllStringSubmatch(text, -1) {
		for _, pair := range keyPattern.FindAllStringSubmatch(found[2], -1) {
			if !labels[found[1]][pair[1]] {
				t.Errorf("%s has %s, which has no label %q", where, found[0], pair[1])
			}
			checkStates(t, where, pair[1], pair[2])
		}
	}
}

// checkStates makes sure that the states which a selector picks are states.
func checkStates(t *testing.T, where, label, values string) {
	t.Helper()
	for value := range strings.SplitSeq(values, "|") {
		if label == "state" && !slices.Contains(states, state(value)) {
			t.Errorf("%s asks for jobs that are %q, as none is", where, value)
		}
	}
}

func TestDashboard(t *testing.T) {
	var dashboard struct {
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr string }
		}
	}
	text := read(t, dashboardPath)
	if err := json.Unmarshal([]byte(text), &dashboard); err != nil {
		t.Fatal(err)
	}
	labels, _ := all(t)
	checkNames(t, dashboardPath, text, labels) // also what variables ask for
	for _, panel := range dashboard.Panels {
		if panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("%q shows nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			if !namePattern.MatchString(target.Expr) {
				t.Errorf("%q shows %q", panel.Title, target.Expr)
			}
			checkNames(t, panel.Title, target.Expr, labels)
		}
	}
}

func TestAlerts(t *testing.T) {
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations struct{ Summary, Description string }
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, alertsPath)), &rules); err != nil {
		t.Fatal(err)
	}
	labels, _ := all(t)
	documented := regexp.MustCompile("(?m)^\\| `(Stoker[A-Za-z]+)` \\| .").FindAllStringSubmatch(read(t, docsPath), -1)
	var told, alerts []string
	for _, d := range documented {
		told = append(told, d[1])
	}
	for _, r := range rules.Groups[0].Rules {
		alerts = append(alerts, r.Alert)
		if !namePattern.MatchString(r.Expr) || r.Annotations.Summary == "" || r.Annotations.Description == "" {
			t.Errorf("%s: %+v", r.Alert, r)
		}
		checkNames(t, r.Alert, r.Expr+" "+r.Annotations.Description, labels)
	}
	if !slices.Equal(alerts, told) {
		t.Errorf("the alerts are %q, and %s explains %q", alerts, docsPath, told)
	}
}

// Each metric is in the table of the documents, with its labels.
func TestDocumented(t *testing.T) {
	labels, names := all(t)
	text := read(t, docsPath)
	checkNames(t, docsPath, text, labels)
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`stoker_.*?) \\| (.*?) ?\\| .").FindAllStringSubmatch(text, -1) {
		for _, name := range namePattern.FindAllString(row[1], -1) {
			documented[name] = row[2]
		}
	}
	for _, name := range names {
		row, there := documented[name]
		if !there {
			t.Errorf("%s does not tell of %s", docsPath, name)
		}
		told := regexp.MustCompile(`\w+`).FindAllString(row, -1)
		if own := len(labels[name]) - 2; len(told) != own || slices.ContainsFunc(told, func(l string) bool { return !labels[name][l] }) {
			t.Errorf("%s has of %s the labels %q, want %v", docsPath, name, told, labels[name])
		}
	}
}
