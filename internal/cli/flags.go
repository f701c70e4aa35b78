package cli

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/stoker-build/stoker/internal/builder"
	"github.com/stoker-build/stoker/internal/credentials"
	"github.com/stoker-build/stoker/internal/plan"
	"github.com/stoker-build/stoker/internal/show"
)

// inputOptions say what is to be built. Names and meanings are those of docker
// buildx build wherever the thing is the same.
//
// Large: a field for each flag, and docker buildx build has many.
type inputOptions struct {
	rowOptions
	context       string
	preset        string
	base          string
	allowOutside  bool
	file          string
	baseArg       string
	tags          []string
	buildArgs     []string
	contexts      []string
	labels        []string
	annotations   []string
	target        string
	platforms     []string
	secrets       []string
	ssh           []string
	cacheFrom     []string
	cacheTo       []string
	outputs       []string
	attest        []string
	provenance    string
	sbom          string
	network       string
	extraHosts    []string
	cgroupParent  string
	shmSize       string
	ulimits       []string
	resources     []string
	allow         []string
	noCache       bool
	noCacheFilter []string
	pull          bool
	iidFile       string
	metadataFile  string
	push          bool
	load          bool
	compression   string
	batchSize     int
	limit         int
	shard         plan.Shard
	// definitions are bake files that say what is to be built.
	definitions []string
}

func (o *inputOptions) addTo(f *pflag.FlagSet) {
	o.rowOptions.addTo(f)
	once(f, &o.preset, "preset", "set what the rows of a dataset need, by its `NAME`; \"stoker presets\" lists them")
	f.StringVarP(&o.file, "file", "f", "", "`FILE` name of the Dockerfile, or a template (default PATH/Dockerfile; with --each the file that it matches)")
	f.StringVar(&o.base, "base", "", "`TEMPLATE` of the base image's reference (default the line of --images; none with --rows and --each)")
	f.StringVar(&o.baseArg, "base-arg", "BASE_IMAGE", "build argument that takes the base image's reference")
	f.StringArrayVarP(&o.tags, "tag", "t", nil, "`TEMPLATE` of an image's tag, such as 'registry.example/agent:{{.Name}}'")
	f.StringArrayVar(&o.buildArgs, "build-arg", nil, "build-time variable `KEY=VALUE`; VALUE may be a template")
	f.StringArrayVar(&o.contexts, "build-context", nil, "additional build context `NAME=PATH`; PATH may be a template")
	f.StringArrayVar(&o.labels, "label", nil, "image metadata `KEY=VALUE`; VALUE may be a template")
	f.StringArrayVar(&o.annotations, "annotation", nil, "annotation of the image, `[TYPE:]KEY=VALUE`, or a template")
	f.StringVar(&o.target, "target", "", "target build `STAGE`, or a template")
	f.StringArrayVar(&o.platforms, "platform", defaultPlatforms(), "target `PLATFORM`, or a template")
	f.BoolVar(&o.allowOutside, "allow-outside", false, "let a line's values lead out of the working directory, or of what else a template names")
	f.StringVar(&o.cgroupParent, "cgroup-parent", "", "parent cgroup for the RUN instructions")
	f.StringVar(&o.shmSize, "shm-size", "", "`SIZE` of shared memory for the RUN instructions")
	f.StringArrayVar(&o.ulimits, "ulimit", nil, "limit for the RUN instructions, such as nofile=1024:2048")
	f.StringArrayVar(&o.resources, "resource", nil, "resource limit for the RUN instructions, such as memory=2g or cpu-quota=50000")
	f.StringArrayVar(&o.secrets, "secret", nil, "secret to expose to the build, such as id=mysecret[,src=/local/secret], or a template")
	f.StringArrayVar(&o.ssh, "ssh", nil, "SSH agent socket or keys to expose to the build, such as default|<id>[=<socket>|<key>[,<key>]]")
	f.StringArrayVar(&o.cacheFrom, "cache-from", nil, "external cache `SOURCE`, such as type=registry,ref=user/app:cache, or a template")
	f.StringArrayVar(&o.cacheTo, "cache-to", nil, "cache export `DESTINATION` of a job's own, such as type=registry,ref=user/cache:{{.Name}}")
	f.StringArrayVarP(&o.outputs, "output", "o", nil, "output `DESTINATION` of a job's own, such as type=oci,dest={{.Name}}.tar; type=cacheonly for none")
	f.StringArrayVar(&o.attest, "attest", nil, "attestation parameters, such as type=sbom,generator=image")
	f.StringVar(&o.provenance, "provenance", "", "shorthand for --attest=type=provenance")
	f.StringVar(&o.sbom, "sbom", "", "shorthand for --attest=type=sbom")
	f.StringVar(&o.network, "network", "default", "networking `MODE` for the RUN instructions")
	f.StringArrayVar(&o.extraHosts, "add-host", nil, "custom host-to-IP mapping `HOST:IP`")
	f.StringArrayVar(&o.allow, "allow", nil, "extra privileged entitlement, such as network.host")
	f.BoolVar(&o.noCache, "no-cache", false, "do not use cache when building")
	f.StringArrayVar(&o.noCacheFilter, "no-cache-filter", nil, "do not cache the given stage")
	f.BoolVar(&o.pull, "pull", false, "always attempt to pull all referenced images")
	f.BoolVar(&o.push, "push", false, "shorthand for --output=type=registry,unpack=false")
	f.BoolVar(&o.load, "load", false, "shorthand for --output=type=docker")
	o.addCompression(f)
	f.StringVar(&o.iidFile, "iidfile", "", "write the image's ID to `FILE`; for one image only")
	f.StringVar(&o.metadataFile, "metadata-file", "", "write what is known of each job's image to `FILE`, as JSON; a template for a file each")
	f.IntVar(&o.batchSize, "batch-size", 15, "consecutive jobs that are accounted together")
	f.IntVar(&o.limit, "limit", 0, "build only the first `N` jobs (0: all)")
	o.addShard(f)
}

