package builder

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	dockerclient "github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
	"github.com/stoker-build/stoker/internal/plan"
	imagelist "github.com/stoker-build/stoker/internal/rows/images"
)

// docker is a docker daemon that builders are connected to, as DOCKER_HOST says.
type docker struct {
	*lab.Dockerd
	t        *testing.T
	registry *lab.Registry
	bases    []lab.Base
}

func newDocker(t *testing.T, root string) docker {
	t.Helper()
	d := docker{t: t, registry: labtest.Registry(t)}
	d.bases = labtest.Bases(t, d.registry, lab.Shape{Instances: lab.Instances(1, 2), OSBytes: 1000, EnvBytes: 1000, OwnBytes: 1000})
	d.Dockerd = labtest.Dockerd(t, root, d.registry)
	t.Setenv("DOCKER_HOST", d.Addr())
	t.Setenv("BUILDX_CONFIG", t.TempDir())
	return d
}

func (d docker) connect(name string) *Builder {
	d.t.Helper()
	b, err := Connect(d.t.Context(), Options{Names: []string{name}, StateDir: d.t.TempDir()})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		if err := b.Close(); err != nil {
			d.t.Error(err)
		}
	})
	return b
}

// pull gives the daemon an image.
func (d docker) pull(ref string) {
	d.t.Helper()
	r, err := d.API().ImagePull(d.t.Context(), ref, dockerclient.ImagePullOptions{})
	if err == nil {
		err = r.Wait(d.t.Context())
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// create makes a container of an image, which it has in use.
func (d docker) create(ref string) (id string) {
	d.t.Helper()
	c, err := d.API().ContainerCreate(d.t.Context(), dockerclient.ContainerCreateOptions{
		Config: &container.Config{Image: ref}, HostConfig: &container.HostConfig{NetworkMode: "none"}})
	if err != nil {
		d.t.Fatal(err)
	}
	return c.ID
}

// What docker says of its own disk and of its containers' tells where a node's
// cache is, without any flag.
func TestDockerRoot(t *testing.T) {
	disk := labtest.Disk(t, 700<<20)
	d := newDocker(t, filepath.Join(disk.Path(), "docker"))
	labtest.BuildKit(t, d.registry)
	if err := d.BuildxBuilder(os.Getenv("BUILDX_CONFIG"), "furnace", ""); err != nil {
		t.Fatal(err)
	}
	volume := filepath.Join(d.Root(), "volumes", "buildx_buildkit_furnace0_state", "_data")
	furnace := d.connect("furnace")
	for _, c := range []struct{ name, got, want string }{
		{"docker-container", furnace.Nodes()[0].Root(), volume},
		{"docker", d.connect("default").Nodes()[0].Root(), d.Root()},
		{"by address", furnace.namedContainerRoot(t.Context(), "docker-container://buildx_buildkit_furnace0"), volume},
	} {
		if c.got != c.want {
			t.Errorf("%s: root is %q, want %q", c.name, c.got, c.want)
		}
	}
	d.pull(d.bases[0].Ref)
	if got := dockerRoot(t.Context(), d.API(), d.create(d.bases[0].Ref)); got != d.Root() {
		t.Errorf("a container without a volume: root is %q, want %q", got, d.Root())
	}
	if got := dockerRoot(t.Context(), d.API(), "nobody"); got != "" {
		t.Errorf("no container: root is %q", got)
	}
}

func TestOnThisMachine(t *testing.T) {
	here, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "docker.sock")
	if err := os.WriteFile(socket, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		address, machine string
		want             bool
	}{
		{"unix://" + socket, here, true},
		{"unix://" + socket, "docker-desktop", false}, // forwarded from a virtual machine
		{"unix://" + socket + "x", here, false},
		{"tcp://127.0.0.1:2375", here, false},
		{"http://docker.example.com", here, false}, // over SSH
	} {
		if got := onThisMachine(c.address, c.machine); got != c.want {
			t.Errorf("%s of %s: %v, want %v", c.address, c.machine, got, c.want)
		}
	}
}

// Docker's files are often not for the user who may use docker. The disk is then
// seen by the nearest directory that is.
func TestVisible(t *testing.T) {
	dir := labtest.OnDisk(t) // what tests have in memory nobody else sees
	volume := filepath.Join(dir, "docker/volumes/state/_data")
	if err := os.MkdirAll(volume, 0o755); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{dir: 0o755, filepath.Join(dir, "docker"): 0o700} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	disk := labtest.Disk(t, 16<<20) // the directory around it is root's alone
	asNobody := func(path string) (got string) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			// The thread ends with this goroutine, and its rights with it.
			runtime.LockOSThread()
			if err := unix.Setfsuid(65534); err != nil {
				t.Error(err)
			}
			got = visible(path)
		}()
		<-done
		return got
	}
	for _, c := range []struct{ name, got, want string }{
		{"root's", visible(volume), volume},
		{"a user's", asNobody(volume), filepath.Join(dir, "docker")},
		{"missing", visible(filepath.Join(dir, "docker2/volumes")), ""},
		{"missing, for a user", asNobody(filepath.Join(dir, "docker2/volumes")), ""},
		{"on a disk that only root sees", visible(disk.Path()), disk.Path()},
		{"on a disk that a user does not see", asNobody(disk.Path() + "/lost+found"), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
		}
	}
}

// jobOn makes a job on a base image.
func (d docker) jobOn(base int, spec plan.Spec) *plan.Job {
	d.t.Helper()
	dir := d.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY Dockerfile /a\nCOPY Dockerfile /b\n"), 0o644); err != nil {
		d.t.Fatal(err)
	}
	in, err := imagelist.Input("bases", []imagelist.Image{{Ref: d.bases[base].Ref}}, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	spec.Context, spec.BaseArg = dir, "BASE_IMAGE"
	p, err := plan.New(spec, in)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = p.Close() })
	return p.Jobs[0]
}

