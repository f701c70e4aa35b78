package builder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/docker/buildx/util/urlutil"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"

	"github.com/stoker-build/stoker/internal/graph"
	"github.com/stoker-build/stoker/internal/plan"
)

// GraphHashes asks the builder as Graphs does, and tells found of each job a hash of 12
// hexadecimal digits that changes exactly when what its build makes changes: by its steps, the
// digests of the images that it reads, the content of what it takes from directories of
// this machine, and the configuration of its image.
func (b *Builder) GraphHashes(ctx context.Context, jobs []*plan.Job, found func(job *plan.Job, hash string, err error)) error {
	return b.survey(ctx, jobs, newHashing(), func(job *plan.Job, a answer, err error) { found(job, a.graph.Hash, err) })
}

// hashing makes hashes of what builds make. It may be used by several goroutines.
type hashing struct{ contents *contents }

func newHashing() *hashing {
	c := newContents()
	c.exact = true
	return &hashing{c}
}

// of returns the hash of what a job's build makes, by the graph in some surroundings and what a
// frontend tells beside it.
func (h *hashing) of(job *plan.Job, metadata map[string][]byte, graphIn func(graph.Surroundings) (graph.Graph, error)) (string, error) {
	around, untold := h.surroundings(job)
	g, err := graphIn(around)
	if err != nil {
		return "", err
	}
	if err := untold(); err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, top := range slices.Sorted(textsOf(g.Tops)) {
		fmt.Fprintln(sum, "top", top)
	}
	for _, d := range digestsOf(g.Images) {
		fmt.Fprintln(sum, "image", d)
	}
	if err := addConfigs(sum, metadata); err != nil {
		return "", err
	}
	addExports(sum, job)
	return hex.EncodeToString(sum.Sum(nil))[:12], nil
}

// surroundings have directories be what is in them, wherever they are. untold says, once a graph was made, of what
// of them that cannot be told.
func (h *hashing) surroundings(job *plan.Job) (around graph.Surroundings, untold func() error) {
	leftOut := map[string]ignored{}
	addIgnored(leftOut, job, map[*plan.Job]bool{})
	var mu sync.Mutex
	var first error
	around = graph.Surroundings{ByResult: true, Local: itself,
		Content: func(dir string, t graph.Taken) (string, bool) {
			digest, err := h.contents.of(dir, t, leftOut[dir])
			mu.Lock()
			defer mu.Unlock()
			if err != nil && first == nil {
				first = fmt.Errorf("what is taken of the directory %s cannot be read: %w", dir, err)
			}
			return digest, err == nil
		}}
	return around, func() error {
		mu.Lock()
		defer mu.Unlock()
		return first
	}
}

// addIgnored adds, by its path, what is left out of each directory that a job's build sends,
// those of jobs that it is linked with among them. A directory of which builds leave out
// different things is taken as a whole.
func addIgnored(to map[string]ignored, job *plan.Job, seen map[*plan.Job]bool) {
	if seen[job] {
		return
	}
	seen[job] = true
	add := func(path string, i ignored) {
		dir, err := filepath.Abs(path)
		if was, is := to[dir]; is && was.text != i.text || err != nil {
			i = ignored{}
		}
		to[dir] = i
	}
	in := job.Options.Inputs
	if !urlutil.IsRemoteURL(in.ContextPath) {
		add(in.ContextPath, ignoredOf(job))
	}
	for _, c := range in.NamedContexts {
		if i, err := ignoredIn(filepath.Join(c.Path, ".dockerignore")); err == nil {
			add(c.Path, i)
		}
	}
	for _, linked := range job.Links {
		addIgnored(to, linked, seen)
	}
}

func textsOf(ids []graph.ID) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, id := range ids {
			if !yield(id.String()) {
				return
			}
		}
	}
}

// digestsOf are those of some images, sorted, each once.
func digestsOf(images []graph.Image) []string {
	digests := map[string]bool{}
	for _, i := range images {
		digests[i.Digest] = true
	}
	return slices.Sorted(maps.Keys(digests))
}