func (o *inputOptions) addCompression(f *pflag.FlagSet) {
	f.StringVar(&o.compression, "compression", "gzip:1", "compression of new layers, `TYPE[:LEVEL]`, such as zstd; gzip is as docker buildx does it")
}

func defaultPlatforms() []string {
	if v := os.Getenv("DOCKER_DEFAULT_PLATFORM"); v != "" {
		return []string{v}
	}
	return nil
}

// builderOptions say which builder builds.
type builderOptions struct {
	names     []string
	tls       builder.TLS
	buildkitd string
	config    string
	stateDir  string
	insecure  []string
	// credentials are asked for by builds and by questions to registries, so that a helper
	// that asks a person does so once.
	credentials *credentials.Store
}

func (o *builderOptions) addTo(f *pflag.FlagSet) {
	o.credentials = credentials.New()
	f.StringArrayVar(&o.names, "builder", nil, "a buildx builder's `NAME` or an address: unix://, tcp://, docker-container://, kube-pod://, ssh://; several times for builders that build together (default BUILDX_BUILDER, BUILDKIT_HOST, docker's current builder, a private buildkitd)")
	f.StringVar(&o.tls.Dir, "tlsdir", "", "`DIR` with the certificates for builders at tcp:// addresses: ca.pem, cert.pem and key.pem, or ca.crt, tls.crt and tls.key")
	f.StringVar(&o.tls.CACert, "tlscacert", "", "`FILE` with the certificate of who signed those of builders at tcp:// addresses")
	f.StringVar(&o.tls.Cert, "tlscert", "", "`FILE` with the certificate to show to them")
	f.StringVar(&o.tls.Key, "tlskey", "", "`FILE` with its key")
	f.StringVar(&o.tls.ServerName, "tlsservername", "", "`NAME` that their certificates are for (default the address's host)")
	f.StringVar(&o.buildkitd, "buildkitd", "", "`PATH` of the buildkitd to start as a private builder (default beside stoker, or on PATH)")
	f.StringVar(&o.config, "buildkitd-config", "", "`FILE` with the configuration of a private builder, a buildkitd.toml")
	f.StringVar(&o.stateDir, "state-dir", stateDir(), "`DIR` for a private builder's cache")
	f.StringArrayVar(&o.insecure, "insecure-registry", nil, "registry `HOST` to talk to without TLS; loopback ones are by default")
}

// defaultOutputDir is where a run's results go that was told nothing else.
const defaultOutputDir = "stoker-out"

// runOptions say how the plan is run.
//
// Large: a field for each flag.
type runOptions struct {
	outputDir   string
	workers     int
	retries     int
	retryStep   int
	retryDelay  time.Duration
	regPause    time.Duration
	regWait     time.Duration
	timeout     time.Duration
	stall       time.Duration
	maxFail     failuresFlag
	failFast    bool
	force       bool
	dryRun      bool
	resume      bool
	fresh       bool
	recover     bool
	recoverGap  time.Duration
	recoverBy   string
	postBuild   string
	progress    string
	listen      string
	metricsFile string
	quiet       bool
	checkFirst  bool
	assemble    assembleOptions
	autoLink    bool
	pullAhead   bool
}

