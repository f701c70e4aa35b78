package builder

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"

	"github.com/stoker-build/stoker/internal/plan"
)

// Class is what a failure of a build means for what is done next.
type Class string

// The classes. Cancelled and TimedOut are the engine's to give: they are told
// by a context, not by a message.
const (
	Permanent   Class = "permanent"    // no further attempt can mend it
	StepFailed  Class = "step_failed"  // what a RUN runs has exited with a code
	Transient   Class = "transient"    // it may get better
	NoSpace     Class = "no_space"     // the builder's disk is full
	BuilderLost Class = "builder_lost" // the daemon does not answer
	Throttled   Class = "throttled"    // a registry asks for fewer requests
	BrokenCache Class = "broken_cache" // the cache has what is not whole
	Cancelled   Class = "cancelled"
	TimedOut    Class = "timeout"
)

const (
	doesNotParse = "the Dockerfile does not parse"
	noSuchImage  = "the registry says that an image does not exist"
	accessDenied = "the registry denies access"
	notUTF8      = "a name or a text that is to be sent to the builder is not UTF-8"
)

var noSpace = regexp.MustCompile(`(?i)no space left on device|ENOSPC|disk quota exceeded`)

// failures says of BuildKit's own message which class a failure is of, and why. The
// first row that matches decides; what none matches is transient. The messages are
// those of BuildKit v0.34, which gives no types for them: its Dockerfile frontend,
// its resolver's answers for images, its cache, and gRPC's own for a connection
// that is gone.
var failures = []struct {
	class   Class
	why     string
	message *regexp.Regexp
}{
	// These quote what the user wrote.
	{Permanent, doesNotParse, regexp.MustCompile(`^(?:failed to solve(?: with frontend \S+)?: )?(?:rpc error: code = \w+ desc = )?(?:failed to solve with frontend \S+: )?(?:failed to create LLB definition: )?dockerfile parse error`)},
	{Permanent, "a file that the Dockerfile copies does not exist", regexp.MustCompile(`failed to calculate checksum of ref \S+: "(?:[^"\\]|\\.)*": not found$|^(?:failed to solve: )?lstat \S+: no such file or directory$`)},
	{NoSpace, "the builder's disk is full", noSpace},
	{BuilderLost, "the builder does not answer", regexp.MustCompile(`code = Unavailable|Unavailable: |error reading from server|transport is closing|transport: Error while dialing|no active session for|closing transport|server is not responding|graceful_stop|use of closed network connection`)},
	{Throttled, "a registry asks for fewer requests", regexp.MustCompile(`unexpected status (?:code|from)[^\n]*\b429 Too Many Requests|(?i:(?:^|: )toomanyrequests: )`)},
	{Permanent, "what is fetched has another checksum than is asked for", regexp.MustCompile(`digest mismatch for \S+: \S+ \(expected: `)},
	{BrokenCache, "the builder's cache is broken", regexp.MustCompile(`snapshot \S*\s*does not exist|failed to commit \S+ to \S+|missing descriptor|unexpected commit digest|failed size validation|(?:digest|checksum) mismatch|lease "?\S+"?: not found|(?:blob|content|snapshot) (?:sha256:)?\S+: not found|failed to get (?:blob|lease)|fstype: overlay\b[^\n]*err: no such file or directory|failed to stat parent: stat \S+: no such file or directory|short read: expected \d+ bytes but got \d+|content does not match digest|expected at \S+: blob not found|parent snapshot \S+ does not exist|failed to rename: rename \S+ \S+/snapshots/\d+: file exists`)},
	{Permanent, doesNotParse, regexp.MustCompile(`unknown instruction|file with no instructions|no build stage in current context`)},
	{Permanent, "the Dockerfile names a stage that does not exist", regexp.MustCompile(`target stage "[^"]*" could not be found|invalid (?:from flag value|stage name)`)},
	{Permanent, noSuchImage, regexp.MustCompile(`(?:failed to resolve source metadata for|pull access denied|failed to authorize)[^\n]*(?:: not found|repository does not exist|name unknown|manifest unknown)`)},
	{Permanent, accessDenied, regexp.MustCompile(`pull access denied|insufficient_scope|(?:unexpected status|failed to fetch (?:anonymous|oauth) token)[^\n]*: (?:401 Unauthorized|403 Forbidden)|failed to fetch (?:anonymous|oauth) token: (?:unauthorized|denied): |failed to push [^\n]*: (?:unauthorized|denied): |denied: requested access`)},
	{Permanent, "the build needs what --allow does not give", regexp.MustCompile(`(?:network\.host|security\.insecure|device \S+) is not allowed`)},
	{Permanent, notUTF8, regexp.MustCompile(`grpc: error while marshaling: string field contains invalid UTF-8`)},
	{Permanent, "the repository does not have the branch, tag or commit", regexp.MustCompile(`repository does not contain ref \S+, output: "`)},
	{Permanent, "the repository does not have the directory", regexp.MustCompile(`(?:invalid|failed to open) subdir [^\n]*(?:: no such file or directory|: not a directory|contains non-directory "[^\n]*")$`)},
	{Permanent, "the context does not have the Dockerfile", regexp.MustCompile(`^(?:failed to solve: )?failed to read dockerfile: \w+ [^\n]*: no such file or directory$`)},
	{Permanent, "the repository does not exist, or may not be read", regexp.MustCompile(`failed to fetch remote \S+: git stderr:\n(?s:.*)(?:repository '[^']*' not found|Repository not found\.|could not read Username for|Authentication failed for)`)},
	{Permanent, "what is to be sent of the context may not be read", regexp.MustCompile(`error from sender: [^\n]*: permission denied$`)},
	{Permanent, "links of the context lead in a circle", regexp.MustCompile(`failed to calculate checksum of ref \S+: [^\n]*\btoo many links$`)},
	{Permanent, "a reference is not valid", regexp.MustCompile(`failed to parse stage name|invalid reference format`)},
	{Permanent, "a step needs a secret that is not given", regexp.MustCompile(`^(?:failed to solve: )?secret \S+: not found$`)},
	{Permanent, "a step needs an SSH agent that is not given", regexp.MustCompile(`unset ssh forward key \S+$`)},
	{Permanent, "a mount is of no type that there is", regexp.MustCompile(`unsupported mount type "`)},
	{Permanent, "what is fetched cannot be had at its address", regexp.MustCompile(`invalid response status (?:400|401|403|404|405|410|451)$`)},
	{Permanent, "an archive for docker has no attestations and no index", regexp.MustCompile(`docker exporter does not support exporting manifest lists, use the oci exporter instead$`)},
	{Permanent, "an image that has a tag cannot be pushed by its digest", regexp.MustCompile(`can't push tagged ref \S+ by digest$`)},
	{Permanent, "the builder makes one output at a time", regexp.MustCompile(`^multiple outputs currently unsupported by the current BuildKit daemon`)},
	{Permanent, "a linked step takes owners by number only", regexp.MustCompile(`user and group names can't be resolved when used with --link`)},
	{Permanent, "the image cannot have these annotations", regexp.MustCompile(`(?:^|: )(?:index annotations not supported for single platform export|invalid annotation: no platform \S+ found in source)$`)},
	{Permanent, "the image does not have the user", regexp.MustCompile(`^(?:failed to solve: )?process: unable to find (?:user|group) `)},
}

