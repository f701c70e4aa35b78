package cli

import (
	"os"

	"github.com/docker/buildx/util/buildflags"
	"github.com/docker/cli/cli/config"

	"github.com/stoker-build/stoker/internal/redact"
)

// redactor knows the secrets that the run is given: build secrets, build
// arguments that look like secrets, and the credentials of registries.
func (o buildOptions) redactor() *redact.Redactor {
	var secrets []string
	if specs, err := buildflags.ParseSecretSpecs(o.input.secrets); err == nil {
		for _, s := range specs {
			secrets = append(secrets, secretValue(s))
		}
	}
	if args, err := keyValues("--build-arg", o.input.buildArgs, true); err == nil {
		for key, value := range args {
			if redact.LooksSecret(key) {
				secrets = append(secrets, value)
			}
		}
	}
	if file, err := config.Load(config.Dir()); err == nil {
		for _, auth := range file.AuthConfigs {
			secrets = append(secrets, auth.Password, auth.Auth, auth.IdentityToken, auth.RegistryToken)
		}
	}
	return redact.New(secrets...)
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
