package engine

import "testing"

func TestUnnumbered(t *testing.T) {
	for name, want := range map[string]string{
		"[stage-1 3/5] COPY a b":               "[stage-1] COPY a b",
		"[2/5] RUN make":                       "[] RUN make",
		"[linux/amd64 main 12/15] WORKDIR /x":  "[linux/amd64 main] WORKDIR /x",
		"mount / from exec /bin/sh -c a [1/2]": "mount / from exec /bin/sh -c a [1/2]",
		"":                                     "",
	} {
		if got := unnumbered(name); got != want {
			t.Errorf("%q gives %q, want %q", name, got, want)
		}
	}
}
