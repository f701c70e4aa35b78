// Package lab makes the real parts that tests and the demo run against: BuildKit daemons,
// registries, base images, Dockerfile frontends, a docker.io of its own, the shapes of users' work,
// small real disks, and faults in all of them.
// Everything it starts has an explicit end, and leaves no process, mount or file behind.
package lab
