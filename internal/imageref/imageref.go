// Package imageref reads references of images, as docker and BuildKit do, and the
// hosts of registries that stand in them. It is pure: it asks nobody.
package imageref

import (
	"errors"
	"strings"
	"unicode"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
)

// Ref is an image reference with all spelled out that may be left out: the registry
// docker.io, its library, and the tag latest where there is neither tag nor digest.
type Ref struct {
	named reference.Named
}

// Parse reads a reference.
func Parse(text string) (Ref, error) {
	if strings.ContainsFunc(text, unicode.IsSpace) {
		return Ref{}, errors.New("holds white space")
	}
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return Ref{}, err
	}
	return Ref{reference.TagNameOnly(named)}, nil
}

// String returns the whole reference, which is the form that BuildKit writes into
// the names of records.
func (r Ref) String() string { return r.named.String() }

// Host is the registry's: docker.io, or host:port.
func (r Ref) Host() string { return reference.Domain(r.named) }

// Path is the repository within its registry.
func (r Ref) Path() string { return reference.Path(r.named) }

// Repository is the reference without tag and digest.
func (r Ref) Repository() string { return r.named.Name() }

// Tag is empty where the reference has a digest alone.
func (r Ref) Tag() string {
	if tagged, ok := r.named.(reference.Tagged); ok {
		return tagged.Tag()
	}
	return ""
}

// Digest is empty where the reference has a tag alone.
func (r Ref) Digest() digest.Digest {
	if digested, ok := r.named.(reference.Digested); ok {
		return digested.Digest()
	}
	return ""
}

// WithoutDigest returns a reference by its tag, which is latest where it has none;
// empty for what is no reference.
func WithoutDigest(text string) string {
	text, _, _ = strings.Cut(text, "@")
	ref, err := Parse(text)
	if err != nil {
		return ""
	}
	return ref.String()
}

// ShortDigest is enough of a digest to tell it from others: its algorithm and twelve digits.
func ShortDigest(text string) string {
	const hexDigits = 12
	algorithm, hex, ok := strings.Cut(text, ":")
	if !ok || len(hex) <= hexDigits {
		return text
	}
	return algorithm + ":" + hex[:hexDigits]
}

// HostOf returns the registry of a reference; empty for what is none.
func HostOf(text string) string {
	ref, err := Parse(text)
	if err != nil {
		return ""
	}
	return ref.Host()
}

// SameRepository tells whether two texts are references of one repository.
func SameRepository(a, b string) bool {
	one, err := Parse(a)
	if err != nil {
		return false
	}
	other, err := Parse(b)
	return err == nil && one.Repository() == other.Repository()
}

// DockerHub is the registry of references that name none.
const DockerHub = "docker.io"

// Registry returns the registry that a host answers for: those of Docker Hub have
// names that no reference has.
func Registry(host string) string {
	if host == DockerHub || strings.HasSuffix(host, "."+DockerHub) {
		return DockerHub
	}
	return host
}

// Loopback tells whether a host, with or without a port, is this machine, so that
// it may be asked without TLS. BuildKit goes by the same function.
func Loopback(host string) bool {
	local, err := docker.MatchLocalhost(host)
	return err == nil && local
}
