package docstest

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoker-build/stoker/internal/cli"
	"github.com/stoker-build/stoker/internal/lab"
	"github.com/stoker-build/stoker/internal/lab/labtest"
)

// With the certificates that scale.md makes, a daemon and stoker know each other; without
// them, or under another name, neither lets the other in.
func TestNodeByHand(t *testing.T) {
	w := newProgram(t)
	dir := w.directory(t)
	var blocks []block
	for _, b := range (document{name: "docs/scale.md", text: read(t, "docs/scale.md")}).blocks() {
		if b.language == "bash" {
			blocks = append(blocks, b)
		}
	}
	certificates, build := strings.Join(blocks[0].lines, "\n"), strings.Join(blocks[2].lines, "\n")
	if code, out := w.exec(t, dir, "set -e\n"+certificates); code != 0 {
		t.Fatalf("%s\nexit code %d\n%s", certificates, code, out)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "tcp://" + free.Addr().String()
	_ = free.Close()
	registry := labtest.Registry(t)
	w.host, w.bases = registry.Host(), labtest.Bases(t, registry, lab.Shape{Instances: lab.Instances(1, 1), OSBytes: 1 << 10, EnvBytes: 1 << 10, OwnBytes: 1 << 10, Seed: 1})
	labtest.BuildkitdWith(t, lab.BuildkitdOptions{TCP: address, Certificates: filepath.Join(dir, "node")}, registry)
	listed := w.directory(t) // with the images in its list
	build = strings.NewReplacer("tcp://builder.example:1234", address, "--tlsdir client", "--tlsdir "+dir+"/client --tlsservername builder.example").Replace(build)
	for _, tt := range []struct {
		text, says string
		code       int
	}{
		{build, "1 of 1 image built", cli.ExitOK},
		{"stoker du --builder " + address + " --tlsdir " + dir + "/client", "x509: cannot validate certificate for 127.0.0.1", cli.ExitNoBuilder},
		{"stoker du --builder " + address, "--tlsdir", cli.ExitNoBuilder},
		{"stoker du --builder " + address + " --tlscacert " + dir + "/ca.pem --tlsservername builder.example", "certificate required", cli.ExitNoBuilder},
		{"stoker du --builder unix:///run/buildkit/buildkitd.sock --tlsdir " + dir + "/client", "tcp:// addresses", cli.ExitUsage},
		{"stoker du --builder " + address + " --tlscert " + dir + "/client/cert.pem --tlscacert " + dir + "/ca.pem", "--tlscert and --tlskey belong together", cli.ExitUsage},
		{"stoker du --builder " + address + " --tlsdir " + dir, "it has neither cert.pem nor tls.crt", cli.ExitUsage},
	} {
		if code, out := w.exec(t, listed, tt.text); code != tt.code || !strings.Contains(out, tt.says) {
			t.Errorf("%s\nexit code %d, want %d, with %q\n%s", tt.text, code, tt.code, tt.says, out)
		}
	}
}
