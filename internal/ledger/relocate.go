package ledger

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// relocate makes the paths of logs right in the record of a run that was moved
// from its directory to one below that. They stay relative to what they were
// relative to; those of summary.md are relative to it, and stay right.
func relocate(to, below string) error {
	manifest, err := readManifest(to)
	if err != nil {
		return err
	}
	dirs := map[string]bool{} // a run that was resumed may have named it in several ways
	for _, e := range manifest.Entries {
		if dir, log := logTail(deref(e.LogPath)); log != "" {
			dirs[dir] = true
		}
	}
	for dir := range dirs {
		was, is := filepath.Join(dir, LogsDir), filepath.Join(dir, below, LogsDir)
		err = errors.Join(err,
			replaceIn(filepath.Join(to, ManifestFile), `"log_path":"`, jsonText(was)+"/", jsonText(is)+"/"),
			replaceIn(filepath.Join(to, SummaryFile), `"log_path": "`, jsonText(was)+"/", jsonText(is)+"/"))
	}
	return err
}

// jsonText writes a text as it stands between the quotes of a JSON string.
func jsonText(s string) string {
	quoted, _ := json.Marshal(s) // any string can be
	return string(quoted[1 : len(quoted)-1])
}

// mostRelocated is how large a file may be that is read as a whole to make its paths
// right, in bytes: the lines of a hundred thousand jobs.
const mostRelocated = 128 << 20

// replaceIn replaces a text in a file wherever another stands right before it. One
// that is too large stays as it is.
func replaceIn(path, before, from, to string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() > mostRelocated {
		return nil
	}
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text := strings.ReplaceAll(string(data), before+from, before+to)
	if text == string(data) {
		return nil
	}
	return replaceFile(path, []byte(text))
}