// addExports adds what outputs put to an image: annotations, how it is packed, attestations,
// and the moment that all its files are of. Where nothing says yet where the image goes, that
// is what an output will put to it.
func addExports(sum hash.Hash, job *plan.Job) {
	annotations, packings := map[string]bool{}, map[string]bool{}
	for key, value := range job.Options.Annotations {
		annotations[key.String()+" "+value] = true
	}
	for _, e := range job.Outputs() {
		for key, value := range e.Attrs {
			if strings.HasPrefix(key, "annotation") {
				annotations[key+" "+value] = true
			}
		}
		if packing := packingOf(e.Attrs); packing != "" {
			packings[e.Type+" "+packing] = true
		}
	}
	for _, annotation := range slices.Sorted(maps.Keys(annotations)) {
		fmt.Fprintln(sum, annotation)
	}
	for _, packing := range slices.Sorted(maps.Keys(packings)) {
		fmt.Fprintln(sum, "packed", packing)
	}
	for _, kind := range slices.Sorted(maps.Keys(job.Options.Attests)) {
		if attrs := job.Options.Attests[kind]; attrs != nil {
			fmt.Fprintln(sum, "attest", kind, *attrs)
		}
	}
	if !hasProvenance(job) {
		fmt.Fprintln(sum, "no provenance")
	}
	if moment := job.Options.BuildArgs["SOURCE_DATE_EPOCH"]; moment != "" {
		fmt.Fprintln(sum, "moment", moment)
	}
}

// hasProvenance tells whether a builder's provenance is attached to a job's image, as it is
// where nothing says otherwise.
func hasProvenance(job *plan.Job) bool {
	attrs, said := job.Options.Attests["provenance"]
	return attrs != nil || !said && !NoDefaultProvenance()
}

// NoDefaultProvenance tells that no provenance is attached to images of which nothing says so
// (toSolveOpt in buildx's build/opt.go).
func NoDefaultProvenance() bool {
	no, _ := strconv.ParseBool(os.Getenv("BUILDX_NO_DEFAULT_ATTESTATIONS")) // buildx tells of one that is neither
	return no
}

// packed are the attributes of outputs that make other images of the same build
// (exporter/containerimage/opts.go).
var packed = []exptypes.ImageExporterOptKey{
	exptypes.OptKeyLayerCompression, exptypes.OptKeyForceCompression, exptypes.OptKeyCompressionLevel,
	exptypes.OptKeyOCITypes, exptypes.OptKeyOCIArtifact, exptypes.OptKeyForceInlineAttestations,
	exptypes.OptKeyPreferNondistLayers, exptypes.OptKeySourceDateEpoch, exptypes.OptKeyRewriteTimestamp,
}

// packingOf says how an output packs an image; empty for the usual way, which gzip at any
// level is: what pulls one such image pulls each.
func packingOf(attrs map[string]string) string {
	usual := slices.Contains([]string{"", "gzip"}, attrs[string(exptypes.OptKeyLayerCompression)])
	var packing []string
	for _, key := range packed {
		value, is := attrs[string(key)]
		if is && !(usual && (key == exptypes.OptKeyLayerCompression || key == exptypes.OptKeyCompressionLevel)) {
			packing = append(packing, string(key)+"="+value)
		}
	}
	return strings.Join(packing, " ")
}

// Of a config, what is not by what the image is: when it was made, and how.
var notInHash = []string{"created", "history", "rootfs"}

// addConfigs adds the configurations of the images that a build makes, one for each
// platform.
func addConfigs(sum hash.Hash, metadata map[string][]byte) error {
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		if key != exptypes.ExporterImageConfigKey && !strings.HasPrefix(key, exptypes.ExporterImageConfigKey+"/") {
			continue
		}
		var config map[string]any
		if err := json.Unmarshal(metadata[key], &config); err != nil {
			return fmt.Errorf("the config that the frontend gives the image: %w", err)
		}
		for _, name := range notInHash {
			delete(config, name)
		}
		text, err := json.Marshal(config)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%s %s\n", key, text)
	}
	return nil
}
