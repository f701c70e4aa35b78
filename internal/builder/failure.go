package builder

import (
	"regexp"
	"strconv"
	"time"
)

// Class is what a failure of a build means for what is done next.
type Class string

// The classes. Cancelled and TimedOut are the engine's to give: they are told
// by a context, not by a message.
const (
	Permanent   Class = "permanent"    // no further attempt can mend it
	Transient   Class = "transient"    // it may get better
	NoSpace     Class = "no_space"     // the builder's disk is full
	BuilderLost Class = "builder_lost" // the daemon does not answer
	Throttled   Class = "throttled"    // a registry asks for fewer requests
	BrokenCache Class = "broken_cache" // the cache has what is not whole
	Cancelled   Class = "cancelled"
	TimedOut    Class = "timeout"
)

const doesNotParse = "the Dockerfile does not parse"

var noSpace = regexp.MustCompile(`(?i)no space left on device|ENOSPC|disk quota exceeded`)

// failures says of a failure's message which class it is of, and why. The first
// row that matches decides; what none matches is transient. The messages are
// those of BuildKit v0.34: its Dockerfile frontend, its resolver's answers for
// images, its cache, and gRPC's own for a connection that is gone.
var failures = []struct {
	class   Class
	why     string
	message *regexp.Regexp
}{
	{NoSpace, "the builder's disk is full", noSpace},
	{BuilderLost, "the builder does not answer", regexp.MustCompile(`code = Unavailable|Unavailable: |error reading from server|transport is closing|transport: Error while dialing|no active session for|closing transport|server is not responding|graceful_stop|use of closed network connection`)},
	{Throttled, "a registry asks for fewer requests", regexp.MustCompile(`429 Too Many Requests|toomanyrequests|TOOMANYREQUESTS`)},
	{BrokenCache, "the builder's cache is broken", regexp.MustCompile(`snapshot \S*\s*does not exist|failed to commit \S+ to \S+|missing descriptor|unexpected commit digest|failed size validation|(?:digest|checksum) mismatch|lease "?\S+"?: not found|(?:blob|content|snapshot) (?:sha256:)?\S+: not found|failed to get (?:blob|lease)|fstype: overlay\b[^\n]*err: no such file or directory|failed to stat parent: stat \S+: no such file or directory|short read: expected \d+ bytes but got \d+|content does not match digest|expected at \S+: blob not found|parent snapshot \S+ does not exist|failed to rename: rename \S+ \S+/snapshots/\d+: file exists`)},
	{Permanent, doesNotParse, regexp.MustCompile(`dockerfile parse error|unknown instruction|file with no instructions|no build stage in current context`)},
	{Permanent, "the Dockerfile names a stage that does not exist", regexp.MustCompile(`target stage "[^"]*" could not be found|invalid (?:from flag value|stage name)`)},
	{Permanent, "the registry says that an image does not exist", regexp.MustCompile(`(?:failed to resolve source metadata for|pull access denied|failed to authorize)[^\n]*(?:: not found|repository does not exist|name unknown|manifest unknown)`)},
	{Permanent, "the registry denies access", regexp.MustCompile(`pull access denied|insufficient_scope|(?:unexpected status|failed to fetch (?:anonymous|oauth) token)[^\n]*: (?:401 Unauthorized|403 Forbidden)|failed to fetch (?:anonymous|oauth) token: (?:unauthorized|denied): |failed to push [^\n]*: (?:unauthorized|denied): |denied: requested access`)},
	{Permanent, "the build needs what --allow does not give", regexp.MustCompile(`(?:network\.host|security\.insecure|device \S+) is not allowed`)},
	{Permanent, "a reference is not valid", regexp.MustCompile(`failed to parse stage name|invalid reference format`)},
}

// DoesNotParse tells whether a frontend says that a Dockerfile does not parse.
func DoesNotParse(err error) bool {
	_, why := Classify(err)
	return why == doesNotParse
}

// Classify tells which class a build's failure is of, and why.
func Classify(err error) (c Class, why string) {
	message := err.Error()
	for _, f := range failures {
		if f.message.MatchString(message) {
			return f.class, f.why
		}
	}
	return Transient, ""
}

var ofRegistry = regexp.MustCompile(`failed to do request: |unexpected status (?:code|from) `)

// OfRegistry tells whether a failure is one of a request to a registry, which no
// full disk of the builder explains.
func OfRegistry(err error) bool { return ofRegistry.MatchString(err.Error()) }

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
