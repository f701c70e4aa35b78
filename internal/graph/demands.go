package graph

import (
	"cmp"
	"slices"
	"strings"

	"github.com/moby/buildkit/session/sshforward"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/entitlements"
	"github.com/opencontainers/go-digest"
)

// DemandKind says what it is that an operation cannot do without.
type DemandKind string

// The kinds of demands.
const (
	Secret      DemandKind = "secret"
	SSH         DemandKind = "SSH"
	Entitlement DemandKind = "entitlement"
	URL         DemandKind = "URL"
)

// Demand is something without which an operation fails, and which is not in the graph: it
// comes with the build, or from the web.
type Demand struct {
	Kind DemandKind
	Name string // the id of a secret or of keys, an entitlement, an URL
	Line int    // of its Dockerfile; 0 where the operation stands in none
	// Dockerfile is the digest of the text in which it stands: a graph has the steps, too,
	// of what its job is built on, which has one of its own. Empty where it stands in none.
	Dockerfile digest.Digest
}

// demands returns what the definition's operations demand.
func (d *Definition) demands() (all []Demand) {
	for _, o := range d.ops {
		for _, demand := range slices.Concat(demandsOf(o.op.GetExec()), demandsOfSource(o.op.GetSource())) {
			text, line := d.placeOf(o.digest)
			if line == 0 {
				text, line = d.placeOfUser(o.digest)
			}
			if line > 0 {
				demand.Line, demand.Dockerfile = line, digest.FromBytes(text)
			}
			all = append(all, demand)
		}
	}
	return all
}

// demandsOf are those of a RUN step.
func demandsOf(exec *pb.ExecOp) (all []Demand) {
	for _, m := range exec.GetMounts() {
		switch s, k := m.SecretOpt, m.SSHOpt; {
		case m.MountType == pb.MountType_SECRET && s != nil && !s.Optional:
			all = append(all, Demand{Kind: Secret, Name: s.ID})
		case m.MountType == pb.MountType_SSH && k != nil && !k.Optional:
			all = append(all, Demand{Kind: SSH, Name: cmp.Or(k.ID, sshforward.DefaultID)})
		}
	}
	for _, s := range exec.GetSecretenv() {
		if !s.Optional {
			all = append(all, Demand{Kind: Secret, Name: s.ID})
		}
	}
	if exec.GetSecurity() == pb.SecurityMode_INSECURE {
		all = append(all, Demand{Kind: Entitlement, Name: entitlements.EntitlementSecurityInsecure.String()})
	}
	if exec.GetNetwork() == pb.NetMode_HOST {
		all = append(all, Demand{Kind: Entitlement, Name: entitlements.EntitlementNetworkHost.String()})
	}
	return all
}

func demandsOfSource(source *pb.SourceOp) []Demand {
	id := source.GetIdentifier()
	if strings.HasPrefix(id, "http://") || strings.HasPrefix(id, "https://") {
		return []Demand{{Kind: URL, Name: id}}
	}
	return nil
}

// placeOfUser is where the first operation stands that takes another's result: ADD of an
// URL is two, of which only the copy has a place.
func (d *Definition) placeOfUser(op string) (dockerfile []byte, line int) {
	for _, o := range d.ops {
		if slices.ContainsFunc(o.op.Inputs, func(in *pb.Input) bool { return in.Digest == op }) {
			return d.placeOf(o.digest)
		}
	}
	return nil, 0
}

// placeOf is where an operation stands, and in which Dockerfile; 0 where that is not told.
func (d *Definition) placeOf(op string) (dockerfile []byte, line int) {
	for _, l := range d.source.GetLocations()[op].GetLocations() {
		infos := d.source.Infos
		if i := int(l.SourceIndex); i < 0 || i >= len(infos) {
			continue
		}
		for _, r := range l.Ranges {
			return infos[l.SourceIndex].Data, int(r.Start.GetLine())
		}
	}
	return nil, 0
}
