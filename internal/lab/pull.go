package lab

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// PullImage reads an image from a registry that speaks plain HTTP. Options such as
// remote.WithAuth come on top. Layers are read when they are looked at.
func PullImage(ctx context.Context, ref string, opts ...remote.Option) (v1.Image, error) {
	parsed, err := name.ParseReference(ref, name.Insecure)
	if err != nil {
		return nil, err
	}
	return remote.Image(parsed, append([]remote.Option{remote.WithContext(ctx)}, opts...)...)
}

// File is one file of an image's file system.
type File struct {
	Mode    int64
	Size    int64
	Link    string // the target of a symbolic link
	Content []byte // of files up to 1 MiB; nil for larger ones
}

// maxContent is up to which size Files keeps the content.
const maxContent = 1 << 20

// Files is the file system of an image as a container would see it, by absolute path, without
// directories.
func Files(ctx context.Context, ref string, opts ...remote.Option) (map[string]File, error) {
	image, err := PullImage(ctx, ref, opts...)
	if err != nil {
		return nil, err
	}
	flat := mutate.Extract(image)
	defer flat.Close()
	files := map[string]File{}
	archive := tar.NewReader(flat)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", ref, err)
		}
		if header.Typeflag == tar.TypeDir {
			continue
		}
		file, err := readFile(header, archive)
		if err != nil {
			return nil, fmt.Errorf("read %s: %s: %w", ref, header.Name, err)
		}
		files["/"+header.Name] = file
	}
}

func readFile(header *tar.Header, content io.Reader) (File, error) {
	file := File{Mode: header.Mode, Size: header.Size, Link: header.Linkname}
	if header.Size > maxContent {
		return file, nil
	}
	var err error
	file.Content, err = io.ReadAll(content)
	return file, err
}

// Exists tells whether a registry that speaks plain HTTP has an image.
func Exists(ctx context.Context, ref string, opts ...remote.Option) (bool, error) {
	parsed, err := name.ParseReference(ref, name.Insecure)
	if err != nil {
		return false, err
	}
	_, err = remote.Head(parsed, append([]remote.Option{remote.WithContext(ctx)}, opts...)...)
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}
