package lab

import (
	"fmt"
	"os"
	"path/filepath"
)

// Agent says what the standard agent image adds to a base image.
type Agent struct {
	// OwnCacheBytes are written by a RUN step, random and so different for every image, as the
	// dependencies are that an agent installs. The build argument OWN_CACHE_BYTES overrides it.
	OwnCacheBytes int64
	// ContextBytes is the size of the file that is copied from the build context.
	ContextBytes int
	// Syntax is the frontend's image in the Dockerfile's first line ("docker/dockerfile:1.7"), which
	// the builder must be able to pull. Empty: there is no such line.
	Syntax string
}

// agentDockerfile is all but the syntax line.
const agentDockerfile = `ARG BASE_IMAGE
ARG BUILDER_IMAGE

FROM ${BUILDER_IMAGE} AS builder

FROM ${BASE_IMAGE}
ARG OWN_CACHE_BYTES=%d
RUN mkdir -p /opt/agent && %s
COPY --from=builder /agent /agent
COPY agent.txt /opt/agent/agent.txt
WORKDIR /testbed
`

// WriteAgent writes the standard agent Dockerfile and its build context (agent.txt) into dir,
// which is made if it is missing. The Dockerfile takes the build arguments BASE_IMAGE and
// BUILDER_IMAGE; the images that it makes have /opt/agent/own-cache, /opt/agent/agent.txt and
// what MakeBuilder put below /agent.
func WriteAgent(dir string, agent Agent) (dockerfile string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	text := make([]byte, max(1, agent.ContextBytes))
	for i := range text {
		text[i] = 'a'
	}
	if err := os.WriteFile(filepath.Join(dir, "agent.txt"), text, 0o644); err != nil {
		return "", err
	}
	dockerfile = filepath.Join(dir, "Dockerfile")
	text = fmt.Appendf([]byte(syntaxLine(agent.Syntax)), agentDockerfile,
		agent.OwnCacheBytes, writeRandom(`"$OWN_CACHE_BYTES"`, "/opt/agent/own-cache"))
	return dockerfile, os.WriteFile(dockerfile, text, 0o644)
}
