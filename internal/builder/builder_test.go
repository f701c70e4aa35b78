package builder

import (
	"strings"
	"testing"
)

// Nobody is told of what cannot be on their machine.
func TestWaysToGetABuilder(t *testing.T) {
	for system, local := range map[string]bool{"linux": true, "darwin": false, "windows": false} {
		ways := strings.Join(waysToGet(system), "\n")
		if got := strings.Contains(ways, "/run/buildkit"); got != local {
			t.Errorf("on %s a buildkitd on the machine is offered: %t\n%s", system, got, ways)
		}
		if !strings.Contains(ways, "--builder ADDRESS") {
			t.Errorf("on %s no other builder is offered\n%s", system, ways)
		}
	}
}

func TestNodeName(t *testing.T) {
	for _, c := range []struct{ address, system, want string }{
		{"tcp://builder.example:1234", "windows", "tcp-builder.example-1234"},
		{"docker-container://a?context=b", "windows", "docker-container-a-context=b"},
		{"tcp://builder.example:1234", "darwin", "tcp://builder.example:1234"},
		{"unix:///run/buildkit/buildkitd.sock", "linux", "unix:///run/buildkit/buildkitd.sock"},
	} {
		if got := nodeName(c.address, c.system); got != c.want {
			t.Errorf("%s on %s is called %s, want %s", c.address, c.system, got, c.want)
		}
	}
}