// DoesNotParse tells whether a frontend says that a Dockerfile does not parse.
func DoesNotParse(err error) bool {
	_, why := Classify(err)
	return why == doesNotParse
}

// Classify tells which class a build's failure is of, and why. Types decide first,
// then BuildKit's own words; what a step runs or prints never does.
func Classify(err error) (c Class, why string) {
	if _, is := exitOf(err); is {
		return StepFailed, ""
	}
	if grpcerrors.Code(err) == codes.Unavailable {
		return BuilderLost, "the builder does not answer"
	}
	if errors.As(err, new(*outputFullError)) {
		return Permanent, "the disk that the output is written to is full"
	}
	message := failedProcess.ReplaceAllString(innermost(err), "process")
	_, _, step := whereOf(nil, err)
	for _, f := range failures {
		if words := f.message.FindString(message); words != "" && !wrote(step, words) {
			return f.class, f.why
		}
	}
	return Transient, ""
}

// innermost is a failure's message without the names of what a job is built on, where that
// is what failed.
func innermost(err error) string {
	for linked := (*LinkedError)(nil); errors.As(err, &linked); {
		err = linked.Err
	}
	return ofPart.ReplaceAllString(err.Error(), "")
}

// wrote tells whether words of a message stand in the step that failed: there they are
// the user's, such as the name of a file.
func wrote(step, words string) bool {
	return strings.Contains(strings.ReplaceAll(step, `\`, ""), words)
}

// outputFullError says that a file of the job's output could not be written where
// Stoker runs, which is no matter of the builder's disk.
type outputFullError struct{ error }

func (e *outputFullError) Unwrap() error { return e.error }

// noSpaceAt matches how Go tells of a file that could not be written.
var noSpaceAt = regexp.MustCompile(`(?:open|mkdir|write|close|sync|truncate|copy_file_range) ([^:]+): no space left on device`)

// ofOutput makes a failure an outputFullError where it is one.
func ofOutput(job *plan.Job, err error) error {
	if m := noSpaceAt.FindStringSubmatch(err.Error()); m != nil && job.WritesTo(m[1]) {
		return &outputFullError{err}
	}
	return err
}

// failedProcess matches how BuildKit's message tells of a process that failed, up to why:
// with the command quoted, or up to v0.9 between brackets.
var failedProcess = regexp.MustCompile(`(?s)process "(?:[^"\\]|\\.)*" did not complete successfully|executor failed running \[.*\]`)

// ownWords is BuildKit's message without the command of a process, which is the
// user's text.
func ownWords(err error) string { return failedProcess.ReplaceAllString(err.Error(), "process") }

var exited = regexp.MustCompile(`process: exit code: (\d+)$`)

// exitOf returns the code that a step's process has exited with. One that could not
// be started, or that the daemon ended, has not failed by itself: why is told behind
// the command then.
func exitOf(err error) (code int, is bool) {
	message := ownWords(err)
	m := exited.FindStringSubmatch(message)
	var exit *gwpb.ExitError
	switch {
	case errors.As(err, &exit) && (m != nil || outOfMemory(message)):
		return int(exit.ExitCode), true
	case m != nil:
		code, err := strconv.Atoi(m[1])
		return code, err == nil
	}
	return 0, false
}

// outOfMemory tells that the kernel has killed a step's process for want of memory.
func outOfMemory(ownWords string) bool {
	return strings.HasSuffix(ownWords, "process: "+syscall.ENOMEM.Error())
}

var ofRegistry = regexp.MustCompile(`failed to do request: |unexpected status (?:code|from) `)

// OfRegistry tells whether a failure is one of a request to a registry, which no
// full disk of the builder explains.
func OfRegistry(err error) bool { return ofRegistry.MatchString(ownWords(err)) }

var retryAfter = regexp.MustCompile(`(?i)retry[- ]after:? ([0-9.]+(?:ns|us|µs|ms|s|m|h)?)`)

// RetryAfter returns how long a throttling registry asks to wait, where its
// message says so, in seconds or with a unit; else 0.
func RetryAfter(err error) time.Duration {
	m := retryAfter.FindStringSubmatch(err.Error())
	if m == nil {
		return 0
	}
	if d, err := time.ParseDuration(m[1]); err == nil {
		return d
	}
	seconds, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
