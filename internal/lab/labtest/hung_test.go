package labtest

import (
	"slices"
	"strings"
	"testing"
)

// Of all goroutines of a process only those are told that stand in the project's code, alike ones
// once, and those of the test that hangs last.
func TestStanding(t *testing.T) {
	const dump = `goroutine 9 [select, 9 minutes]:
github.com/stoker-build/stoker/internal/cli.waits({0x1, 0x2})
	github.com/stoker-build/stoker/internal/cli/build.go:10 +0x1
github.com/stoker-build/stoker/internal/cli.TestMade.func1(0xc0000)
	github.com/stoker-build/stoker/internal/cli/build_test.go:20 +0x1
created by testing.(*T).Run in goroutine 1
	testing/testing.go:1 +0x1

goroutine 10 [chan receive]:
github.com/docker/go-events.(*Broadcaster).run(0x1)
	github.com/docker/go-events@v0.1.0/broadcast.go:1 +0x1

goroutine 11 [IO wait]:
net.(*conn).Read(0x1)
	net/net.go:1 +0x1
github.com/stoker-build/stoker/internal/registry.(*Client).get(...)
	github.com/stoker-build/stoker/internal/registry/get.go:1 +0x1
created by github.com/stoker-build/stoker/internal/run.Run in goroutine 9
	github.com/stoker-build/stoker/internal/run/run.go:1 +0x1

goroutine 12 [IO wait]:
github.com/stoker-build/stoker/internal/registry.(*Client).get(...)
	github.com/stoker-build/stoker/internal/registry/get.go:1 +0x1
created by github.com/stoker-build/stoker/internal/run.Run in goroutine 9
	github.com/stoker-build/stoker/internal/run/run.go:1 +0x1
`
	want := []string{
		"2 goroutines [IO wait] registry.(*Client).get < run.Run",
		"1 goroutine [select, 9 minutes] cli.waits < cli.TestMade.func1",
	}
	if got := standing(dump, "TestMade/one"); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
