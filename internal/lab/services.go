package lab

import (
	"encoding/json"
	"fmt"
	"path/filepath"
)

// BakeFile is where WriteServices puts its bake file.
const BakeFile = "docker-bake.json"

// Services say what a repository of many services is made of: a Dockerfile and a context for each,
// all on one base image and with the same first RUN step, and a bake file with a target for each.
type Services struct {
	Count int
	// Base is the reference of the base image.
	Base string
	// Syntax is the frontend's image in each Dockerfile's first line; empty: there is no such line.
	Syntax string
	// Repo is what the tags begin with: service 3's is REPO/service-3:latest.
	Repo string

	// SharedBytes are written by the step that all services have, OwnBytes by each one's own.
	SharedBytes, OwnBytes int64

	// Tally, if set, counts the RUN steps by their names as they begin.
	Tally *Tally
}

// Service is one target of the bake file.
type Service struct {
	Name string // of the target: "service-3"
	Dir  string // the context, with its Dockerfile, from the bake file's directory
	Tag  string
	// Runs are the names of its RUN steps in their order: "shared", "service-3".
	Runs []string
}

// bakeFile is the bake file's content, in the terms of buildx.
type bakeFile struct {
	Group  map[string]bakeGroup  `json:"group"`
	Target map[string]bakeTarget `json:"target"`
}

type bakeGroup struct {
	Targets []string `json:"targets"`
}

type bakeTarget struct {
	Context string   `json:"context"`
	Tags    []string `json:"tags"`
}

// WriteServices writes the services into a directory, which is made if it is missing, with
// docker-bake.json, whose default group is all of them. bake finds the contexts from the directory
// that it is run in.
func WriteServices(dir string, services Services) ([]Service, error) {
	bake := bakeFile{Group: map[string]bakeGroup{}, Target: map[string]bakeTarget{}}
	var written []Service
	var targets []string
	for i := range services.Count {
		name := fmt.Sprintf("service-%d", i)
		file := services.dockerfile(name)
		s := Service{
			Name: name,
			Dir:  filepath.Join("services", name),
			Tag:  services.Repo + "/" + name + ":latest",
			Runs: file.runs,
		}
		err := writeFiles(filepath.Join(dir, s.Dir), map[string]string{
			"Dockerfile": file.text(services.Syntax),
			"main.txt":   name + "\n",
		})
		if err != nil {
			return nil, err
		}
		bake.Target[name] = bakeTarget{Context: s.Dir, Tags: []string{s.Tag}}
		targets = append(targets, name)
		written = append(written, s)
	}
	bake.Group["default"] = bakeGroup{Targets: targets}
	text, err := json.MarshalIndent(bake, "", "  ")
	if err != nil {
		return nil, err
	}
	return written, writeFiles(dir, map[string]string{BakeFile: string(text) + "\n"})
}

func (s *Services) dockerfile(name string) *dockerfile {
	d := &dockerfile{tally: s.Tally}
	d.line("FROM %s", s.Base)
	d.run("shared", "shared", writeRandom(least+s.SharedBytes, "/usr/lib/shared"))
	d.line("WORKDIR /service")
	d.line("COPY main.txt .")
	d.run(name, name, writeRandom(least+s.OwnBytes, "program"))
	d.line(`CMD ["/service/program"]`)
	return d
}
