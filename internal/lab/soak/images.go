package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sync/errgroup"

	"github.com/stoker-build/stoker/internal/lab"
)

// pullers is how many images are pulled back at once.
const pullers = 4

// checkImages pulls every image back and looks inside. The digests are those on record, by name.
func checkImages(ctx context.Context, p *parts, digests map[string]string) error {
	var mu sync.Mutex
	var errs []error
	var group errgroup.Group
	group.SetLimit(pullers)
	for _, base := range p.bases {
		group.Go(func() error {
			ref := p.target(base.Name)
			if err := checkImage(ctx, ref, base, digests[base.Name]); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("%s: %w", ref, err))
			}
			return nil
		})
	}
	return errors.Join(group.Wait(), errors.Join(errs...))
}

func checkImage(ctx context.Context, ref string, base lab.Base, digest string) error {
	image, err := lab.PullImage(ctx, ref)
	if err != nil {
		return err
	}
	// Files reads every layer, and checks each against its digest.
	files, err := lab.Files(ctx, ref)
	if err != nil {
		return err
	}
	return errors.Join(checkDigest(ctx, ref, digest), checkLayers(image, base), checkFiles(files, base))
}

func checkDigest(ctx context.Context, ref, digest string) error {
	parsed, err := name.ParseReference(ref, name.Insecure)
	if err != nil {
		return err
	}
	head, err := remote.Head(parsed, remote.WithContext(ctx))
	if err != nil {
		return err
	}
	if head.Digest.String() != digest {
		return fmt.Errorf("its digest is %s, and %q on record", head.Digest, digest)
	}
	return nil
}

// checkLayers finds the base image's layers at the bottom, which are all its files.
func checkLayers(image v1.Image, base lab.Base) error {
	config, err := image.ConfigFile()
	if err != nil {
		return err
	}
	for i, l := range base.Layers {
		if diffs := config.RootFS.DiffIDs; i >= len(diffs) || diffs[i].String() != l.DiffID {
			return fmt.Errorf("layer %d is not the base image's", i+1)
		}
	}
	return nil
}

func checkFiles(files map[string]lab.File, base lab.Base) error {
	var errs []error
	for path, want := range map[string]string{
		"/os-release":                    "NAME=lab\n",
		"/env/" + base.Project:           base.Project + "\n",
		"/testbed/" + base.Name + ".txt": base.Name + "\n",
		"/opt/agent/from-base":           base.Name + "\n",
		"/opt/agent/agent.txt":           agentText,
		"/agent/version":                 "1\n",
	} {
		if got := string(files[path].Content); got != want {
			errs = append(errs, fmt.Errorf("file %s is %.80q, want %.80q", path, got, want))
		}
	}
	return errors.Join(append(errs, checkOwn(files))...)
}

// checkOwn compares what the image made up with the sum that it kept of it.
func checkOwn(files map[string]lab.File) error {
	own := files["/opt/agent/own"]
	want := fmt.Sprintf("%x  -\n", sha256.Sum256(own.Content))
	if own.Size != ownBytes || string(files["/opt/agent/own.sum"].Content) != want {
		return fmt.Errorf("/opt/agent/own has %d bytes and the sum %.80q, its own sum says %.80q",
			own.Size, want, files["/opt/agent/own.sum"].Content)
	}
	return nil
}
