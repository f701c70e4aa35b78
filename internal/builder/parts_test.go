package builder

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bkconfig "github.com/moby/buildkit/cmd/buildkitd/config"
	"github.com/pelletier/go-toml/v2"
)

// Each part of a private builder that is missing is named, with what gets it.
func TestPartsOfPrivateBuilder(t *testing.T) {
	for _, tt := range []struct {
		name    string
		there   string
		uid     int
		runc    []string
		missing string
		remedy  string
	}{
		{name: "all, for root", there: "buildkitd runc"},
		{name: "all, for a user", there: "buildkitd runc rootlesskit newuidmap", uid: 1000},
		{name: "BuildKit's own name of runc", there: "buildkitd buildkit-runc"},
		{name: "another program that runs containers", there: "buildkitd crun", runc: []string{"crun"}},
		{name: "no buildkitd", there: "runc", missing: "buildkitd", remedy: "make build"},
		{name: "no runc", there: "buildkitd", missing: "runc", remedy: "apt-get install runc"},
		{name: "not the runc of the configuration", there: "buildkitd runc", runc: []string{"crun"}, missing: "crun", remedy: "apt-get install crun"},
		{name: "no rights", there: "buildkitd runc newuidmap", uid: 1000, missing: "the rights of root", remedy: "apt-get install rootlesskit uidmap"},
		{name: "no newuidmap", there: "buildkitd runc rootlesskit", uid: 1000, missing: "newuidmap", remedy: "apt-get install uidmap"},
		{name: "nothing", uid: 1000, missing: "buildkitd, runc, the rights of root", remedy: "apt-get install runc"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, program := range strings.Fields(tt.there) {
				if err := os.WriteFile(filepath.Join(dir, program), nil, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			runc := tt.runc
			if runc == nil {
				runc = runcNames
			}
			p, err := findParts("", dir, tt.uid, runc)
			if tt.missing == "" {
				if err != nil || p.buildkitd != filepath.Join(dir, "buildkitd") || (p.rootlesskit != "") != (tt.uid != 0) {
					t.Errorf("parts %+v, error %v", p, err)
				}
				return
			}
			if want := "missing: " + tt.missing; err == nil || err.Error() != want {
				t.Errorf("error %q, want %q", err, want)
			}
			if all := strings.Join(remedies(err), "\n"); !strings.Contains(all, tt.remedy) {
				t.Errorf("it is not said %q:\n%s", tt.remedy, all)
			}
		})
	}
	if _, err := findParts("/does/not/exist", t.TempDir(), 0, runcNames); err == nil || errors.As(err, new(*missingError)) || !strings.Contains(err.Error(), "--buildkitd") {
		t.Errorf("a buildkitd that was asked for: %v", err)
	}
}

// A user's configuration stays, but for what Stoker needs to be otherwise.
func TestConfigOfPrivateBuilder(t *testing.T) {
	dir := t.TempDir()
	own := filepath.Join(dir, "own.toml")
	text := `root = "/elsewhere"
[worker.oci]
  gc = true
  binary = "crun"
  max-parallelism = 3
[registry."docker.io"]
  mirrors = ["mirror.example"]
[registry."127.0.0.1:5000"]
  mirrors = ["127.0.0.1:5001"]
`
	if err := os.WriteFile(own, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := readConfig(own)
	if err != nil || c.runc[0] != "crun" {
		t.Fatalf("runc %v, error %v", c.runc, err)
	}
	complete, err := toml.Marshal(c.complete([]string{"127.0.0.1:5000"}))
	if err != nil {
		t.Fatal(err)
	}
	got, err := bkconfig.Load(bytes.NewReader(complete))
	if err != nil {
		t.Fatal(err)
	}
	oci, local := got.Workers.OCI, got.Registries["127.0.0.1:5000"]
	if *oci.GC || *got.Workers.Containerd.Enabled || oci.MaxParallelism != 3 ||
		got.Registries["docker.io"].Mirrors[0] != "mirror.example" || !*local.PlainHTTP || !*local.Insecure || local.Mirrors[0] != "127.0.0.1:5001" {
		t.Errorf("configuration %+v", got)
	}
	if err := os.WriteFile(own, []byte("root = ["), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{own, filepath.Join(dir, "none")} {
		if _, err := readConfig(file); err == nil || !strings.Contains(err.Error(), "--buildkitd-config") || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: error %v", file, err)
		}
	}
}
