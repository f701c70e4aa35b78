package throttle

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/stoker-build/stoker/internal/imageref"
)

var requestURL = regexp.MustCompile(`https?://[^\s"]+`)

// Refuser returns the host that a message says has refused a request, and of which of
// some registries it is a mirror (a mirror is told whose images it is asked for by
// the parameter ns, newRequest in containerd's core/remotes/docker). Where the message
// names no host, and only one registry can be meant, it is that; else "".
func Refuser(message string, registries []string) (host, mirrored string) {
	for _, found := range requestURL.FindAllString(message, -1) {
		u, err := url.Parse(strings.TrimRight(found, ":,;"))
		if err != nil {
			continue
		}
		host := imageref.Registry(u.Host)
		if of := imageref.Registry(u.Query().Get("ns")); of != host && slices.Contains(registries, of) {
			return host, of
		}
		if slices.Contains(registries, host) {
			return host, ""
		}
	}
	if len(registries) == 1 {
		return registries[0], ""
	}
	return "", ""
}
