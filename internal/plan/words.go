package plan

import "fmt"

// words are what messages call what a person has written: flags, or attributes of the
// targets of a bake file.
type words struct {
	context, file, target, tag string
	// fileHint says how a Dockerfile is named, argHint how a build argument is given, and
	// outputHint how it is said where images go.
	fileHint, argHint, outputHint string
}

// fileFlag is how messages call the flag of the Dockerfile.
const fileFlag = "-f"

// InlineDockerfile is the name of a Dockerfile that stands in a bake file.
const InlineDockerfile = "dockerfile-inline"

// What the attributes of targets are called that say what a build writes.
const (
	tagsAttribute    = "tags"
	outputAttribute  = "output"
	cacheToAttribute = "cache-to"
)

var flagWords = words{
	context: "PATH", file: fileFlag, target: "--target", tag: tagFlag,
	fileHint: "name it with -f; the default is PATH/Dockerfile",
	argHint:  "give the argument with --build-arg, or with --base and --base-arg",
	outputHint: "add --push to push each under its tags, --load to load them into docker, or -o for files, such as -o 'type=oci,dest=images/{{.Name}}.tar';\n" +
		"-o type=cacheonly builds into the cache and nowhere else",
}

var targetWords = words{
	context: "context", file: "dockerfile", target: "its target", tag: tagsAttribute,
	fileHint: "it is looked for in the target's context, as by docker buildx bake: name it with dockerfile",
	argHint:  "give the argument with args",
	outputHint: `add --push to push each under its tags, --load to load them into docker, or output to the targets, such as output = ["type=oci,dest=image.tar"];` + "\n" +
		`output = ["type=cacheonly"] builds into the cache and nowhere else`,
}

// NoSecret says that a job is not given a secret that a step requires, and how it is.
func (j *Job) NoSecret(id string) (text, hint string) {
	text = fmt.Sprintf("a step requires the secret %q, and no ", id)
	if j.isTarget() {
		return text + "secret of the target " + j.Name + " has that id", fmt.Sprintf("give it with secret = [\"id=%s,src=FILE\"] in the bake file, or with --set '%s.secret+=id=%[1]s,src=FILE'", id, j.Name)
	}
	return text + "--secret has that id", fmt.Sprintf("give it, such as with --secret id=%s,src=FILE", id)
}

// NoKeys says the same of SSH keys.
func (j *Job) NoKeys(id string) (text, hint string) {
	text = fmt.Sprintf("a step requires SSH keys %q, and no ", id)
	if j.isTarget() {
		return text + "ssh of the target " + j.Name + " has that id", fmt.Sprintf("give them with ssh = [%q] in the bake file, or with --set '%s.ssh+=%[1]s'", id, j.Name)
	}
	return text + "--ssh has that id", "give them with --ssh " + id
}

// isTarget tells whether a job is made of a target of a bake file.
func (j *Job) isTarget() bool { return j.Source.words == targetWords }
