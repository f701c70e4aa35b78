package layers

import (
	"testing"

	digest "github.com/opencontainers/go-digest"
)

func TestNormalizeAsBuildKitWritesNames(t *testing.T) {
	d := "@sha256:" + digest.FromString("x").Encoded()
	for in, want := range map[string]string{
		"debian":                      "docker.io/library/debian:latest",
		"index.docker.io/org/x:1":     "docker.io/org/x:1",
		"localhost:5000/x":            "localhost:5000/x:latest",
		"127.0.0.1:5000/multi:v1" + d: "127.0.0.1:5000/multi:v1" + d,
		"ghcr.io/a/b" + d:             "ghcr.io/a/b" + d,
	} {
		if got, err := Normalize(in); err != nil || got != want {
			t.Errorf("Normalize(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	if got, err := Normalize("Upper/Case"); err == nil {
		t.Errorf("Normalize accepted a bad reference as %q", got)
	}
}
