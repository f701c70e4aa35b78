package imageref

import (
	"strings"
	"testing"
)

const digestOfX = "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"

func TestParse(t *testing.T) {
	for in, want := range map[string]struct{ whole, host, path, tag, digest string }{
		"debian":                                   {"docker.io/library/debian:latest", "docker.io", "library/debian", "latest", ""},
		"index.docker.io/org/x:1":                  {"docker.io/org/x:1", "docker.io", "org/x", "1", ""},
		"localhost/x":                              {"localhost/x:latest", "localhost", "x", "latest", ""},
		"127.0.0.1:5000/multi:v1@" + digestOfX:     {"127.0.0.1:5000/multi:v1@" + digestOfX, "127.0.0.1:5000", "multi", "v1", digestOfX},
		"ghcr.io/a/b@" + digestOfX:                 {"ghcr.io/a/b@" + digestOfX, "ghcr.io", "a/b", "", digestOfX},
		"registry-1.docker.io/library/debian:12":   {"registry-1.docker.io/library/debian:12", "registry-1.docker.io", "library/debian", "12", ""},
		"registry.example/Upper:1":                 {},
		"https://registry.example/x":               {},
		"a b":                                      {},
		"":                                         {},
		"not//a reference":                         {},
		"docker.io/x:1@sha256:short":               {},
		strings.Repeat("x", 300):                   {},
		"registry.example/" + strings.ToUpper("x"): {},
	} {
		ref, err := Parse(in)
		if want.whole == "" {
			if err == nil {
				t.Errorf("%q is taken for %s", in, ref)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", in, err)
			continue
		}
		if ref.String() != want.whole || ref.Host() != want.host || ref.Path() != want.path || ref.Repository() != want.host+"/"+want.path ||
			ref.Tag() != want.tag || ref.Digest().String() != want.digest {
			t.Errorf("%q is %s: %s, %s, tag %q, digest %q", in, ref, ref.Host(), ref.Path(), ref.Tag(), ref.Digest())
		}
	}
}

func TestWithoutDigest(t *testing.T) {
	for in, want := range map[string]string{
		"debian":                   "docker.io/library/debian:latest",
		"debian:12@" + digestOfX:   "docker.io/library/debian:12",
		"ghcr.io/a/b@" + digestOfX: "ghcr.io/a/b:latest",
		"3 or more":                "",
	} {
		if got := WithoutDigest(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

func TestHosts(t *testing.T) {
	for in, want := range map[string]string{"debian": "docker.io", "index.docker.io/x": "docker.io", "localhost:5000/x": "localhost:5000", "No/Reference": ""} {
		if got := HostOf(in); got != want {
			t.Errorf("the registry of %q is %q, want %q", in, got, want)
		}
	}
	for host, want := range map[string]string{"docker.io": "docker.io", "registry-1.docker.io": "docker.io", "notdocker.io": "notdocker.io", "ghcr.io": "ghcr.io"} {
		if got := Registry(host); got != want {
			t.Errorf("%q answers for %q, want %q", host, got, want)
		}
	}
	for host, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "127.0.0.1:5000": true, "127.1.2.3": true, "[::1]:5000": true, "[::1]": true,
		"docker.io": false, "10.0.0.1:5000": false, "localhost.example.com": false, "": false, "a:b:c": false,
	} {
		if Loopback(host) != want {
			t.Errorf("%q is this machine: %t", host, !want)
		}
	}
}

func TestSameRepository(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"debian", "docker.io/library/debian:12", true},
		{"debian", "debian@" + digestOfX, true},
		{"debian", "ghcr.io/library/debian", false},
		{"No", "No", false},
		{"debian", "No", false},
	} {
		if SameRepository(tt.a, tt.b) != tt.same {
			t.Errorf("%s and %s are of one repository: %t", tt.a, tt.b, !tt.same)
		}
	}
}
