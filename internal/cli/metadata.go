package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"

	"github.com/stoker-build/stoker/internal/ledger"
	"github.com/stoker-build/stoker/internal/paths"
	"github.com/stoker-build/stoker/internal/plan"
)

// prepareFiles makes sure that the files which tell of the images can be written at
// the end, and takes away an image ID that an earlier run left: it would pass for
// this one's.
func (o inputOptions) prepareFiles(p *plan.Plan) error {
	if err := o.checkImageID(p); err != nil {
		return err
	}
	check := paths.Checker()
	for _, f := range o.reports(p) {
		if err := check(f.Path); err != nil {
			return &flagError{fmt.Errorf("%s: %w", f.Flag, err)}
		}
	}
	if o.iidFile == "" {
		return nil
	}
	if err := paths.Remove(o.iidFile); err != nil {
		return &flagError{fmt.Errorf("%s: %w", iidFlag, err)}
	}
	return nil
}

const iidFlag = "--iidfile"

// reports are the files that are written at the end, each once.
func (o inputOptions) reports(p *plan.Plan) []plan.Written {
	var all []plan.Written
	add := func(flag, path string) {
		if path != "" && (len(all) == 0 || all[len(all)-1].Path != path || all[len(all)-1].Flag != flag) {
			all = append(all, plan.Written{Flag: flag, Path: path, Key: paths.Key(path)})
		}
	}
	for _, j := range p.Jobs {
		add(plan.MetadataFlag, j.MetadataFile)
	}
	add(iidFlag, o.iidFile)
	return all
}

// checkImageID makes sure that there is one image ID to be written.
func (o inputOptions) checkImageID(p *plan.Plan) error {
	switch {
	case o.iidFile == "":
		return nil
	case plan.IsTemplate(o.iidFile):
		return &flagError{fmt.Errorf("--iidfile %q: it is no template, since there is one image ID to be written: --metadata-file takes one, and writes a file for each job", o.iidFile)}
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
		if e.Status.Made() {
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
			if err := paths.Write(o.iidFile, []byte(imageID(e))); err != nil {
				return fmt.Errorf("%s: %w", iidFlag, err)
			}
		}
		if j.MetadataFile != "" && j.MetadataFile != o.metadataFile {
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
		err = paths.Write(path, append(data, '\n'))
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
