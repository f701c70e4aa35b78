package credentials

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/docker/cli/cli/config/types"
	"github.com/docker/docker-credential-helpers/client"
	protocol "github.com/docker/docker-credential-helpers/credentials"
	"golang.org/x/sync/semaphore"

	"github.com/stoker-build/stoker/internal/process"
)

const (
	// How long a helper may take to answer. It is less than the 10 s that a registry is
	// given where a builder is asked for an image, so that the helper is what is named.
	answerLimit = 8 * time.Second
	// How long a helper that did not answer is left alone: all that wait for it meanwhile
	// would wait as long, one after the other.
	silentFor = 5 * time.Second
	// How long an answer counts. Some helpers hand out tokens that last for 5 minutes.
	answerFor = 4*time.Minute + 30*time.Second
	// How long a helper that is asked to end has for that before it is killed.
	helperPatience = time.Second
)

// A helper is a program that has credentials. It is asked one question at a time, since
// not all can do more: docker-credential-osxkeychain hangs (docker/cli issue 1862).
type helper struct {
	program       string
	setting, file string // which say that it is to be asked
	limit         time.Duration

	turn    *semaphore.Weighted
	answers map[string]answer // by what was asked for; guarded by turn
	silent  time.Time         // when it last did not answer; guarded by turn
}

type answer struct {
	auth types.AuthConfig
	at   time.Time
}

func newHelper(suffix, setting, file string, limit time.Duration) *helper {
	return &helper{program: "docker-credential-" + suffix, setting: setting, file: file, limit: limit,
		turn: semaphore.NewWeighted(1), answers: map[string]answer{}}
}

// get returns the credentials for a registry; empty ones where the helper has none.
func (h *helper) get(ctx context.Context, registry string) (types.AuthConfig, error) {
	if h.turn.Acquire(ctx, 1) != nil {
		return types.AuthConfig{}, h.givenUp(ctx, registry)
	}
	defer h.turn.Release(1)
	if a, known := h.answers[registry]; known && time.Since(a.at) < answerFor {
		return a.auth, nil
	}
	if time.Since(h.silent) < silentFor {
		return types.AuthConfig{}, &silentError{h, registry}
	}
	auth, err := h.ask(ctx, registry)
	if err == nil {
		h.answers[registry] = answer{auth, time.Now()}
	}
	return auth, err
}

// ask runs the helper.
func (h *helper) ask(ctx context.Context, registry string) (types.AuthConfig, error) {
	silent := &silentError{h, registry}
	limited, cancel := context.WithTimeoutCause(ctx, h.limit, silent)
	defer cancel()
	run := &question{ctx: limited, program: h.program}
	said, err := client.Get(run.with, registry)
	switch {
	case err == nil:
		return authOf(registry, said), nil
	case errors.Is(run.err, silent):
		h.silent = time.Now()
		return types.AuthConfig{}, silent
	case ctx.Err() != nil:
		return types.AuthConfig{}, h.givenUp(ctx, registry)
	case protocol.IsErrCredentialsNotFound(err):
		return types.AuthConfig{}, nil
	case errors.Is(run.err, exec.ErrNotFound):
		return types.AuthConfig{}, fmt.Errorf("the credential helper %s, which is to be asked for %s, is not in PATH: install it, or %s", h.program, registry, h.remedy())
	case run.err != nil:
		return types.AuthConfig{}, fmt.Errorf("the credential helper %s failed for %s (%w): %s; mend it, or %s",
			h.program, registry, run.err, run.said(h.trial(registry)), h.remedy())
	}
	return types.AuthConfig{}, fmt.Errorf("the credential helper %s answered for %s with what is no credentials: %s", h.program, registry, h.trial(registry))
}

// tokenUser is the name of a user by which helpers say that the secret is a token.
const tokenUser = "<token>"

func authOf(registry string, said *protocol.Credentials) types.AuthConfig {
	if said.Username == tokenUser {
		return types.AuthConfig{ServerAddress: registry, IdentityToken: said.Secret}
	}
	return types.AuthConfig{ServerAddress: registry, Username: said.Username, Password: said.Secret}
}

// givenUp says that whoever asked did not want to wait longer.
func (h *helper) givenUp(ctx context.Context, registry string) error {
	return fmt.Errorf("while the credential helper %s was asked for %s: %w", h.program, registry, context.Cause(ctx))
}

// trial says how a person sees what a helper says. It is told nowhere: it may be a secret.
func (h *helper) trial(registry string) string {
	return fmt.Sprintf("see what `echo %s | %s get` says", registry, h.program)
}

func (h *helper) remedy() string { return fmt.Sprintf("take it out of %q in %s", h.setting, h.file) }

// ErrSilent says that a helper did not answer.
var ErrSilent = errors.New("the credential helper did not answer")

// silentError says which.
type silentError struct {
	helper   *helper
	registry string
}

func (e *silentError) Error() string {
	return fmt.Sprintf("the credential helper %[1]s did not answer for %[2]s within %[3]s: see what `echo %[2]s | %[1]s get` does, or %[4]s",
		e.helper.program, e.registry, e.helper.limit, e.helper.remedy())
}

func (e *silentError) Unwrap() error { return ErrSilent }

// question is one run of a helper's program.
type question struct {
	ctx     context.Context
	program string

	in  io.Reader
	out bytes.Buffer
	err error // of the program
}

// with is the client's way to run the program with some arguments.
func (q *question) with(args ...string) client.Program {
	return &call{q, args}
}

type call struct {
	*question
	args []string
}

// Input says what the program reads.
func (c *call) Input(in io.Reader) { c.in = in }

// Output runs the program, and returns what it prints.
func (c *call) Output() ([]byte, error) {
	cmd := exec.Command(c.program, c.args...)
	cmd.Stdin, cmd.Stdout = c.in, &c.out
	cmd.WaitDelay = helperPatience // for what has its output open without being of its group
	c.err = process.Run(c.ctx, cmd, helperPatience)
	return c.out.Bytes(), c.err
}

// said is why the program failed where it says so in the words of docker's protocol, which
// are no secret; else a way to see what it says.
func (q *question) said(trial string) string {
	text := strings.TrimSpace(q.out.String())
	if protocol.IsCredentialsMissingServerURLMessage(text) || protocol.IsCredentialsMissingUsernameMessage(text) {
		return text
	}
	return trial
}

// failedOut is where docker's client repeats what a helper has said.
const failedOut = ", out: `"

// withoutWords returns an error of docker's own client without what a helper said.
func withoutWords(err error) error {
	if err == nil {
		return nil
	}
	if text, _, said := strings.Cut(err.Error(), failedOut); said {
		return errors.New(text)
	}
	return err
}
