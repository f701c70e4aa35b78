package trace

import "fmt"

// thread is where an event stands: a process and a thread of the viewer.
type thread struct {
	PID int `json:"pid"`
	TID int `json:"tid"`
}

// Threads of a process that is a node.
const (
	sweeperThread = 1
	firstWorker   = 2
)

// threads gives nodes and workers their places in a file, and names them.
type threads struct {
	file  *file
	label string
	last  int // process
	own   int // process of the run
	nodes map[string]int
	named map[thread]bool
}

// another are those of another run in the same file.
func (t *threads) another(f *file, label string) *threads {
	if t == nil {
		return &threads{file: f, label: label, nodes: map[string]int{}, named: map[thread]bool{}}
	}
	return &threads{file: f, label: label, last: t.last, nodes: map[string]int{}, named: t.named}
}

// process makes a process.
func (t *threads) process(name string) int {
	t.last++
	if t.label != "" {
		name = t.label + ": " + name
	}
	on := thread{PID: t.last}
	t.file.write(event{Name: "process_name", Ph: metadata, thread: on, Args: map[string]any{"name": text(name)}})
	t.file.write(event{Name: "process_sort_index", Ph: metadata, thread: on, Args: map[string]any{"sort_index": t.last}})
	return t.last
}

func (t *threads) name(on thread, name string) thread {
	if !t.named[on] {
		t.named[on] = true
		t.file.write(event{Name: "thread_name", Ph: metadata, thread: on, Args: map[string]any{"name": name}})
		t.file.write(event{Name: "thread_sort_index", Ph: metadata, thread: on, Args: map[string]any{"sort_index": on.TID}})
	}
	return on
}

func (t *threads) ofRun() int {
	if t.own == 0 {
		t.own = t.process("run")
	}
	return t.own
}

func (t *threads) run() thread { return t.name(thread{t.ofRun(), 1}, "run") }

// unworked is where jobs are that no worker had.
func (t *threads) unworked() thread {
	return t.name(thread{t.ofRun(), 2}, "ended without a worker")
}

func (t *threads) node(name string) thread {
	if t.nodes[name] == 0 {
		shown := "node " + name
		if name == "" {
			shown = "several nodes"
		}
		t.nodes[name] = t.process(shown)
	}
	return thread{PID: t.nodes[name]}
}

func (t *threads) sweeper(node string) thread {
	return t.name(thread{t.node(node).PID, sweeperThread}, "sweeper")
}

func (t *threads) worker(node string, lane int) thread {
	return t.name(thread{t.node(node).PID, firstWorker + lane}, fmt.Sprintf("worker %d", lane+1))
}
