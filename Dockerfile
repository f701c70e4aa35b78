# Stoker with all that a private builder needs: buildkitd, buildctl, runc,
# rootlesskit, CA certificates and git come from BuildKit's own image.
#
# The context has the programs of a release at OS/ARCH/stoker.
ARG BUILDKIT_IMAGE=moby/buildkit:v0.34.2-rootless
FROM ${BUILDKIT_IMAGE}

# A volume that is mounted here belongs to BuildKit's user, and root may use it as
# well: "docker run --user 1000:1000" needs no root.
USER 1000:1000
WORKDIR /var/lib/stoker
VOLUME /var/lib/stoker

USER 0:0
WORKDIR /work
ENV STOKER_STATE_DIR=/var/lib/stoker
# BuildKit's image names a daemon that does not run here.
ENV BUILDKIT_HOST=
ARG TARGETPLATFORM
COPY --chmod=755 ${TARGETPLATFORM}/stoker /usr/bin/stoker
ENTRYPOINT ["stoker"]
