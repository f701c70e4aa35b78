package graph

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/moby/buildkit/session/sshforward"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/entitlements"
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
	Line int    // of the Dockerfile; 0 where the operation stands in none, or in another
}

// demands returns what the definition's operations demand; lines are those of a
// Dockerfile of this text.
func (d *Definition) demands(dockerfile []byte) (all []Demand) {
	for _, o := range d.ops {
		for _, demand := range slices.Concat(demandsOf(o.op.GetExec()), demandsOfSource(o.op.GetSource())) {
			demand.Line = d.lineOf(o.digest, dockerfile)
			if demand.Line == 0 {
				demand.Line = d.lineOfUser(o.digest, dockerfile)
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

// lineOfUser is where the first operation stands that takes another's result: ADD of an
// URL is two, of which only the copy has a place.
func (d *Definition) lineOfUser(op string, dockerfile []byte) int {
	for _, o := range d.ops {
		if slices.ContainsFunc(o.op.Inputs, func(in *pb.Input) bool { return in.Digest == op }) {
			return d.lineOf(o.digest, dockerfile)
		}
	}
	return 0
}

// lineOf is where an operation stands in a Dockerfile of a text; 0 where that is not told.
func (d *Definition) lineOf(op string, dockerfile []byte) int {
	for _, l := range d.source.GetLocations()[op].GetLocations() {
		infos := d.source.Infos
		if i := int(l.SourceIndex); i < 0 || i >= len(infos) || !bytes.Equal(infos[i].Data, dockerfile) {
			continue
		}
		for _, r := range l.Ranges {
			return int(r.Start.GetLine())
		}
	}
	return 0
}
