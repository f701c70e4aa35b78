package page

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"regexp"
	"strconv"

	"github.com/go-analyze/charts"

	"github.com/stoker-build/stoker/internal/bytesize"
	"github.com/stoker-build/stoker/internal/timeline"
	"github.com/stoker-build/stoker/internal/visible"
)

// colour is one of the page's, by its name in the style sheet. The library that draws knows
// only numbers, so that each colour goes through it as a number of its own, and one drawing
// follows light and dark.
type colour uint8

// The colours that charts have.
const (
	inkColour colour = iota + 1
	gridColour
	builtColour
	skippedColour
	failedColour
	liveColour
	deadColour
	foreignColour
	leftColour
	usedColour
	promisedColour
	highColour
	aColour
	bColour
	forecastColour
)

var colourNames = map[colour]string{
	inkColour: "muted", gridColour: "line", builtColour: "built", skippedColour: "skipped", failedColour: "failed",
	liveColour: "live", deadColour: "dead", foreignColour: "foreign", leftColour: "left",
	usedColour: "used", promisedColour: "promised", highColour: "high", aColour: "a", bColour: "b", forecastColour: "forecast",
}

func (c colour) drawn() charts.Color { return charts.Color{R: uint8(c), G: 7, B: 77, A: 255} }

var drawnColour = regexp.MustCompile(`rgb\((\d+),7,77\)`)

// The measures of a chart, in its own units.
const (
	chartWidth  = 960
	chartHeight = 240
	// pieces is how finely a run's time is drawn.
	pieces = 240
	// mostMarks is how many times stand below a chart at most, beside its beginning.
	mostMarks = 8
	// widestBar is how much of its place a bar takes; of fewer than fewBars it takes less.
	widestBar = 0.75
	fewBars   = 16
)

// chart is lines over a run's time, or bars of several runs.
type chart struct {
	Title string
	// Note says in words what the lines show.
	Note string
	// labels say what each value is of, and marks how many of them stand below the chart; 0 for as many
	// as there is room for.
	labels []string
	marks  int
	lines  []line
	// stacked lines stand upon each other, and so do bars.
	stacked bool
	bars    bool
	format  func(float64) string
}

// line is what a chart shows of one thing. Unknown is the value of charts.GetNullValue.
type line struct {
	Name   string
	colour colour
	values []float64
}

// Colour is the name of the line's colour in the style sheet.
func (l line) Colour() string { return colourNames[l.colour] }

// Lines are what the chart shows, for its legend.
func (c chart) Lines() []line { return c.lines }

// SVG draws the chart.
func (c chart) SVG() (template.HTML, error) {
	painter := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: chartWidth, Height: chartHeight})
	draw := c.drawLines
	if c.bars {
		draw = c.drawBars
	}
	if err := draw(painter); err != nil {
		return "", fmt.Errorf("%s: %w", c.Title, err)
	}
	drawing, err := painter.Bytes()
	if err != nil {
		return "", fmt.Errorf("%s: %w", c.Title, err)
	}
	return template.HTML(drawnColour.ReplaceAllStringFunc(string(drawing), named)), nil //nolint:gosec // of numbers alone
}

// theme are the colours of the chart and of its lines.
func (c chart) theme() charts.ColorPalette {
	theme := charts.ThemeOption{
		BackgroundColor: charts.ColorTransparent, AxisStrokeColor: gridColour.drawn(),
		AxisSplitLineColor: gridColour.drawn(), TextColor: inkColour.drawn(),
	}
	for _, l := range c.lines {
		theme.SeriesColors = append(theme.SeriesColors, l.colour.drawn())
	}
	return charts.MakeTheme(theme)
}

func (c chart) values() (all [][]float64) {
	for _, l := range c.lines {
		all = append(all, l.values)
	}
	return all
}

func (c chart) drawLines(painter *charts.Painter) error {
	opt := charts.NewLineChartOptionWithData(c.values())
	opt.Theme = c.theme()
	opt.StackSeries, opt.FillOpacity = new(c.stacked), math.MaxUint8
	opt.Symbol.Shape = charts.SymbolNone
	opt.LineStrokeWidth = 2
	if c.stacked {
		opt.LineStrokeWidth = 0.1 // areas: what is nothing has no line either
	}
	opt.Legend.Show = new(false)
	opt.Padding = charts.NewBoxEqual(8)
	opt.XAxis, opt.YAxis = c.labelAxis(), c.valueAxis()
	opt.XAxis.BoundaryGap = new(false)
	return painter.LineChart(opt)
}

func (c chart) drawBars(painter *charts.Painter) error {
	opt := charts.NewBarChartOptionWithData(c.values())
	opt.Theme = c.theme()
	opt.StackSeries = new(c.stacked)
	opt.Legend.Show = new(false)
	opt.Padding = charts.NewBoxEqual(8)
	opt.BarSize = min(widestBar, float64(len(c.labels))/fewBars)
	opt.CategoryAxis, opt.ValueAxis = c.labelAxis(), c.valueAxis()
	return painter.BarChart(opt)
}

func (c chart) labelAxis() charts.CategoryAxisOption {
	axis := charts.CategoryAxisOption{Labels: c.labels, LabelCount: cmp.Or(c.marks, min(mostMarks+1, len(c.labels)))}
	axis.LabelFontStyle.FontSize = 10
	return axis
}

