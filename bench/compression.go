package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/stoker-build/stoker/bench/report"
	"github.com/stoker-build/stoker/internal/lab"
)

// compressionWays are values of --compression; the first is what the others are compared to.
var compressionWays = []string{"gzip", "gzip:1", "gzip:3", "zstd", "zstd:1", "estargz", "uncompressed"}

const compressionWorkers = 4

// contents are what layers of users are made of, as this machine has it.
var contents = []struct{ dir, title string }{
	{"packages", "a package tree"},
	{"repository", "a repository"},
	{"binaries", "binaries"},
}

// compression measures how long images take, and how large they are, by how their layers
// are compressed.
func compression(ctx context.Context, b *bench) (r report.Report, err error) {
	images, rounds := 8, 3
	if b.quick {
		images, rounds = 3, 1
	}
	r = report.Report{
		Title: fmt.Sprintf("Compression: %d images", images),
		Text: fmt.Sprintf("Each image copies three trees onto a base image of its own: Python's packages, the sources of Go's commands, and BuildKit's programs."+
			" %d builds run at once and push to a registry on loopback, where pushing costs next to nothing. Each way has a new daemon and new repositories in each of %d rounds;"+
			" the figures are medians.", compressionWorkers, rounds),
		Columns: []report.Column{
			{Key: "wall", Title: "wall clock", Unit: report.Seconds, Chart: true},
			{Key: "ratio", Title: "its ratio to gzip's", Unit: report.Ratio},
			{Key: "compress", Title: "of it compressing, over all jobs", Unit: report.Seconds},
			{Key: "daemon", Title: "processor time of the daemon", Unit: report.Seconds},
			{Key: "bytes", Title: "layers of an image", Unit: report.Bytes, Chart: true},
		},
	}
	for _, c := range contents {
		r.Columns = append(r.Columns, report.Column{Key: c.dir, Title: c.title, Unit: report.Bytes})
	}
	c := compressionRun{bench: b}
	if c.contextDir, err = c.trees(); err != nil {
		return r, err
	}
	if c.registry, err = lab.StartRegistry(ctx, lab.RegistryOptions{InMemory: true}); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, c.registry.Close()) }()
	if c.bases, err = lab.MakeBases(ctx, c.registry.Host(), lab.Shape{Instances: lab.Instances(1, images), OwnBytes: 1000}); err != nil {
		return r, err
	}
	itself := func(way string) string { return way }
	r.Rounds, err = inTurns("compression", compressionWays, rounds, itself, func(way string, round int) (report.Row, error) {
		return c.measure(ctx, way, fmt.Sprintf("%s-%d", strings.ReplaceAll(way, ":", "-"), round))
	})
	r.Rows = report.Medians(r.Rounds)
	for i := range r.Rows {
		r.Rows[i].Values["ratio"] = r.Rows[i].Values["wall"] / r.Rows[0].Values["wall"]
	}
	return r, err
}

type compressionRun struct {
	*bench
	registry   *lab.Registry
	bases      []lab.Base
	contextDir string
}

// trees makes the context.
func (c *compressionRun) trees() (string, error) {
	dir, err := c.dir("compression", "context")
	if err != nil {
		return "", err
	}
	dockerfile := "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n"
	for _, one := range contents {
		dockerfile += fmt.Sprintf("COPY %[1]s /opt/%[1]s\n", one.dir)
	}
	packages, err := filepath.Glob("/usr/lib/python3*")
	if err != nil || len(packages) == 0 {
		return "", errors.Join(errors.New("there is no /usr/lib/python3*: install python3"), err)
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	return dir, errors.Join(
		os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o644),
		copyTrees(filepath.Join(dir, "packages"), packages...),
		copyTrees(filepath.Join(dir, "repository"), filepath.Join(strings.TrimSpace(string(goroot)), "src", "cmd")),
		copyTrees(filepath.Join(dir, "binaries"), c.buildctl, filepath.Join(filepath.Dir(c.buildctl), "buildkitd")),
	)
}

func copyTrees(to string, from ...string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	out, err := exec.Command("cp", append(append([]string{"-rL", "--"}, from...), to)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// measure builds all images once, on a daemon and in repositories of their own.
func (c *compressionRun) measure(ctx context.Context, way, dir string) (row report.Row, err error) {
	settle()
	d, err := lab.StartBuildkitd(ctx, lab.BuildkitdOptions{Insecure: []string{c.registry.Host()}})
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	work, err := c.dir("compression", dir)
	if err != nil {
		return row, err
	}
	repo := c.registry.Host() + "/compression/" + dir
	p := plan{address: d.Addr(), contextDir: c.contextDir, workDir: work, workers: compressionWorkers,
		jobs: jobsOf(c.bases, c.registry.Host(), "compression/"+dir), tag: repo + "/{{.Name}}:1"}
	out, err := p.stoker(ctx, c.stoker, "--compression", way, "--auto-link=false", "--assemble", "builder")
	if err != nil {
		return row, err
	}
	daemon, err := daemonCPU(d)
	if err != nil {
		return row, err
	}
	row = report.Row{Way: way, Ours: true, Values: map[string]float64{"wall": out.wall.Seconds(), "daemon": daemon.Seconds()}}
	summary, err := p.summary()
	if err != nil {
		return row, err
	}
	if summary.Phases == nil {
		return row, errors.New("the run does not tell where its time went")
	}
	row.Values["compress"] = summary.Phases.Compress
	return row, c.addSizes(ctx, row.Values, p.jobs[0].tag)
}

// addSizes adds the sizes of the layers that an image has on top of its base.
func (c *compressionRun) addSizes(ctx context.Context, values map[string]float64, tag string) error {
	ref, err := name.ParseReference(tag)
	if err != nil {
		return err
	}
	image, err := remote.Image(ref, remote.WithContext(ctx))
	if err != nil {
		return err
	}
	manifest, err := image.Manifest()
	if err != nil {
		return err
	}
	own := manifest.Layers[len(manifest.Layers)-len(contents):]
	for i, layer := range own {
		values[contents[i].dir] = float64(layer.Size)
		values["bytes"] += float64(layer.Size)
	}
	return nil
}
