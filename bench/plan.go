package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/ledger"
)

// plan is the work that every way does: the same images, on the same kind of daemon, with the
// same number of builds at once.
type plan struct {
	address     string // of the daemon
	contextDir  string // has the Dockerfile, too; empty where each job has its own
	workDir     string // for logs and results; where each job has a Dockerfile, these are in it, too
	buildArgs   []string
	buildxFlags []string // further ones, of buildx build
	jobs        []job
	tag         string // template of the tags
	workers     int
}

// job is one image to build.
type job struct {
	name string
	base string
	tag  string
	dir  string // the context with its Dockerfile, from the plan's workDir; empty where that is the plan's
}

// outcome is what came of a plan.
type outcome struct {
	wall     time.Duration
	usage                   // of the largest client process; the processor time of all
	failures map[string]int // how many builds failed, by the end of the error
}

// add counts what one more client process has used.
func (o *outcome) add(u usage) {
	o.memory = max(o.memory, u.memory)
	o.cpu += u.cpu
}

// fail counts a failure.
func (o *outcome) fail(log string) { o.failTimes(reason(log), 1) }

func (o *outcome) failTimes(reason string, n int) {
	if o.failures == nil {
		o.failures = map[string]int{}
	}
	o.failures[reason] += n
}

// noSpace is how a full disk shows, from whatever part of a build.
const noSpace = "no space left on device"

// reason is why a build failed, from its log or its error: the end of the last line, since what
// stands before it names places that differ each time.
func reason(log string) string {
	if strings.Contains(log, noSpace) {
		return noSpace
	}
	lines := strings.Split(strings.TrimSpace(log), "\n")
	parts := strings.Split(lines[len(lines)-1], ": ")
	last := parts[len(parts)-1]
	if len(parts) > 1 && parts[len(parts)-2] == "exit code" {
		return "exit code " + last
	}
	return last
}

// failureText lists the failures.
func (o *outcome) failureText() string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(o.failures)) {
		parts = append(parts, fmt.Sprintf("%d times %q", o.failures[reason], reason))
	}
	return strings.Join(parts, ", ")
}

// buildctlArgs are those of the buildctl process that builds an image. It asks for what buildx asks
// for without being told: a minimal provenance, and a push without unpacking.
func (p plan) buildctlArgs(j job) []string {
	args := []string{
		"--addr", p.address, "build", "--progress", "plain", "--frontend", "dockerfile.v0",
		"--local", "context=" + p.contextDir, "--local", "dockerfile=" + p.contextDir,
		"--opt", "filename=Dockerfile", "--opt", "build-arg:BASE_IMAGE=" + j.base,
	}
	for _, arg := range p.buildArgs {
		args = append(args, "--opt", "build-arg:"+arg)
	}
	return append(args, "--opt", "attest:provenance=mode=min,inline-only=true",
		"--output", "type=image,name="+j.tag+",push=true,unpack=false")
}

// loop builds the images with a buildctl process each, several at once, as xargs -P would.
func (p plan) loop(ctx context.Context, buildctl string) (outcome, error) {
	start := time.Now()
	var out outcome
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(p.workers)
	for _, j := range p.jobs {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			log := filepath.Join(p.workDir, j.name+".log")
			used, err := execute(ctx, log, command{program: buildctl, args: p.buildctlArgs(j)})
			mu.Lock()
			defer mu.Unlock()
			out.add(used)
			if _, failed := exitCode(err); failed {
				out.fail(textOf(log))
				return nil
			}
			return err
		})
	}
	err := group.Wait()
	out.wall = time.Since(start)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return out, err
}

// textOf is what a program wrote to its log.
func textOf(log string) string {
	text, err := os.ReadFile(log)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text))
}

// stokerArgs are those of the Stoker process that builds all images.
func (p plan) stokerArgs(extra ...string) []string {
	input, path := []string{"--images", p.listPath(), "-f", filepath.Join(p.contextDir, "Dockerfile")}, p.contextDir
	if p.contextDir == "" {
		input, path = []string{"--rows", lab.TasksFile}, "{{.dir}}"
	}
	args := append(append([]string{"build"}, input...), "-t", p.tag)
	for _, arg := range p.buildArgs {
		args = append(args, "--build-arg", arg)
	}
	args = append(args, "--push", "--force", "--workers", fmt.Sprint(p.workers), "--progress", "quiet",
		"--builder", p.address, "--state-dir", filepath.Join(p.workDir, "state"), "--output-dir", p.resultDir())
	return append(append(args, extra...), path)
}

func (p plan) listPath() string  { return filepath.Join(p.workDir, "bases.txt") }
func (p plan) resultDir() string { return filepath.Join(p.workDir, "out") }

// summary is that of a run of stoker.
func (p plan) summary() (s ledger.Summary, err error) {
	data, err := os.ReadFile(filepath.Join(p.resultDir(), ledger.SummaryFile))
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(data, &s)
}

// dir is where a command runs: rows may only name directories below that.
func (p plan) dir() string {
	if p.contextDir == "" {
		return p.workDir
	}
	return ""
}

// The exit codes of stoker build after which there are results.
const (
	exitBuilt  = 0
	exitFailed = 1
)

// stoker builds the images with Stoker.
func (p plan) stoker(ctx context.Context, program string, extra ...string) (outcome, error) {
	if err := p.writeList(); err != nil {
		return outcome{}, err
	}
	log := filepath.Join(p.workDir, "stoker.log")
	start := time.Now()
	used, err := execute(ctx, log, command{program: program, args: p.stokerArgs(extra...), dir: p.dir()})
	out := outcome{wall: time.Since(start), usage: used}
	if ctx.Err() != nil {
		return out, ctx.Err()
	}
	if code, ended := exitCode(err); ended && code != exitFailed {
		return out, fmt.Errorf("stoker ended with exit code %d: %s", code, textOf(log))
	} else if !ended && err != nil {
		return out, err
	}
	return out, out.readManifest(filepath.Join(p.resultDir(), "manifest.jsonl"))
}

// writeList writes the list of base images; rows are there already.
func (p plan) writeList() error {
	if p.contextDir == "" {
		return nil
	}
	var list strings.Builder
	for _, j := range p.jobs {
		fmt.Fprintln(&list, j.base)
	}
	return os.WriteFile(p.listPath(), []byte(list.String()), 0o644)
}

// readManifest counts the failures that Stoker put on record.
func (o *outcome) readManifest(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewReader(file)
	decoder := json.NewDecoder(lines)
	for decoder.More() {
		var entry struct{ Error *string }
		if err := decoder.Decode(&entry); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if entry.Error != nil {
			o.fail(*entry.Error)
		}
	}
	return nil
}

// commandLine writes a command for people.
func commandLine(program string, args []string) string {
	words := []string{program}
	for _, arg := range args {
		if strings.ContainsAny(arg, " {}$|()*'\"") {
			arg = "'" + arg + "'"
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}

// standIn is a plan whose commands are fit to print: capitals stand for what differs from run to
// run.
func standIn(workers int, buildArgs ...string) plan {
	return plan{
		address: "ADDRESS", contextDir: "CONTEXT", workDir: "WORK", tag: "REGISTRY/out/{{.Name}}:1",
		workers: workers, buildArgs: buildArgs,
	}
}

// standInJob is the job of a printed command.
var standInJob = job{name: "NAME", base: "BASE", tag: "REGISTRY/out/NAME:1"}
