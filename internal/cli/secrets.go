package cli

import (
	"maps"
	"os"
	"slices"

	"github.com/docker/buildx/util/buildflags"
	"github.com/docker/cli/cli/config"

	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/redact"
)

// redactor knows the secrets that the run is given: build secrets, build
// arguments that look like secrets, whichever row they come from, and the
// credentials of registries.
func (o buildOptions) redactor(p *plan.Plan) *redact.Redactor {
	secrets := slices.Concat(secretArgs(p), buildSecrets(p))
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
	path := s.FilePath
	if path == "" {
		if value, set := os.LookupEnv(s.ID); set {
			return value
		}
		path = s.ID
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