func (o *runOptions) addTo(f *pflag.FlagSet) {
	f.StringVar(&o.outputDir, "output-dir", defaultOutputDir, "`DIR` for manifest, events, summary and logs")
	f.IntVar(&o.workers, "workers", min(4, runtime.NumCPU()*2), "jobs that run at once on each node")
	f.IntVar(&o.retries, "retries", 2, "further attempts at a job that failed")
	f.IntVar(&o.retryStep, "retries-step", 1, "how many of these may follow a RUN that exited with a code")
	f.DurationVar(&o.retryDelay, "retry-delay", 2*time.Second, "pause before the second attempt; each further one is twice as long")
	f.DurationVar(&o.regWait, "registry-wait", 2*time.Hour, "how long to wait for a registry that asks for fewer requests (0: not at all); then the run ends, to be resumed")
	f.DurationVar(&o.regPause, "registry-pause", 5*time.Second, "first pause before such a registry is asked again; each further one is twice as long, up to an hour")
	f.DurationVar(&o.timeout, "timeout", 0, "bound on one attempt (0: none)")
	f.DurationVar(&o.stall, "stall-timeout", 15*time.Minute, "bound on an attempt that makes no progress (0: none)")
	f.Var(&o.maxFail, "max-failures", "end the run when more than `N|P%` jobs have failed (default: never)")
	f.BoolVar(&o.failFast, "fail-fast", false, "end the run at the first failed job")
	f.BoolVar(&o.autoLink, "auto-link", true, "link COPY and ADD steps, as --link does, where that is proved to make the same image")
	f.BoolVar(&o.pullAhead, "pull-ahead", true, "pull the base layers of the next jobs while others are built, as space allows")
	f.BoolVar(&o.force, "force", false, "build images whose tags exist already")
	f.BoolVar(&o.dryRun, "dry-run", false, "print the jobs in order with their tags, and build nothing")
	f.BoolVar(&o.resume, "resume", false, "go on with the run in --output-dir, however it ended; start anew where there is none")
	f.BoolVar(&o.fresh, "fresh", false, "archive an unfinished run in --output-dir and start anew")
	f.BoolVar(&o.recover, "recover", true, "mend the builder between attempts: wait for a lost one, remove what is broken of its cache")
	f.DurationVar(&o.recoverGap, "recover-interval", 30*time.Second, "leave alone for this long what was just mended")
	f.StringVar(&o.recoverBy, "recover-lock", "", "`FILE` by which processes that share a builder take turns at mending it (default one below --state-dir)")
	f.StringVar(&o.postBuild, "post-build", "", "shell `CMD` to run after each built image; STOKER_IMAGE_{NAME,TAG,TAGS,DIGEST,BASE} tell it which")
	f.StringVar(&o.progress, "progress", string(show.ModeAuto), "how to show progress: auto, tty, plain, json or quiet")
	addListen(f, &o.listen)
	f.StringVar(&o.metricsFile, "metrics-textfile", "", "keep the numbers of the run in `FILE`, for the textfile collector of Prometheus' node_exporter")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "short for --progress quiet")
	o.assemble.addTo(f)
}

// beQuiet makes --quiet what it is short for.
func (o *runOptions) beQuiet() error {
	if !o.quiet {
		return nil
	}
	if mode := show.Mode(o.progress); mode != show.ModeAuto && mode != show.ModeQuiet {
		return &flagError{fmt.Errorf("--quiet is short for --progress quiet, and --progress %s is given too: give one of them", mode)}
	}
	o.progress = string(show.ModeQuiet)
	return nil
}

// check finds flags that make no sense before anything else is done.
func (o runOptions) check() error {
	if _, err := show.ParseMode(o.progress); err != nil {
		return &flagError{err}
	}
	switch {
	case o.workers < 1:
		return &flagError{fmt.Errorf("--workers %d: at least 1 is needed", o.workers)}
	case o.retries < 0:
		return &flagError{fmt.Errorf("--retries %d: it cannot be negative", o.retries)}
	case o.retryStep < 0:
		return &flagError{fmt.Errorf("--retries-step %d: it cannot be negative", o.retryStep)}
	case o.retryDelay <= 0:
		return &flagError{fmt.Errorf("--retry-delay %s: it must be more than 0", o.retryDelay)}
	case o.regWait < 0:
		return &flagError{fmt.Errorf("--registry-wait %s: it cannot be negative", o.regWait)}
	case o.regPause <= 0:
		return &flagError{fmt.Errorf("--registry-pause %s: it must be more than 0", o.regPause)}
	case o.stall < 0:
		return &flagError{fmt.Errorf("--stall-timeout %s: it cannot be negative", o.stall)}
	case o.timeout < 0:
		return &flagError{fmt.Errorf("--timeout %s: it cannot be negative", o.timeout)}
	case o.recoverGap < 0:
		return &flagError{fmt.Errorf("--recover-interval %s: it cannot be negative", o.recoverGap)}
	case o.outputDir == "":
		return &flagError{errors.New("--output-dir: it cannot be empty")}
	}
	return o.assemble.check()
}

// failuresFlag is a number of jobs, or a part of all in percent.
type failuresFlag struct {
	n       int
	percent bool
	set     bool
}

func (f *failuresFlag) Set(text string) error {
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || percent && n > 100 {
		return fmt.Errorf("%q is neither a number of jobs nor a percentage such as 10%%", text)
	}
	*f = failuresFlag{n: n, percent: percent, set: true}
	return nil
}

func (f *failuresFlag) String() string {
	switch {
	case !f.set:
		return ""
	case f.percent:
		return fmt.Sprintf("%d%%", f.n)
	}
	return strconv.Itoa(f.n)
}

func (f *failuresFlag) Type() string { return "N|P%" }

// of returns the number of failures that are allowed among jobs; -1 for any.
func (f *failuresFlag) of(jobs int) int {
	switch {
	case !f.set:
		return -1
	case f.percent:
		return jobs * f.n / 100
	}
	return f.n
}

// noArguments refuses what is no flag.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &flagError{fmt.Errorf("no arguments are taken, got %q", args)}
	}
	return nil
}
