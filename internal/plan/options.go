package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/buildflags"
	"github.com/docker/cli/opts"
)

// options turns the flags that are the same for all jobs into buildx's own
// options, the way that docker buildx build does. A context that is fetched from
// git by ssh needs the user's agent. The session's credentials for registries are
// the builder's to add.
func (s Spec) options(gitSSH bool) (build.Options, error) {
	o := build.Options{
		NetworkMode:   s.NetworkMode,
		ExtraHosts:    s.ExtraHosts,
		CgroupParent:  s.CgroupParent,
		NoCache:       s.NoCache,
		NoCacheFilter: s.NoCacheFilter,
		Pull:          s.Pull,
	}
	steps := []struct {
		flag string
		set  func() error
	}{
		{"--ssh", func() error { return s.addSSH(&o, gitSSH) }},
		{"--attest, --provenance or --sbom", func() error { return s.addAttests(&o) }},
		{"--shm-size", func() error { return s.setShmSize(&o) }},
		{"--ulimit", func() error { return s.addUlimits(&o) }},
		{"--network", func() error { return checkNetwork(s.NetworkMode) }},
		{"--add-host", func() error { return checkHosts(s.ExtraHosts) }},
		{"--resource", func() error { return s.addResources(&o) }},
		{"--allow", func() (err error) { o.Allow, _, err = buildflags.ParseEntitlements(s.Allow); return }},
		{"EXPERIMENTAL_BUILDKIT_SOURCE_POLICY", func() (err error) { o.SourcePolicy, err = build.ReadSourcePolicy(); return }},
	}
	for _, step := range steps {
		if err := step.set(); err != nil {
			return o, &InputError{What: step.flag, Problems: []string{err.Error()}}
		}
	}
	return o, nil
}

// checkNetwork refuses what buildx would refuse of every job.
func checkNetwork(mode string) error {
	if !slices.Contains([]string{"", "default", "host", "none"}, mode) {
		return fmt.Errorf("%q is not default, host or none", mode)
	}
	return nil
}

// checkHosts does the same for entries of /etc/hosts, of which buildx itself reads
// the addresses.
func checkHosts(hosts []string) error {
	for _, entry := range hosts {
		host, address, found := strings.Cut(entry, "=")
		if !found {
			host, address, _ = strings.Cut(entry, ":")
		}
		if host == "" || address == "" {
			return fmt.Errorf("%q is not a host and its address, such as db=10.0.0.2", entry)
		}
	}
	return nil
}

func (s Spec) addSSH(o *build.Options, gitSSH bool) error {
	specs, err := buildflags.ParseSSHSpecs(s.SSH)
	if err != nil {
		return err
	}
	if len(specs) == 0 && gitSSH {
		specs = []*buildflags.SSH{{ID: "default"}}
	}
	o.SSHSpecs = specs
	attach, err := build.CreateSSH(specs)
	if err != nil {
		return innermost(err) // what is around it has values of Go
	}
	o.Session = append(o.Session, attach)
	return nil
}

func innermost(err error) error {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err
}

func (s Spec) addAttests(o *build.Options) error {
	attests, err := buildflags.ParseAttests(s.Attests)
	if err != nil {
		return err
	}
	o.Attests = attests.ToMap()
	return nil
}

func (s Spec) setShmSize(o *build.Options) error {
	if s.ShmSize == "" {
		return nil
	}
	if o.ShmSize.Set(s.ShmSize) != nil {
		return fmt.Errorf("%q is not a size such as 64m", s.ShmSize)
	}
	return nil
}

func (s Spec) addResources(o *build.Options) (err error) {
	for i := range s.Resources {
		if o.ResourceLimits, err = build.ParseResourceLimits(s.Resources[:i+1]); err != nil {
			return fmt.Errorf("%q is not KEY=VALUE, such as memory=512m or cpu-shares=512", s.Resources[i])
		}
	}
	return nil
}

func (s Spec) addUlimits(o *build.Options) error {
	o.Ulimits = opts.NewUlimitOpt(nil)
	for _, limit := range s.Ulimits {
		if o.Ulimits.Set(limit) != nil {
			return fmt.Errorf("%q is not TYPE=SOFT[:HARD], such as nofile=1024:2048", limit)
		}
	}
	return nil
}
