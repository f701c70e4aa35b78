package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2/maybe"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/plan"
)

// prepareFiles makes sure that the files which tell of the images can be written at
// the end, and takes away an image ID that an earlier run left: it would pass for
// this one's.
func (o inputOptions) prepareFiles(p *plan.Plan) error {
	if err := o.checkImageID(p); err != nil {
		return err
	}
	files := map[string]string{}
	for _, j := range p.Jobs {
		if j.MetadataFile != "" {
			files[filepath.Dir(j.MetadataFile)] = plan.MetadataFlag
		}
	}
	if o.iidFile != "" {
		files[filepath.Dir(o.iidFile)] = "--iidfile"
	}
	for dir, flag := range files {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return &flagError{fmt.Errorf("%s: there is no directory %q to write into", flag, dir)}
		}
	}
	if o.iidFile == "" {
		return nil
	}
	if err := os.Remove(o.iidFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &flagError{fmt.Errorf("--iidfile: %w", err)}
	}
	return nil
}

// checkImageID makes sure that there is one image ID to be written.
func (o inputOptions) checkImageID(p *plan.Plan) error {
	switch {
	case o.iidFile == "":
		return nil
	case len(p.Jobs) > 1:
		return &flagError{fmt.Errorf("--iidfile has room for the ID of one image, and %d are to be built: --metadata-file FILE writes what is known of each", len(p.Jobs))}
	}
	for _, e := range p.Jobs[0].Options.Exports {
		if e.Type == client.ExporterLocal || e.Type == client.ExporterTar {
			return &flagError{fmt.Errorf("--iidfile and -o type=%s cannot be used together: no image is made", e.Type)}
		}
	}
	return nil
}

// writeFiles writes what is on record of the images into the files that were asked
// for, each as a whole.
func (o inputOptions) writeFiles(p *plan.Plan, entries []ledger.Entry) error {
	made := map[string]ledger.Entry{}
	for _, e := range entries {
		if e.Status != ledger.Failed {
			made[e.Name] = e
		}
	}
	all := map[string]any{}
	for _, j := range p.Jobs {
		e, ok := made[j.Name]
		if !ok {
			continue
		}
		all[j.Name] = metadata(e)
		if o.iidFile != "" {
			if err := maybe.WriteFile(o.iidFile, []byte(imageID(e)), 0o644); err != nil {
				return fmt.Errorf("--iidfile: %w", err)
			}
		}
		if j.MetadataFile != o.metadataFile {
			if err := writeMetadata(j.MetadataFile, metadata(e)); err != nil {
				return err
			}
		}
	}
	if o.metadataFile == "" || plan.IsTemplate(o.metadataFile) {
		return nil
	}
	return writeMetadata(o.metadataFile, all)
}

func writeMetadata(path string, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err == nil {
		err = maybe.WriteFile(path, append(data, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", plan.MetadataFlag, err)
	}
	return nil
}

// metadata is what docker buildx calls a build's metadata, as far as it is on record.
func metadata(e ledger.Entry) map[string]any {
	out := map[string]any{}
	put := func(key, value string) {
		if value != "" {
			out[key] = value
		}
	}
	put(exptypes.ExporterImageNameKey, strings.Join(e.Tags, ","))
	put(exptypes.ExporterImageDigestKey, e.Digest)
	put(exptypes.ExporterImageConfigDigestKey, e.ConfigDigest)
	if e.Descriptor != nil {
		out[exptypes.ExporterImageDescriptorKey] = e.Descriptor
	}
	return out
}

// imageID is what docker buildx writes as an image's ID: the digest of its
// configuration, or else of its manifest.
func imageID(e ledger.Entry) string {
	if e.ConfigDigest != "" {
		return e.ConfigDigest
	}
	return e.Digest
}
