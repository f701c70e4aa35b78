// Package credentials asks docker's credential store for registries' credentials. A
// credential helper is a program of somebody else's: it is given some time to answer, and
// ended with whoever asked.
package credentials

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/docker/buildx/util/dockerutil/dockerconfig"
	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	dockerstore "github.com/docker/cli/cli/config/credentials"
	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/moby/buildkit/session/auth/authprovider"
)

// Store is docker's credential store, as its configuration says it. It remembers for some
// minutes what helpers have answered. It may be used concurrently; Secret is set before.
type Store struct {
	// Secret is told of each secret before it is given out; may be nil.
	Secret func(values ...string)

	limit time.Duration // for a helper's answer

	mu      sync.Mutex
	helpers map[string]*helper // by the name of the program
}

// New returns the store; nothing is read yet.
func New() *Store { return &Store{limit: answerLimit, helpers: map[string]*helper{}} }

// Resolve is for callers that have no context.
func (s *Store) Resolve(target authn.Resource) (authn.Authenticator, error) {
	return s.ResolveContext(context.Background(), target)
}

// ResolveContext makes the store a keychain of go-containerregistry. As its own does it
// looks for a repository before its registry, and where docker has no configuration it
// takes podman's. But a helper that is there for all registries is asked for the registry
// alone, as docker asks it.
func (s *Store) ResolveContext(ctx context.Context, target authn.Resource) (authn.Authenticator, error) {
	file, err := configuration()
	if err != nil {
		return nil, err
	}
	plain := withoutHelpers(file)
	registry := keyOf(target.RegistryStr())
	for _, key := range []string{target.String(), registry} {
		found, err := plain.GetAuthConfig(key)
		if err != nil {
			return nil, err
		}
		if _, named := file.CredentialHelpers[key]; isEmpty(found) && (named || key == registry) {
			if found, err = s.ask(ctx, file, key); err != nil {
				return nil, err
			}
		}
		if !isEmpty(found) {
			s.tell(found)
			return authn.FromConfig(authn.AuthConfig{Username: found.Username, Password: found.Password, Auth: found.Auth,
				IdentityToken: found.IdentityToken, RegistryToken: found.RegistryToken}), nil
		}
	}
	return authn.Anonymous, nil
}

// ForBuilds returns where builders get credentials from: what buildx has, with its
// configurations for single repositories, but for the helpers of docker's own
// configuration, which the store asks.
func (s *Store) ForBuilds(cli command.Cli) authprovider.AuthConfigProvider {
	file := cli.ConfigFile()
	rest := dockerconfig.LoadAuthConfig(configured{cli, withoutHelpers(file)})
	find := func(ctx context.Context, host string, scopes []string, expired authprovider.ExpireCachedAuthCheck) (types.AuthConfig, error) {
		found, err := rest(ctx, host, scopes, expired)
		if err != nil || !isEmpty(found) {
			return found, withoutWords(err)
		}
		if found, err = s.ask(ctx, file, keyOf(host)); err != nil || !isEmpty(found) || !takesHubs[host] {
			return found, err
		}
		return s.ask(ctx, file, keyOf(authprovider.DockerHubRegistryHost))
	}
	return func(ctx context.Context, host string, scopes []string, expired authprovider.ExpireCachedAuthCheck) (types.AuthConfig, error) {
		found, err := find(ctx, host, scopes, expired)
		s.tell(found)
		return found, err
	}
}

func (s *Store) tell(c types.AuthConfig) {
	if s.Secret != nil {
		s.Secret(c.Password, c.Auth, c.IdentityToken, c.RegistryToken)
	}
}

// takesHubs are registries of docker's to which the credentials for its Hub are given,
// as buildx does.
var takesHubs = map[string]bool{"dhi.io": true, "registry.scout.docker.com": true}

// configured is a docker command line with another configuration.
type configured struct {
	command.Cli
	file *configfile.ConfigFile
}

func (c configured) ConfigFile() *configfile.ConfigFile { return c.file }

// ask asks the helper that a configuration has for a registry, if any.
func (s *Store) ask(ctx context.Context, file *configfile.ConfigFile, key string) (types.AuthConfig, error) {
	suffix, setting := helperFor(file, key)
	if suffix == "" {
		return types.AuthConfig{}, nil
	}
	return s.helper(suffix, setting, file.Filename).get(ctx, key)
}

func (s *Store) helper(suffix, setting, file string) *helper {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.helpers[suffix]
	if h == nil {
		h = newHelper(suffix, setting, file, s.limit)
		s.helpers[suffix] = h
	}
	return h
}

// helperFor returns the last part of the name of a registry's helper, and the setting
// that says so.
func helperFor(file *configfile.ConfigFile, key string) (suffix, setting string) {
	if suffix, is := file.CredentialHelpers[key]; is {
		return suffix, "credHelpers"
	}
	return file.CredentialsStore, "credsStore"
}

// withoutHelpers returns a configuration that has only what needs no helper.
func withoutHelpers(file *configfile.ConfigFile) *configfile.ConfigFile {
	plain := *file
	plain.CredentialsStore, plain.CredentialHelpers = "", nil
	plain.AuthConfigs = map[string]types.AuthConfig{}
	for key, auth := range file.AuthConfigs {
		byKey, _ := helperFor(file, key)
		byHost, _ := helperFor(file, dockerstore.ConvertToHostname(key))
		if byKey == "" && byHost == "" {
			plain.AuthConfigs[key] = auth
		}
	}
	return &plain
}

// configuration reads docker's configuration, or podman's where docker has none.
func configuration() (*configfile.ConfigFile, error) {
	dir := os.Getenv(config.EnvOverrideConfigDir)
	if dir == "" {
		dir = config.Dir()
	}
	if isFile(filepath.Join(dir, config.ConfigFileName)) {
		return config.Load(dir)
	}
	for _, path := range podmans() {
		if !isFile(path) {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		file, err := config.LoadFromReader(f)
		if err != nil {
			return nil, err
		}
		file.Filename = path
		return file, nil
	}
	return configfile.New(""), nil
}

// podmans are the files in which podman looks for credentials.
func podmans() []string {
	files := []string{os.Getenv("REGISTRY_AUTH_FILE")}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		files = append(files, filepath.Join(dir, "containers", "auth.json"))
	}
	if dir := os.Getenv("XDG_CONFIG_HOME"); dir != "" {
		files = append(files, filepath.Join(dir, "containers", "auth.json"))
	} else if home, err := os.UserHomeDir(); err == nil {
		files = append(files, filepath.Join(home, ".config", "containers", "auth.json"))
	}
	return files
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// keyOf is what a registry's credentials are stored by. That of Docker Hub is older than
// its registry.
func keyOf(host string) string {
	switch host {
	case name.DefaultRegistry, "docker.io", authprovider.DockerHubRegistryHost:
		return authprovider.DockerHubConfigfileKey
	}
	return host
}

// isEmpty tells whether there are no credentials. That the store has filled in the
// server's address is none.
func isEmpty(auth types.AuthConfig) bool {
	auth.ServerAddress = ""
	return auth == types.AuthConfig{}
}
