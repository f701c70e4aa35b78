package plan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An image of a layout that a build would take is there, or it is said what is.
func TestCheckContextPath(t *testing.T) {
	dir := t.TempDir()
	const digest = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	gone := strings.ReplaceAll(digest, "a", "b")
	gone = strings.Replace(gone, "shb256", "sha256", 1)
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	manifest := func(digest, annotations string) string {
		return `{"digest":"` + digest + `","annotations":{` + annotations + `}}`
	}
	blob := "/blobs/sha256/" + strings.TrimPrefix(digest, "sha256:")
	for name, manifests := range map[string]string{
		"none": "", "one": manifest(digest, `"org.opencontainers.image.ref.name":"1.0"`),
		"two":     manifest(digest, `"org.opencontainers.image.ref.name":"1.0"`) + "," + manifest(gone, `"io.containerd.image.name":"2.0"`),
		"unnamed": manifest(digest, "") + "," + manifest(gone, ""), "odd": manifest("sha256:x", ""),
	} {
		write(name+"/index.json", `{"manifests":[`+manifests+`]}`)
		write(name+blob, "{}")
	}
	write("torn/index.json", `{"manifests":[`)
	write("plain/file", "")
	for ref, says := range map[string]string{
		"two:1.0": "", "two": `has no image "latest"; it has 1.0, 2.0`, "one": "", "one:2.0": "", "two@" + digest: "", "two:1.1": `has no image "1.1"; did you mean 1.0?; it has`,
		"two:2.0": "does not have " + gone, "one@" + gone: "does not have " + gone, "none": "has no images", "unnamed": "give the digest of one",
		"odd": `has the digest "sha256:x"`, "torn": "is no JSON of one", "plain": "it has no index.json", "nowhere": "is not a directory",
	} {
		err := checkContextPath("oci-layout://" + dir + "/" + ref)
		if (says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", ref, err, says)
		}
	}
	for path, fine := range map[string]bool{dir: true, dir + "/torn/index.json": false, "docker-image://x": true, "https://x.example/y.git": true} {
		if err := checkContextPath(path); (err == nil) != fine {
			t.Errorf("%s: %v", path, err)
		}
	}
}
