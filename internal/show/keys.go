package show

import (
	"context"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	uv "github.com/charmbracelet/ultraviolet"
)

// keys are those that a person presses. The terminal gives them one by one and does not echo
// them; all else of its modes stays, so that Ctrl-C and Ctrl-S do what they always do.
type keys struct {
	in       *os.File
	closed   atomic.Bool
	stop     context.CancelFunc
	stopping context.Context //nolint:containedctx // of a reader that is an object

	mu   sync.Mutex // guards the terminal's modes
	back func()     // puts them back as they were found
}

// keyWait is how long the terminal is waited for before it is looked whether keys are still wanted.
const keyWait = 200 * time.Millisecond

// takeKeys begins to take keys from a terminal; nil where that cannot be, or where this program is
// not in its foreground: then the keys are somebody else's.
func takeKeys(in *os.File) *keys {
	if in == nil || !IsTerminal(in) || !inForeground(in) {
		return nil
	}
	back, err := oneByOne(in)
	if err != nil {
		return nil
	}
	k := &keys{in: in, back: back}
	k.stopping, k.stop = context.WithCancel(context.Background())
	taken.Store(k)
	return k
}

// taken are the keys that this program takes: it has one terminal.
var taken atomic.Pointer[keys]

// GiveBack leaves the terminal's modes as they were found, if the live view has changed them: for
// a program that leaves at once.
func GiveBack() { taken.Load().giveBack() }

// giveBack leaves the terminal as it was found.
func (k *keys) giveBack() {
	if k == nil || k.closed.Swap(true) {
		return
	}
	k.stop()
	k.mu.Lock()
	defer k.mu.Unlock()
	if inForeground(k.in) { // else whoever is has set its own modes
		k.back()
	}
}

// tell tells each key until the terminal is given back.
func (k *keys) tell(press func(key string)) {
	events := make(chan uv.Event)
	go func() {
		defer close(events)
		_ = uv.NewTerminalReader(k, os.Getenv("TERM")).StreamEvents(k.stopping, events)
	}()
	for {
		select {
		case e, more := <-events:
			if !more {
				return
			}
			if key, is := e.(uv.KeyPressEvent); is {
				press(keyName(key))
			}
		case <-k.stopping.Done():
			return
		}
	}
}

// keyName is a key as browser knows it. The terminal turns Enter into a line's end, which is
// Ctrl-J too.
func keyName(key uv.KeyPressEvent) string {
	if name := key.String(); name != "ctrl+j" {
		return name
	}
	return "enter"
}

// lend leaves the terminal as it was found until the keys are taken again.
func (k *keys) lend() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed.Load() && inForeground(k.in) {
		k.back()
	}
}

// again sets the modes after the program was stopped, which a shell has set otherwise.
func (k *keys) again() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed.Load() && inForeground(k.in) {
		_, _ = oneByOne(k.in)
	}
}

// Read implements io.Reader. It reads only what is there, and only for a program in the
// foreground: another would be stopped for it.
func (k *keys) Read(p []byte) (int, error) {
	for !k.closed.Load() {
		if !inForeground(k.in) {
			time.Sleep(keyWait) // what is there is somebody else's, who may take it at any moment
			continue
		}
		there, err := readable(k.in, keyWait)
		switch {
		case err != nil:
			return 0, err
		case there && inForeground(k.in):
			return k.in.Read(p)
		}
	}
	return 0, io.EOF
}
