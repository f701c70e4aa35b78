package builder

import (
	"errors"
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

// Who forgets what an address begins with is told.
func TestAddressWithoutItsScheme(t *testing.T) {
	for name, want := range map[string]string{
		"127.0.0.1:1234": "tcp://127.0.0.1:1234", "[::1]:1234": "tcp://[::1]:1234", "builder.example:1234": "tcp://builder.example:1234",
		"/run/buildkit/buildkitd.sock": "unix:///run/buildkit/buildkitd.sock",
		"furnace":                      "", "furnace:latest": "", ":1234": "", "furnace:99999": "",
	} {
		if got := addressFor(name); got != want {
			t.Errorf("%s looks like %q, want %q", name, got, want)
		}
	}
	var unreachable *UnreachableError
	_, err := Connect(t.Context(), Options{Names: []string{"127.0.0.1:1234"}, StateDir: t.TempDir()})
	if !errors.As(err, &unreachable) || !strings.HasSuffix(unreachable.Tried[0], "; for an address, give tcp://127.0.0.1:1234") {
		t.Errorf("it says %v", err)
	}
}
