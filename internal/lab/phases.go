package lab

// Phases say what three-phase builds are made of: an image of the tools (builder), an image of the
// base with its packages (base-image-minimal), and a thin image of both (source-minimal).
type Phases struct {
	// Syntax is the frontend's image in the Dockerfile's first line; empty: there is no such line.
	Syntax string
	// ToolBytes are written by the builder's RUN step, PackageBytes by the one on the base image.
	ToolBytes, PackageBytes int64
	// Tally, if set, counts these steps as they begin, as "tools" and "packages".
	Tally *Tally
}

// The Dockerfiles that WritePhases writes.
const (
	// PhasesDockerfile has all three phases as stages. Its build arguments are BASE_IMAGE
	// (debian:12), USERNAME, UID, PORT and GIT_SHA.
	PhasesDockerfile = "Dockerfile"
	// AssemblyDockerfile is the third phase by itself, from the images of the first two: its build
	// arguments are BUILDER_IMAGE, BASE_IMAGE, USERNAME and GIT_SHA. The owner of what it copies is
	// given by name, so that its build reads the base image.
	AssemblyDockerfile = "Dockerfile.assembly"
)

// PhasesImages are the images that the phases stand on by their public references, apart from those
// that are given as build arguments: push them to a mirror of docker.io and ghcr.io.
func PhasesImages() []Image {
	return []Image{
		{Name: "python:3.13-bookworm", LayerBytes: []int64{1 << 20, 1 << 20}},
		{Name: "debian:12", LayerBytes: []int64{1 << 20}},
		{Name: "ghcr.io/example/uv:0.11", Files: map[string]string{"/uv": "#!/bin/sh\necho uv\n"}},
	}
}

// WritePhases writes the Dockerfiles and their context into a directory, which is made if it is
// missing.
func WritePhases(dir string, phases Phases) error {
	return writeFiles(dir, map[string]string{
		PhasesDockerfile:   phases.dockerfile().text(phases.Syntax),
		AssemblyDockerfile: syntaxLine(phases.Syntax) + assembly,
		"src/main.py":      "print(\"agent\")\n",
	})
}

func (p *Phases) dockerfile() *dockerfile {
	d := &dockerfile{tally: p.Tally}
	d.line(`ARG BASE_IMAGE=debian:12
ARG USERNAME=agent
ARG UID=10001
ARG PORT=8000

FROM python:3.13-bookworm AS builder
ARG USERNAME UID
COPY --from=ghcr.io/example/uv:0.11 /uv /bin/uv`)
	d.run("tools", "tools", "mkdir -p /agent-server && "+writeRandom(least+p.ToolBytes, "/agent-server/runtime"))
	d.line(`WORKDIR /agent-server
COPY --chown=${UID}:${UID} src ./src
RUN --mount=type=cache,target=/root/.cache cp -r src lib

FROM ${BASE_IMAGE} AS base-image-minimal
ARG USERNAME UID
ARG GIT_SHA=unknown
ENV GIT_SHA=${GIT_SHA}`)
	d.run("packages", "packages", `set -eu; \
    grep -q "^${USERNAME}:" /etc/passwd || echo "${USERNAME}:x:${UID}:${UID}::/home/${USERNAME}:/bin/sh" >> /etc/passwd; \
    grep -q "^${USERNAME}:" /etc/group || echo "${USERNAME}:x:${UID}:" >> /etc/group; \
    `+writeRandom(least+p.PackageBytes, "/var/packages"))
	d.line(`USER ${USERNAME}
WORKDIR /

FROM base-image-minimal AS source-minimal
ARG USERNAME
COPY --chown=${USERNAME}:${USERNAME} --from=builder /agent-server /agent-server
ENTRYPOINT ["/agent-server/runtime"]`)
	return d
}

const assembly = `ARG BUILDER_IMAGE
ARG BASE_IMAGE
FROM ${BUILDER_IMAGE} AS builder
FROM ${BASE_IMAGE}
ARG USERNAME=agent
ARG GIT_SHA=unknown
ENV GIT_SHA=${GIT_SHA}
COPY --chown=${USERNAME}:${USERNAME} --from=builder /agent-server /agent-server
ENTRYPOINT ["/agent-server/runtime"]
`
