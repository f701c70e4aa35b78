package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/buildflags"
	"github.com/moby/buildkit/session"
)

// The flag of build secrets, for messages.
const secretFlag = "--secret"

// secrets are the build secrets that jobs are given, by the flags' filled in texts: jobs
// with the same ones share what hands them out.
type secrets map[string]grant

type grant struct {
	specs  buildflags.Secrets
	attach session.Attachable
}

// giveSecrets gives a row's job its build secrets.
func (m *maker) giveSecrets(o *build.Options, columns map[string]any) error {
	if len(m.secrets) == 0 {
		return nil
	}
	texts := make([]string, len(m.secrets))
	for i, t := range m.secrets {
		text, err := t.expand(columns)
		if err != nil {
			return err
		}
		if err := m.guard.checkSecret(t, text); err != nil {
			return err
		}
		texts[i] = text
	}
	key := strings.Join(texts, "\n")
	g, made := m.given[key]
	if !made {
		var err error
		if g, err = newGrant(texts); err != nil {
			return &InputError{What: secretFlag, Problems: []string{err.Error()}}
		}
		m.given[key] = g
	}
	o.SecretSpecs = g.specs
	o.Session = append(slices.Clip(o.Session), g.attach)
	return nil
}

func newGrant(texts []string) (g grant, err error) {
	if g.specs, err = buildflags.ParseSecretSpecs(texts); err != nil {
		return g, err
	}
	g.attach, err = build.CreateSecrets(g.specs)
	return g, err
}

// checkSecrets finds what is wrong with secrets in which no row has a say.
func (m *maker) checkSecrets() error {
	for _, t := range m.secrets {
		if t.varies() {
			continue
		}
		if _, err := newGrant([]string{t.text}); err != nil {
			return &InputError{What: fmt.Sprintf("%s %q", secretFlag, t.text), Problems: []string{err.Error()}}
		}
	}
	return nil
}

// checkSecret keeps a row from naming which of the user's variables, or of the files
// outside of the working directory, is given to its build. A secret that has an id alone is
// the variable or the file of that name (CreateSecrets in buildx's build/secrets.go).
func (g *guard) checkSecret(t *templated, text string) error {
	if g == nil || !t.varies() {
		return nil
	}
	specs, err := buildflags.ParseSecretSpecs([]string{text})
	if err != nil || len(specs) == 0 {
		return nil // newGrant tells what is wrong with it
	}
	s := specs[0]
	if s.FilePath != "" {
		return g.check(t.String(), s.FilePath)
	}
	if s.Env != "" && !rowNames(t.text, "env") {
		return nil
	}
	return &InputError{What: t.String(), Problems: []string{fmt.Sprintf("a row would say which variable of yours is given to its build: %q", text)},
		Hint: "say where it comes from, such as --secret 'id={{.id}},src=secrets/{{.id}}', or allow it with --allow-outside"}
}

// rowNames tells whether a row has a say in a part of a flag's text.
func rowNames(text, part string) bool {
	_, fromRow := ownText(text, part)
	return fromRow
}
