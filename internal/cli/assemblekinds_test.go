package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/stoker-build/stoker/internal/assemble"
	"github.com/stoker-build/stoker/internal/ledger"
)

// assembling builds the workbench's images one after the other, as they are listed, into
// repositories and a directory of a name.
func (w *workbench) assembling(out string, more ...string) (code int, text string, entries []ledger.Entry) {
	w.t.Helper()
	code, text = w.build(w.t.Context(), append([]string{"--provenance=false", "--workers", "1", "--order", "given", "--force", "--output-dir", w.path(out),
		"-t", w.registry.Host() + "/" + out + "/{{.Name}}:1"}, more...)...)
	return code, text, w.manifestIn(out)
}

// Where files get the times of an epoch, images are assembled of layers with those of their own.
func TestAssembleEpochs(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 6))
	w.write("ctx/Dockerfile", linkedDockerfile)
	var epochs strings.Builder
	epochs.WriteString("SOURCE_DATE_EPOCH=")
	for i, b := range w.bases {
		fmt.Fprintf(&epochs, `{{if eq .Name %q}}1%d00000000{{end}}`, b.Name, 5+i/3)
	}
	flags := []string{"--build-arg", epochs.String(), "-o", "type=image,push=true,rewrite-timestamp=true"}
	code, text, assembled := w.assembling("epochs", flags...)
	if code != ExitOK || assembledOf(assembled) != 2 {
		t.Fatalf("exit code %d, assembled are %d of 6, of two epochs\n%s", code, assembledOf(assembled), text)
	}
	if _, err := w.daemon.Buildctl(t.Context(), "prune", "--all"); err != nil {
		t.Fatal(err)
	}
	code, text, built := w.assembling("made", append(flags, "--assemble", "builder")...)
	if code != ExitOK || len(built) != len(assembled) {
		t.Fatalf("exit code %d\n%s", code, text)
	}
	for i, e := range assembled {
		if b := built[i]; b.Name != e.Name || b.Digest != e.Digest {
			x, y := w.image(e.Tags[1]+"@"+e.Digest), w.image(b.Tags[1]+"@"+b.Digest)
			t.Errorf("%s and %s: %s", e.Name, b.Name, assemble.Differ(x, y))
		}
	}
}

// A base of which no image can be assembled keeps none of the others from that, also where it
// comes first. Where all are to be assembled, its job fails, wherever it stands.
func TestAssembleBesideOddBases(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t, small(1, 6))
	w.write("ctx/Dockerfile", linkedDockerfile)
	var refs []string
	for i, b := range w.bases {
		ref := b.Ref
		if i == 0 || i == len(w.bases)-1 {
			ref = w.configured(b, "bare", func(c *v1.ConfigFile) { c.History = nil })
		}
		refs = append(refs, ref)
	}
	w.write("bases.txt", strings.Join(refs, "\n")+"\n")
	for mode, want := range map[string]struct {
		code  int
		ended string
	}{
		"auto":     {ExitOK, "bbbaab"},
		"registry": {ExitFailed, "-bbaa-"},
	} {
		code, text, entries := w.assembling(mode, "--assemble", mode)
		ended := ""
		for _, e := range entries {
			switch {
			case e.Status == ledger.Failed:
				ended += "-"
				if failure, _ := json.Marshal(e.Failure); e.AttemptCount != 1 || !strings.Contains(string(failure), "--assemble registry: it cannot be assembled, since ") {
					t.Errorf("%s failed in %d attempts: %s", e.Name, e.AttemptCount, failure)
				}
			case e.Assembled:
				ended += "a"
			default:
				ended += "b"
			}
		}
		if code != want.code || ended != want.ended {
			t.Errorf("%s: exit code %d, and made are %s, want %s\n%s", mode, code, ended, want.ended, text)
		}
	}
}
