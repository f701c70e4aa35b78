package cli

import (
	"cmp"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stoker-build/stoker/internal/show"
)

func newVersion(streams Streams) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the versions of Stoker and of what it is built from",
		Long: `Show Stoker's version and commit, and the versions of Go, BuildKit and buildx
that it is built from. Please copy this into a bug report.

The builder has a version of its own, which need not be the same.`,
		Example: "  stoker version\n  stoker version --format json",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			v := versionsOf(streams.Version, buildInfo())
			v.noteCommit(streams.Commit)
			if format == formatJSON {
				return writeJSON(streams.Out, v)
			}
			return v.write(streams.Out)
		},
	}
	addFormat(cmd, &format)
	return cmd
}

// versions are what a bug report needs to know. What was not recorded when the
// program was built is empty.
type versions struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	// Modified says that the work tree had changes that are not in the commit.
	Modified bool   `json:"modified"`
	Time     string `json:"commit_time"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	BuildKit string `json:"buildkit"`
	Buildx   string `json:"buildx"`
}

// buildInfo is what Go's linker noted of the program, as far as it did.
func buildInfo() *debug.BuildInfo {
	info, noted := debug.ReadBuildInfo()
	if !noted {
		return &debug.BuildInfo{}
	}
	return info
}

// unreleased is the version of a program that no release was made of.
const unreleased = "dev"

func versionsOf(version string, info *debug.BuildInfo) versions {
	v := versions{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if v.Version == unreleased && info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Version = info.Main.Version // "go install" knows which it was asked for
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		case "vcs.time":
			v.Time = s.Value
		}
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		switch m.Path {
		case "github.com/moby/buildkit":
			v.BuildKit = m.Version
		case "github.com/docker/buildx":
			v.Buildx = m.Version
		}
	}
	return v
}

// noteCommit takes a commit where none is known.
func (v *versions) noteCommit(commit string) {
	if v.Commit == "" {
		v.Commit, v.Modified = strings.CutSuffix(commit, "-dirty")
	}
}

func (v versions) write(w io.Writer) error {
	commit := cmp.Or(v.Commit, "unknown")
	if v.Modified {
		commit += ", modified"
	}
	if v.Time != "" {
		commit += " (" + v.Time + ")"
	}
	return show.Pairs(w, [][2]string{
		{"stoker", v.Version}, {"commit", commit}, {"go", v.Go + " " + v.Platform},
		{"buildkit", cmp.Or(v.BuildKit, "unknown")}, {"buildx", cmp.Or(v.Buildx, "unknown")},
	})
}
