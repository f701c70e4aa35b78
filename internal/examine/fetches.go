package examine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/check"
	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/visible"
)

// fetches are files of the web that builds fetch, by their URLs.
type fetches map[string][]fetch

type fetch struct {
	demand graph.Demand
	job    *plan.Job
}

func (f fetches) add(d graph.Demand, j *plan.Job) { f[d.Name] = append(f[d.Name], fetch{d, j}) }

// missing asks whether the files are there, each once and as a build does, but for their
// first byte alone.
func (f fetches) missing(ctx context.Context) (found []check.Finding) {
	ctx, cancel := within(ctx, registryPatience)
	defer cancel()
	client := newWebClient()
	defer client.CloseIdleConnections()
	var servers hosts
	var mu sync.Mutex
	why := firsts{}
	var group errgroup.Group
	group.SetLimit(askers)
	for address, by := range f {
		group.Go(func() error {
			at, err := url.Parse(address)
			if err != nil {
				return nil // the builder will say so
			}
			var status int
			err = servers.ask(ctx, at.Host, func(ctx context.Context) (err error) {
				status, err = ask(ctx, client, address)
				return err
			})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				err = errors.New(why.of(at.Host, err))
			}
			for _, one := range by {
				if f, is := missing(at, status, err, hasAuth(one.job, at.Hostname())); is {
					found = append(found, whose(f, one.demand, one.job))
				}
			}
			return nil
		})
	}
	_ = group.Wait()
	return found
}

// missing tells what is wrong with a file of the web, by its server's answer. Builders take
// what is no error for the file (in BuildKit's source/http).
func missing(at *url.URL, status int, err error, secret bool) (f check.Finding, is bool) {
	f = check.Finding{Severity: check.Unknown, Kind: check.Build}
	file := at.Redacted()
	said := fmt.Sprintf("its server says %d %s", status, http.StatusText(status))
	switch {
	case err != nil:
		f.Text = fmt.Sprintf("whether files of %s are there: %s", at.Host, visible.FirstLine(err.Error()))
	case status < http.StatusBadRequest, status == http.StatusRequestedRangeNotSatisfiable:
		return f, false
	case secret:
		f.Text = fmt.Sprintf("whether %s is there: it is asked for with a secret, which was not used here, and without that %s", file, said)
	case status == http.StatusNotFound, status == http.StatusGone:
		f.Severity = check.Fault
		f.Text = fmt.Sprintf("%s is not there: %s", file, said)
		f.Hint = "this machine has asked; the builder will be told the same, unless it is in another network"
	default:
		f.Severity = check.Warning
		f.Text = fmt.Sprintf("%s may not be there for the builder: %s", file, said)
	}
	return f, true
}

// hasAuth tells whether a job's build is given a secret with which BuildKit asks a server
// for files.
func hasAuth(j *plan.Job, host string) bool {
	return hasSecret(j, "HTTP_AUTH_HEADER_"+host) || hasSecret(j, "HTTP_AUTH_TOKEN_"+host)
}

// newWebClient asks no hosts but those that it is told: where others are named in the place of
// these, that is the answer.
func newWebClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	return &http.Client{Transport: transport, CheckRedirect: func(next *http.Request, before []*http.Request) error {
		if next.URL.Host != before[0].URL.Host || len(before) >= 10 {
			return http.ErrUseLastResponse
		}
		return nil
	}}
}

// ask returns the status of a server's answer. Some refuse HEAD for what they give, so
// that it is asked for as a build does.
func ask(ctx context.Context, client *http.Client, address string) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return 0, err
	}
	request.Header.Set("User-Agent", "stoker")
	request.Header.Set("Range", "bytes=0-0")
	response, err := client.Do(request)
	if err != nil {
		return 0, withoutURL(err)
	}
	return response.StatusCode, response.Body.Close()
}

// withoutURL is an error without the URL, which may have a password in it.
func withoutURL(err error) error {
	if of := new(url.Error); errors.As(err, &of) {
		return of.Err
	}
	return err
}
