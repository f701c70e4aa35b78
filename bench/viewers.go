package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stoker-build/stoker/bench/report"
)

// wayUnseen is the way that the others are compared to.
const wayUnseen = "stoker build --listen, nobody looks"

// viewersWays are who looks at a run's page.
var viewersWays = []viewersWay{
	{name: "stoker build", dir: "without"},
	{name: wayUnseen, dir: "nobody", listens: true},
	{name: "ten look", dir: "ten", listens: true, viewers: 10},
	{name: "ten look, of whom one has stopped to read", dir: "stalled", listens: true, viewers: 10, stalled: 1},
}

type viewersWay struct {
	name    string
	dir     string
	listens bool
	// viewers look at the page, of whom the stalled read nothing of what they are sent.
	viewers, stalled int
}

// viewers measures what those who look at a run's page cost the run.
func viewers(ctx context.Context, b *bench) (report.Report, error) {
	images, rounds := 300, 5
	if b.quick {
		images, rounds = 60, 1
	}
	r := report.Report{
		Title: fmt.Sprintf("Viewers: a run of %d tiny images, and its page", images),
		Text: fmt.Sprintf("The images are those of the benchmark overhead: with nothing to wait for, whatever Stoker does beside shows. %d builds run at once."+
			" Viewers follow the page as browsers do, on the same machine. The figures are medians of %d rounds, in which the ways take turns at being first.",
			overheadWorkers, rounds),
		Columns: []report.Column{
			{Key: "wall", Title: "wall clock", Unit: report.Seconds, Chart: true},
			{Key: "ratio", Title: "ratio to when nobody looks", Unit: report.Ratio},
			{Key: "clients", Title: "processor time of stoker", Unit: report.Seconds, Chart: true},
			{Key: "memory", Title: "peak memory of stoker", Unit: report.Bytes},
			{Key: "sent", Title: "sent to viewers", Unit: report.Bytes},
		},
	}
	o, err := newOverheadRun(ctx, b, images)
	if err != nil {
		return r, err
	}
	name := func(w viewersWay) string { return w.name }
	r.Rounds, err = inTurns("viewers", viewersWays, rounds, name, func(w viewersWay, round int) (report.Row, error) {
		return o.seen(ctx, w, round)
	})
	if err := errors.Join(err, o.registry.Close()); err != nil {
		return r, err
	}
	r.Rows, r.Notes = report.Medians(r.Rounds), o.notes
	ways := make([]way, len(r.Rows))
	for i, row := range r.Rows {
		ways[i] = way{name: row.Way, against: wayUnseen}
		r.Commands = append(r.Commands, report.Command{Way: row.Way, Line: commandLine("stoker", standIn(overheadWorkers).stokerArgs(viewersWays[i].flags("127.0.0.1:8080")...))})
	}
	compareWalls(r.Rows, ways)
	return r, nil
}

func (w viewersWay) flags(address string) []string {
	if !w.listens {
		return nil
	}
	return []string{"--listen", address}
}

// seen lets one way build everything once, while its viewers look.
func (o *overheadRun) seen(ctx context.Context, w viewersWay, round int) (report.Row, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return report.Row{}, err
	}
	a := look(ctx, "http://"+address+"/", w)
	row, err := o.measure(ctx, overheadWay{name: w.name, ours: true, flags: w.flags(address)}, fmt.Sprintf("viewers-%s-%d", w.dir, round))
	told := a.leave()
	if err != nil {
		return row, err
	}
	row.Values["sent"] = float64(a.bytes.Load())
	if told < w.viewers-w.stalled {
		row.Short = cmp.Or(row.Short, fmt.Sprintf("%d of %d viewers were told of the end", told, w.viewers-w.stalled))
	}
	return row, nil
}

// freeAddress is one of this machine that nobody listens at.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// audience is who looks at a page.
type audience struct {
	bytes, told atomic.Int64
	all         sync.WaitGroup
	stop        context.CancelFunc
}

// look has viewers open a page once it is there, and follow it.
func look(ctx context.Context, page string, w viewersWay) *audience {
	a := &audience{}
	ctx, a.stop = context.WithCancel(ctx)
	for i := range w.viewers {
		a.all.Go(func() {
			for ctx.Err() == nil {
				if err := a.follow(ctx, page, i < w.stalled); err == nil {
					return
				}
				select {
				case <-ctx.Done():
				case <-time.After(50 * time.Millisecond):
				}
			}
		})
	}
	return a
}

// leave ends all looking, and tells how many were told of the run's end.
func (a *audience) leave() int {
	a.stop()
	a.all.Wait()
	return int(a.told.Load())
}

var followed = regexp.MustCompile(`data-live="([^"]+)" data-rows="(\d+)"`)

// follow reads a page and what comes after it, until that ends. Who is stalled reads nothing of
// what comes.
func (a *audience) follow(ctx context.Context, page string, stalled bool) error {
	whole, err := get(ctx, page)
	if err != nil {
		return err
	}
	defer whole.Close()
	text, err := io.ReadAll(whole)
	if err != nil {
		return err
	}
	a.bytes.Add(int64(len(text)))
	found := followed.FindSubmatch(text)
	if found == nil {
		return errors.New("the page does not follow a run")
	}
	events, err := get(ctx, page+html.UnescapeString(string(found[1]))+"&rows="+string(found[2]))
	if err != nil {
		return err
	}
	defer events.Close()
	if stalled {
		<-ctx.Done()
		return nil
	}
	n, err := io.Copy(io.Discard, events)
	a.bytes.Add(n)
	if err == nil {
		a.told.Add(1)
	}
	return err
}

func get(ctx context.Context, url string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, errors.Join(errors.New(answer.Status), answer.Body.Close())
	}
	return answer.Body, nil
}
