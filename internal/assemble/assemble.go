// Package assemble makes images without a builder: of the layers of their base image, of
// layers that a builder has made once for all of their like, and of the configuration that
// a frontend gave. What it makes is what BuildKit would have made, to the byte but for
// times that only the builder knows. It is pure: registries are asked elsewhere.
package assemble

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/plan"
)

// Mode says which images are assembled.
type Mode string

// The modes.
const (
	// Auto assembles those of which that is proved to be equal.
	Auto Mode = "auto"
	// ByBuilder leaves all to the builder.
	ByBuilder Mode = "builder"
	// ByRegistry does as Auto, and has a job fail that cannot be assembled.
	ByRegistry Mode = "registry"
)

// Modes are all of them.
var Modes = []Mode{Auto, ByBuilder, ByRegistry}

// Key is equal for jobs whose images differ in their bases and configurations alone: the
// layers that are laid upon the base are the same, and made in the same way.
type Key string

// KeyOf returns a job's key, or why its image cannot be assembled: all that keeps it from that.
func KeyOf(job *plan.Job, g *graph.Graph, attests Attests) (key Key, why string) {
	why = Refusal(job, attests)
	switch {
	case g.Linked != nil:
	case why == "":
		return "", g.Unlinked
	case g.Unlinked != why:
		why += "; and " + g.Unlinked
	}
	if why != "" {
		return "", why
	}
	export := job.Options.Exports[0]
	sum := sha256.New()
	for _, step := range g.Linked.Steps {
		fmt.Fprintln(sum, step)
	}
	for _, name := range slices.Sorted(maps.Keys(export.Attrs)) {
		fmt.Fprintf(sum, "%q=%q\n", name, export.Attrs[name])
	}
	fmt.Fprintln(sum, g.Linked.Base.Platform)
	if isTrue(export.Attrs["rewrite-timestamp"]) {
		epoch, err := epochOf(g.Linked, job.Options.BuildArgs)
		if err != nil {
			return "", err.Error()
		}
		fmt.Fprintln(sum, epoch) // no file of the layers is of a later moment
	}
	return Key(hex.EncodeToString(sum.Sum(nil)[:8])), ""
}

// Attests tells what is attached to images of which no flag says so.
type Attests struct {
	// NoDefault says that nothing is (BUILDX_NO_DEFAULT_ATTESTATIONS).
	NoDefault bool
}

// Refusal is why a job's image is the builder's to make, by what the job asks for; empty
// where it is not.
func Refusal(job *plan.Job, attests Attests) string {
	o := &job.Options
	switch {
	case len(o.Exports) != 1 || !job.PushesOnly():
		return "it does more than to push an image: " + outputsText(job)
	case len(job.Tags) == 0:
		return "it has no tag"
	case job.ExportsCache():
		return "its cache is exported"
	case o.NoCache || len(o.NoCacheFilter) > 0:
		return "it is to be built without the cache"
	case len(o.Platforms) > 1 || isTrue(o.BuildArgs["BUILDKIT_MULTI_PLATFORM"]):
		return "it is for several platforms"
	case len(o.Annotations) > 0:
		return "it is annotated"
	case len(job.Links) > 0:
		return "it is built on another target in the same build"
	}
	for _, kind := range slices.Sorted(maps.Keys(o.Attests)) {
		if o.Attests[kind] != nil {
			return fmt.Sprintf("a builder's attestation of it is asked for (%s)", kind)
		}
	}
	if _, said := o.Attests["provenance"]; !said && !attests.NoDefault {
		return "a builder's provenance is attached to it; --provenance=false leaves that out"
	}
	return strangeExport(o.Exports[0])
}

// known are the attributes of an output with which the image is as it is without them, or
// which the layers of the builder's own image show.
var known = []string{"push", "unpack", "registry.insecure", "oci-mediatypes", "compression", "compression-level", "store", "rewrite-timestamp"}

// strangeExport tells of an attribute that may make another image.
func strangeExport(e client.ExportEntry) string {
	for _, name := range slices.Sorted(maps.Keys(e.Attrs)) {
		if !slices.Contains(known, name) {
			return fmt.Sprintf("its output has %s=%s", name, e.Attrs[name])
		}
	}
	return ""
}

func outputsText(job *plan.Job) string {
	var types []string
	for _, e := range job.Options.Exports {
		types = append(types, "type="+e.Type)
	}
	if len(types) == 0 {
		return "no output is given"
	}
	return strings.Join(types, " and ")
}

func isTrue(text string) bool {
	is, _ := strconv.ParseBool(text)
	return is
}

// PlatformOf is the platform of an image by its configuration.
func PlatformOf(config []byte) (ocispecs.Platform, error) {
	var p ocispecs.Platform
	if err := json.Unmarshal(config, &p); err != nil {
		return p, err
	}
	if p.OS == "" || p.Architecture == "" {
		return p, errors.New("the image's configuration does not tell its platform")
	}
	return platforms.Normalize(p), nil
}
