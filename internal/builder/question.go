package builder

import (
	"bytes"
	"errors"
	"maps"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/containerd/platforms"
	"github.com/docker/buildx/util/urlutil"
	"github.com/docker/cli/opts"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/solver/pb"

	"github.com/stoker-build/stoker/internal/cache"
	"github.com/stoker-build/stoker/internal/plan"
)

// question is what a frontend is asked about a job.
type question struct {
	job        *plan.Job
	opts       map[string]string
	dockerfile []byte // nil where the builder reads it with the remote context
	filename   string
	context    string // a directory; empty for a remote context
	contexts   map[string]string
	linked     map[string]llb.State // what it is built on in the same build, by names of inputs
	syntax     string               // the frontend that the build asks for; empty for the builtin one
}

// questionOf makes the options of a build as buildx does (toSolveOpt and
// loadInputs in its build/opt.go), as far as they bear on its graph.
func questionOf(job *plan.Job) (question, error) {
	o := job.Options
	q := question{job: job, opts: map[string]string{}, dockerfile: job.Source.Dockerfile(), filename: "Dockerfile", contexts: map[string]string{}}
	for k, v := range o.BuildArgs {
		q.opts["build-arg:"+k] = v
	}
	for k, v := range o.Labels {
		q.opts["label:"+k] = v
	}
	for k, v := range o.Attests {
		if v != nil {
			q.opts["attest:"+k] = *v
		}
	}
	if o.Target != "" {
		q.opts["target"] = o.Target
	}
	if len(o.Platforms) > 0 {
		var names []string
		for _, p := range o.Platforms {
			names = append(names, platforms.FormatAll(p))
		}
		q.opts["platform"] = strings.Join(names, ",")
	}
	if o.NoCache || len(o.NoCacheFilter) > 0 {
		q.opts["no-cache"] = strings.Join(o.NoCacheFilter, ",")
	}
	if o.Pull {
		q.opts["image-resolve-mode"] = pb.AttrImageResolveModeForcePull
	}
	if o.NetworkMode == "host" || o.NetworkMode == "none" {
		q.opts["force-network-mode"] = o.NetworkMode
	}
	if len(o.ExtraHosts) > 0 {
		q.opts["add-hosts"] = extraHosts(o.ExtraHosts)
	}
	if o.CgroupParent != "" {
		q.opts["cgroup-parent"] = o.CgroupParent
	}
	if n := o.ShmSize.Value(); n > 0 {
		q.opts["shm-size"] = strconv.FormatInt(n, 10)
	}
	if limits := ulimits(o.Ulimits); limits != "" {
		q.opts["ulimit"] = limits
	}
	if multi, err := strconv.ParseBool(o.BuildArgs["BUILDKIT_MULTI_PLATFORM"]); err == nil && multi {
		q.opts["multi-platform"] = "true"
	}
	if err := q.addContexts(job); err != nil {
		return q, err
	}
	q.syntax = q.findSyntax()
	return q, nil
}

// extraHosts turns docker's HOST:IP into the frontend's HOST=IP.
func extraHosts(hosts []string) string {
	out := make([]string, len(hosts))
	for i, h := range hosts {
		if !strings.Contains(h, "=") {
			h = strings.Replace(h, ":", "=", 1)
		}
		out[i] = h
	}
	return strings.Join(out, ",")
}

// ulimits turns limits into the frontend's list of them.
func ulimits(limits *opts.UlimitOpt) string {
	if limits == nil {
		return ""
	}
	var out []string
	for _, limit := range limits.GetList() {
		out = append(out, limit.String())
	}
	return strings.Join(out, ",")
}

func (q *question) addContexts(job *plan.Job) error {
	in := job.Options.Inputs
	if urlutil.IsRemoteURL(in.ContextPath) {
		q.opts["context"] = in.ContextPath
		if q.dockerfile != nil {
			// It is at hand, and not with the context.
			q.opts["dockerfilekey"] = "dockerfile"
		} else if in.DockerfilePath != "" {
			q.filename = in.DockerfilePath
		}
	} else {
		dir, err := filepath.Abs(in.ContextPath)
		if err != nil {
			return err
		}
		q.context = dir
	}
	q.opts["filename"] = q.filename
	for name, c := range in.NamedContexts {
		switch {
		case c.State != nil:
			return errors.New("a context that is made by a build is known to that build only")
		case strings.HasPrefix(c.Path, linkedContext):
			// The survey adds what that comes to.
		case strings.HasPrefix(c.Path, "oci-layout://"):
			return errors.New("an oci-layout context is known to its own build only")
		case urlutil.IsRemoteURL(c.Path), strings.HasPrefix(c.Path, "docker-image://"):
			q.opts["context:"+name] = c.Path
		default:
			dir, err := filepath.Abs(c.Path)
			if err != nil {
				return err
			}
			key := "dir:" + name
			q.opts["context:"+name] = "input:" + key
			q.contexts[key] = dir
		}
	}
	if len(in.NamedContexts) > 0 {
		q.opts["frontend.caps"] = "moby.buildkit.frontend.contexts+forward"
	}
	return nil
}

// findSyntax returns the frontend that a build asks for, by an argument or the
// first line of its Dockerfile.
func (q *question) findSyntax() string {
	if syntax := strings.TrimSpace(q.opts["build-arg:BUILDKIT_SYNTAX"]); syntax != "" {
		ref, _, _ := strings.Cut(syntax, " ")
		return ref
	}
	ref, _, _, _ := parser.DetectSyntax(q.dockerfile)
	return ref
}

// states are the frontend's inputs: the Dockerfile, and directories under their
// own paths. Nobody reads the directories.
func (q *question) states() (map[string]llb.State, error) {
	states := map[string]llb.State{}
	if q.dockerfile != nil {
		states["dockerfile"] = llb.Scratch().File(llb.Mkfile(q.filename, 0o644, bytes.Clone(q.dockerfile)),
			llb.WithCustomName(cache.AskedAbout+q.filename))
	}
	if q.context != "" {
		states["context"] = llb.Local(q.context, dockerui.WithInternalName("load build context"))
	}
	for key, dir := range q.contexts {
		states[key] = llb.Local(dir)
	}
	maps.Copy(states, q.linked)
	return states, nil
}