func (d docker) build(b *Builder, job *plan.Job) {
	d.t.Helper()
	if _, err := b.Build(d.t.Context(), nil, job, io.Discard, Watch{}); err != nil {
		d.t.Fatal(err)
	}
}

// names are the tags and digests by which docker knows images whose names have a
// word in them.
func (d docker) names(word string) []string {
	d.t.Helper()
	list, err := d.API().ImageList(d.t.Context(), dockerclient.ImageListOptions{All: true})
	if err != nil {
		d.t.Fatal(err)
	}
	var names []string
	for _, i := range list.Items {
		for _, name := range slices.Concat(i.RepoTags, i.RepoDigests) {
			if strings.Contains(name, word) {
				names = append(names, strings.TrimPrefix(name, d.registry.Host()+"/"))
			}
		}
	}
	slices.Sort(names)
	return names
}

func (d docker) tag(source, target string) {
	d.t.Helper()
	if _, err := d.API().ImageTag(d.t.Context(), dockerclient.ImageTagOptions{Source: source, Target: target}); err != nil {
		d.t.Fatal(err)
	}
}

// Docker's builder loses no layer when its cache is listed while images are built.
func TestListingBesideBuilds(t *testing.T) {
	d := newDocker(t, "")
	d.bases = labtest.Bases(t, d.registry, lab.Shape{Instances: lab.Instances(1, 8), OSBytes: 1000, EnvBytes: 1000, OwnBytes: 1000, Seed: 2})
	b := d.connect("default")
	node := b.Nodes()[0]
	listed, end := make(chan error), make(chan struct{})
	go func() {
		for {
			_, err := node.Records(t.Context())
			select {
			case <-end:
				listed <- err
				return
			default:
			}
		}
	}()
	var builds errgroup.Group
	builds.SetLimit(2)
	for i := range d.bases {
		job := d.jobOn(i, plan.Spec{Push: true, TagTemplates: []string{d.registry.Host() + "/{{.Name}}:1"}})
		builds.Go(func() error {
			if _, err := b.Build(t.Context(), nil, job, io.Discard, Watch{}); err != nil {
				return err
			}
			return b.DropPushed(t.Context(), job)
		})
	}
	err := builds.Wait()
	close(end)
	if err := errors.Join(err, <-listed); err != nil {
		t.Fatal(err)
	}
	d.removeAll(node)
	layers, err := os.ReadDir(filepath.Join(d.Root(), "image/overlay2/layerdb/sha256"))
	if err != nil || len(layers) > 0 {
		t.Errorf("%d layers are left of no image and no record, %v", len(layers), err)
	}
}

// removeAll removes all records of a node that is not in use.
func (d docker) removeAll(node *Node) {
	d.t.Helper()
	for {
		records, err := node.Records(d.t.Context())
		if err != nil {
			d.t.Fatal(err)
		}
		if len(records) == 0 {
			return
		}
		ids := make([]string, len(records))
		for i, r := range records {
			ids[i] = r.ID
		}
		if _, err := node.Delete(d.t.Context(), ids); err != nil {
			d.t.Fatal(err)
		}
	}
}

// An image that docker's builder has pushed leaves docker's image store, but for
// what is the user's.
func TestDropPushed(t *testing.T) {
	d := newDocker(t, "")
	theirs := d.bases[1].Ref
	d.pull(theirs)
	push := plan.Spec{Push: true}
	for _, c := range []struct {
		name string
		spec plan.Spec
		// what the user does before the build, and before the job is on record
		before, after func(tag string)
		want          []string // the names that stay
	}{
		{name: "pushed", spec: push},
		{name: "output", spec: plan.Spec{Outputs: []string{"type=image,push=true"}}},
		{name: "taken", spec: push, before: func(tag string) { d.tag(theirs, tag) }, want: []string{"taken:1"}},
		{name: "moved", spec: push, after: func(tag string) { d.tag(theirs, tag) }, want: []string{"moved:1"}},
		{name: "renamed", spec: push, after: func(tag string) { d.tag(tag, "my/renamed") }, want: []string{"my/renamed:latest"}},
		{name: "used", spec: push, after: func(tag string) { d.create(tag) }, want: []string{"used:1"}},
		{name: "loaded", spec: plan.Spec{Load: true}, want: []string{"loaded:1"}},
		{name: "kept", spec: plan.Spec{Outputs: []string{"type=image"}}, want: []string{"kept:1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tag := d.registry.Host() + "/" + c.name + ":1"
			c.spec.TagTemplates, c.spec.Labels = []string{tag}, map[string]string{"case": c.name} // each makes another image
			b, job := d.connect("default"), d.jobOn(0, c.spec)
			if c.before != nil {
				c.before(tag)
			}
			d.build(b, job)
			d.build(b, job) // a second attempt finds what the first one left
			if len(d.names(c.name+":")) == 0 {
				t.Fatal("the build left nothing")
			}
			if c.after != nil {
				c.after(tag)
			}
			if err := b.DropPushed(t.Context(), job); err != nil {
				t.Error(err)
			}
			if got := d.names(c.name + ":"); !slices.Equal(got, c.want) {
				t.Errorf("%v stay, want %v", got, c.want)
			}
			if digests := d.names(c.name + "@"); len(c.want) == 0 && len(digests) > 0 {
				t.Errorf("%v stay", digests)
			}
		})
	}
}
