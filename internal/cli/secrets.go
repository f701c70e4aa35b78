package cli

import (
	"maps"
	"os"
	"slices"

	"github.com/docker/buildx/util/buildflags"
	"github.com/docker/cli/cli/config"

	"github.com/stoker-build/stoker/internal/mistakes"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/redact"
	"github.com/stoker-build/stoker/internal/rows"
)

// redactor knows the secrets that the run is given: build secrets, build
// arguments that look like secrets, whichever row they come from, and the
// credentials of registries.
func (o buildOptions) redactor(p *plan.Plan) *redact.Redactor {
	secrets := slices.Concat(p.Secrets, secretArgs(p), buildSecrets(p))
	if file, err := config.Load(config.Dir()); err == nil {
		for _, auth := range file.AuthConfigs {
			secrets = append(secrets, auth.Password, auth.Auth, auth.IdentityToken, auth.RegistryToken)
		}
	}
	return redact.New(secrets...)
}

// secretArgs returns the values of build arguments that look like secrets, each
// once.
func secretArgs(p *plan.Plan) []string {
	values := map[string]bool{}
	for _, j := range plan.WithLinked(p.Jobs) {
		for key, value := range j.Options.BuildArgs {
			if redact.LooksSecret(key) {
				values[value] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(values))
}

// rowSecrets returns the values of columns that look like secrets, also of columns in
// others, each once.
func rowSecrets(in rows.Input) []string {
	values := map[string]bool{}
	for _, row := range in.Rows {
		addSecrets(values, row.Columns, false)
	}
	return slices.Sorted(maps.Keys(values))
}

// addSecrets adds the texts in a value that stand below a key that looks like a secret's.
func addSecrets(to map[string]bool, value any, secret bool) {
	switch v := value.(type) {
	case string:
		if secret {
			to[v] = true
		}
	case []any:
		for _, each := range v {
			addSecrets(to, each, secret)
		}
	case map[string]any:
		for key, each := range v {
			addSecrets(to, each, secret || redact.LooksSecret(key))
		}
	}
}

// keepFrom takes secrets out of an error about an input, and returns the error.
func keepFrom(err error, secrets []string) error {
	if len(secrets) > 0 {
		mistakes.Reword(err, redact.New(secrets...).String)
	}
	return err
}

// buildSecrets returns the values of the jobs' build secrets, each once.
func buildSecrets(p *plan.Plan) []string {
	specs := map[buildflags.Secret]bool{}
	for _, j := range plan.WithLinked(p.Jobs) {
		for _, s := range j.Options.SecretSpecs {
			specs[*s] = true
		}
	}
	values := map[string]bool{}
	for s := range specs {
		values[secretValue(&s)] = true
	}
	return slices.Sorted(maps.Keys(values))
}

// The longest secret whose value is looked for, in bytes.
const maxSecret = 1 << 20

// secretValue reads a build secret from where buildx will; empty when it cannot.
func secretValue(s *buildflags.Secret) string {
	if s.Env != "" {
		return os.Getenv(s.Env)
	}
	path := secretFile(s)
	if path == "" {
		return os.Getenv(s.ID)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > maxSecret {
		return ""
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(data)
}

// secretFile is the file that a build secret is in; empty for one that is in a variable.
func secretFile(s *buildflags.Secret) string {
	_, inEnv := os.LookupEnv(s.ID)
	switch {
	case s.Env != "":
		return ""
	case s.FilePath != "":
		return s.FilePath
	case inEnv:
		return ""
	}
	return s.ID
}
