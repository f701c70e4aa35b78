package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
)

// TasksFile is where WriteTasks lists the tasks, a line of JSON for each.
const TasksFile = "tasks.jsonl"

// The steps of a public benchmark's 612 task files, all on one base image: 23 of 30 lines alike in
// all of them, 3 lines in 33 variants, the rest different in each.
const (
	commonRuns      = 22
	defaultVariants = 33
)

// Tasks say what a directory of tasks is made of: a Dockerfile and a context for each, all on one
// base image. They begin with the same steps, go on with those of one of some variants, and end
// with steps of their own. The RUN steps of variants differ in their environment alone, not in
// their text. Whatever a RUN step writes is random.
type Tasks struct {
	Count int
	// Base is the reference of the base image.
	Base string
	// Syntax is the frontend's image in each Dockerfile's first line; empty: there is no such line.
	Syntax string
	// Variants is how many there are; 0 stands for 33.
	Variants int

	// CommonBytes are written by the steps that all tasks have, VariantBytes by those of each
	// variant, TailBytes by each task's own. There are some bytes more, so that no layer is empty.
	CommonBytes, VariantBytes, TailBytes int64

	// Tally, if set, counts the RUN steps by their names as they begin.
	Tally *Tally
}

// Task is one of the directories that WriteTasks makes.
type Task struct {
	ID string `json:"id"` // "task-7"
	// Dir is the context, with its Dockerfile, from the directory of all tasks: "tasks/task-7".
	Dir  string `json:"dir"`
	Base string `json:"base"`
	// Runs are the names of the task's RUN steps in their order: "common/1", "variant/7/1",
	// "task-7". A step that tasks share has the same name in each.
	Runs []string `json:"-"`
}

// WriteTasks writes the tasks into a directory, which is made if it is missing: tasks/ID/Dockerfile
// with its context for each, and tasks.jsonl with a task's id, dir and base on each line.
func WriteTasks(dir string, tasks Tasks) ([]Task, error) {
	var rows bytes.Buffer
	lines := json.NewEncoder(&rows)
	var written []Task
	for i := range tasks.Count {
		id := fmt.Sprintf("task-%d", i)
		task := Task{ID: id, Dir: filepath.Join("tasks", id), Base: tasks.Base}
		file := tasks.dockerfile(&task, i)
		err := writeFiles(filepath.Join(dir, task.Dir), map[string]string{
			"Dockerfile": file.text(tasks.Syntax),
			"seed.txt":   id + "\n",
		})
		if err != nil {
			return nil, err
		}
		task.Runs = file.runs
		written = append(written, task)
		if err := lines.Encode(task); err != nil {
			return nil, err
		}
	}
	return written, writeFiles(dir, map[string]string{TasksFile: rows.String()})
}

func (t *Tasks) dockerfile(task *Task, i int) *dockerfile {
	variants := t.Variants
	if variants == 0 {
		variants = defaultVariants
	}
	variant := i % variants
	d := &dockerfile{tally: t.Tally}
	d.line("FROM %s", t.Base)
	d.line("ENV TZ=Etc/UTC")
	for n := range commonRuns {
		name := fmt.Sprintf("common/%d", n+1)
		d.run(name, name, "mkdir -p /common && "+writeRandom(least+part(t.CommonBytes, commonRuns, n), "/"+name))
	}
	d.line("ENV NODE_VERSION=%d", variant)
	d.run(fmt.Sprintf("variant/%d/1", variant), "variant/$NODE_VERSION/1",
		"mkdir -p /node && "+writeRandom(least+t.VariantBytes, "/node/$NODE_VERSION"))
	d.run(fmt.Sprintf("variant/%d/2", variant), "variant/$NODE_VERSION/2",
		"echo $NODE_VERSION > /node/version && "+writeRandom(least, "/node/key"))
	d.line("COPY seed.txt /task/seed.txt")
	d.run(task.ID, task.ID, writeRandom(least+t.TailBytes, "/task/repository"))
	d.line("WORKDIR /task")
	return d
}