func (c chart) valueAxis() []charts.ValueAxisOption {
	top, labels := scale(c.most())
	axis := charts.ValueAxisOption{Min: new(0.0), Max: &top, RangeValuePaddingScale: new(0.0), ValueFormatter: c.format, LabelCount: labels}
	axis.LabelFontStyle.FontSize = 10
	return []charts.ValueAxisOption{axis}
}

// most is the highest that the chart shows.
func (c chart) most() (most float64) {
	for i := range c.labels {
		sum := 0.0
		for _, l := range c.lines {
			switch v := l.values[i]; {
			case v == charts.GetNullValue():
			case c.stacked:
				sum += v
			default:
				sum = max(sum, v)
			}
		}
		most = max(most, sum)
	}
	return most
}

// mostSteps is how many steps an axis has at most.
const mostSteps = 5

// scale is where an axis ends that shows so much, and how many numbers stand at it, which
// are round: steps of 1, 2 or 5, or ten times as much, and so on.
func scale(most float64) (top float64, labels int) {
	step := 1.0
	for i := 0; step*mostSteps < most; i++ {
		step *= []float64{2, 2.5, 2}[i%3]
	}
	steps := max(math.Ceil(most/step), 1)
	return step * steps, int(steps) + 1
}

// named is a colour's name in the style sheet.
func named(drawn string) string {
	n, _ := strconv.Atoi(drawnColour.FindStringSubmatch(drawn)[1])
	return "var(--" + colourNames[colour(n)] + ")" //nolint:gosec // one of ours
}

// over is a chart of a run's time.
func (a axis) over(c chart) chart {
	for i := range a.N {
		c.labels = append(c.labels, clock(a.At(i)))
	}
	c.marks = a.marks + 1
	for _, l := range c.lines {
		for i := range l.values {
			if i > 0 && a.At(i-1) >= a.length {
				l.values[i] = charts.GetNullValue()
			}
		}
	}
	return c
}

// done is how many images there were over time.
func done(r *timeline.Run) chart {
	axis := axisOf(r)
	counts := r.Counts(axis.Grid)
	c := chart{
		Title: "Images over time", stacked: true, format: whole,
		Note: "How many jobs had ended at each moment, built, skipped and failed upon each other.",
	}
	for _, l := range []line{
		{"built", builtColour, counts.Built}, {"skipped", skippedColour, counts.Skipped}, {"failed", failedColour, counts.Failed},
	} {
		if l.values[len(l.values)-1] > 0 {
			c.lines = append(c.lines, l)
		}
	}
	return axis.over(c)
}

// space is how full a node was over time, and what its cache was made of.
func space(r *timeline.Run, node string) (all []chart) {
	axis := axisOf(r)
	s := r.Space(node, axis.Grid)
	cache := chart{
		Title: "Cache", stacked: true, format: size,
		Note: "What the cache was made of, as it was at the last look before each moment: live is needed by jobs that are not finished, dead by none; foreign is somebody else's, left over an earlier run's.",
	}
	for _, l := range []line{
		{"live", liveColour, known(s.Live)}, {"dead", deadColour, known(s.Dead)},
		{"foreign", foreignColour, known(s.Foreign)}, {"left over", leftColour, known(s.LeftOver)},
	} {
		if anything(l.values) {
			cache.lines = append(cache.lines, l)
		}
	}
	expected, note := forecast(r, node, s)
	bound := chart{
		Title: capital(visible.Line(s.Bound)), format: size,
		Note: "What was used of it, what running jobs may still take, and the limit." + note,
	}
	for _, l := range []line{
		expected, {"limit", highColour, known(s.High)},
		{"with what running jobs may take", promisedColour, sum(s.Used, s.Promised)}, {"used", usedColour, known(s.Used)},
	} {
		if anything(l.values) {
			bound.lines = append(bound.lines, l)
		}
	}
	for _, c := range []chart{cache, bound} {
		if len(c.lines) > 0 {
			all = append(all, axis.over(c))
		}
	}
	return all
}

// forecast is the line of what was expected to be used of a bound, and what to know of it. Of
// runs that told only how much that was at most, it is straight.
func forecast(r *timeline.Run, node string, s timeline.Space) (expected line, note string) {
	expected = line{"forecast", forecastColour, known(s.Forecast)}
	if f, told := r.Forecasts[node]; told && f.Bound == s.Bound {
		return expected, fmt.Sprintf(" The forecast, made before most was built, is of what would be used once as many jobs had begun: %s at most.", size(float64(f.PeakBytes)))
	}
	if r.Summary == nil || r.Summary.Space == nil || len(r.Start.Nodes) > 1 || r.Summary.Space.Bound != s.Bound || r.Summary.Space.ForecastPeakBytes == 0 {
		return expected, ""
	}
	expected.Name = "forecast of the most"
	for i := range expected.values {
		expected.values[i] = float64(r.Summary.Space.ForecastPeakBytes)
	}
	return expected, ""
}

// known are a line's values.
func known(series []*int64) []float64 { return sum(series, nil) }

// sum adds two series up; unknown where the first is.
func sum(a, b []*int64) (all []float64) {
	for i, v := range a {
		total := charts.GetNullValue()
		if v != nil {
			total = float64(*v)
			if b != nil && b[i] != nil {
				total += float64(*b[i])
			}
		}
		all = append(all, total)
	}
	return all
}

func anything(values []float64) bool {
	for _, v := range values {
		if v > 0 && v != charts.GetNullValue() {
			return true
		}
	}
	return false
}

func whole(v float64) string { return strconv.FormatFloat(math.Round(v), 'f', -1, 64) }
func size(v float64) string  { return bytesize.Text(int64(v)) }
