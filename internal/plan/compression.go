package plan

import (
	"cmp"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/moby/buildkit/client"
)

// Compression is how the layers that steps make are compressed in images, as the
// attributes of outputs that say so; nil for BuildKit's own way. Layers of base images
// stay as they are.
type Compression map[string]string

// The kinds of compression that BuildKit v0.34 knows (util/compression), with their
// levels: what its libraries take. One without levels has none.
var compressions = []struct {
	kind        string
	least, most int
}{
	{"gzip", 0, 9}, {"zstd", 1, 22}, {"estargz", 0, 9}, {"uncompressed", 0, -1},
}

// ParseCompression reads TYPE[:LEVEL]; nothing is BuildKit's own way.
func ParseCompression(text string) (Compression, error) {
	if text == "" {
		return nil, nil
	}
	kind, level, leveled := strings.Cut(text, ":")
	for _, known := range compressions {
		if kind != known.kind {
			continue
		}
		c := Compression{"compression": kind}
		if !leveled {
			return c, nil
		}
		if known.most < known.least {
			return nil, fmt.Errorf("%q: %s has no levels", text, kind)
		}
		if n, err := strconv.Atoi(level); err != nil || n < known.least || n > known.most {
			return nil, fmt.Errorf("%q: a level of %s is a number from %d to %d", text, kind, known.least, known.most)
		}
		c["compression-level"] = level
		return c, nil
	}
	return nil, fmt.Errorf("%q is none of gzip, zstd, estargz and uncompressed, with :LEVEL where wanted", text)
}

// compress has the images of outputs compressed so, but those that say how themselves, and
// those that docker takes, which unpacks them at once.
func (c Compression) compress(exports []client.ExportEntry) []client.ExportEntry {
	for i, e := range exports {
		_, own := e.Attrs["compression"]
		_, level := e.Attrs["compression-level"]
		if len(c) == 0 || own || level || e.Type != client.ExporterImage && e.Type != client.ExporterOCI {
			continue
		}
		exports[i].Attrs = maps.Clone(e.Attrs)
		if exports[i].Attrs == nil {
			exports[i].Attrs = map[string]string{}
		}
		maps.Copy(exports[i].Attrs, c)
	}
	return exports
}

// CompressedBy tells how new layers of a job's first image are compressed, as
// ParseCompression reads it; gzip, as BuildKit does by itself, where nothing is said.
func (j *Job) CompressedBy() string {
	var attrs map[string]string
	if len(j.Options.Exports) > 0 {
		attrs = j.Options.Exports[0].Attrs
	}
	kind := cmp.Or(attrs["compression"], "gzip")
	if level := attrs["compression-level"]; level != "" {
		return kind + ":" + level
	}
	return kind
}
