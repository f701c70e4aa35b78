package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// What was taken away while a run wrote into it is not written on, nor is what has
// come into its place.
func TestRecordThatIsTakenAway(t *testing.T) {
	move := func(t *testing.T, from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name, gone string
		take       func(t *testing.T, dir string)
	}{
		{"the directory is removed", ManifestFile, func(t *testing.T, dir string) { _ = os.RemoveAll(dir) }},
		{"the directory is moved away", ManifestFile, func(t *testing.T, dir string) { move(t, dir, dir+"-old") }},
		{"another run has the directory", ManifestFile, func(t *testing.T, dir string) {
			move(t, dir, dir+"-old")
			begin(t, dir, Refuse, plan("z"))
		}},
		{"a file has the directory's place", ManifestFile, func(t *testing.T, dir string) {
			move(t, dir, dir+"-old")
			_ = os.WriteFile(dir, nil, 0o644)
		}},
		{"the manifest is removed", ManifestFile, func(t *testing.T, dir string) { _ = os.Remove(filepath.Join(dir, ManifestFile)) }},
		{"the manifest is another file", ManifestFile, func(t *testing.T, dir string) {
			_ = os.WriteFile(filepath.Join(dir, "new"), nil, 0o644)
			move(t, filepath.Join(dir, "new"), filepath.Join(dir, ManifestFile))
		}},
		{"the events are removed", EventsFile, func(t *testing.T, dir string) { _ = os.Remove(filepath.Join(dir, EventsFile)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "out")
			l, _ := begin(t, dir, Refuse, plan("a", "b"))
			add(t, l, Built, "a")
			tt.take(t, dir)
			before := tree(t, filepath.Dir(dir))
			lost := map[string]error{}
			if tt.gone == ManifestFile {
				lost["an entry"] = l.Add(Entry{Name: "b", Status: Built})
				_, lost["a log"] = l.CreateLog("b", 1)
				_, lost["the summary"] = l.Finish(Summary{Total: 2})
				lost["the summary for people"] = l.Tell("all")
			} else {
				lost["an event"] = l.Event([]byte("{}"))
			}
			for what, err := range lost {
				var gone *GoneError
				if !errors.As(err, &gone) || gone.Path != filepath.Join(dir, tt.gone) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if after := tree(t, filepath.Dir(dir)); after != before {
				t.Errorf("there was\n%s\nand is\n%s", before, after)
			}
		})
	}
}

// A link that is put in the way of logs during a run is not followed. Logs that were
// removed are made anew.
func TestLogsThatAreReplaced(t *testing.T) {
	for _, tt := range []struct {
		replaced string
		isPlace  bool
	}{{LogsDir, true}, {LogsDir + "/a", false}} {
		t.Run(tt.replaced, func(t *testing.T) {
			top := t.TempDir()
			dir, elsewhere := filepath.Join(top, "out"), filepath.Join(top, "elsewhere")
			l, _ := begin(t, dir, Refuse, plan("a"))
			if err := l.LogsInPlace(); err != nil {
				t.Error(err)
			}
			log, err := l.CreateLog("a", 1)
			if err != nil || log.Name() != filepath.Join(dir, LogsDir, "a", "attempt-1.log") {
				t.Fatalf("%v: %v", log, err)
			}
			_ = log.Close()
			path := filepath.Join(dir, tt.replaced)
			if err := errors.Join(os.RemoveAll(path), os.MkdirAll(filepath.Join(elsewhere, "a"), 0o755), os.Symlink(elsewhere, path)); err != nil {
				t.Fatal(err)
			}
			if err := l.LogsInPlace(); (err != nil) != tt.isPlace {
				t.Errorf("of the logs it says %v", err)
			}
			before := tree(t, top)
			if _, err := l.CreateLog("a", 2); err == nil || errors.As(err, new(*PlaceError)) != tt.isPlace {
				t.Errorf("it says %v", err)
			}
			if after := tree(t, top); after != before {
				t.Errorf("there was\n%s\nand is\n%s", before, after)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			log, err = l.CreateLog("a", 2)
			if err != nil {
				t.Fatal(err)
			}
			_ = log.Close()
		})
	}
}

// tree is all that is in a directory, with what is in the files.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		b.WriteString(path + "\n")
		if err == nil && d.Type().IsRegular() {
			var data []byte
			data, err = os.ReadFile(path)
			b.Write(data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A run writes through no link, and waits for no pipe; the directory may be a link.
func TestWhatIsInTheWay(t *testing.T) {
	link := func(path string) error {
		if err := os.WriteFile(path+"-precious", []byte("precious"), 0o644); err != nil {
			return err
		}
		return os.Symlink(path+"-precious", path)
	}
	dangling := func(path string) error { return os.Symlink(path+"-nowhere", path) }
	linkedDir := func(path string) error {
		return errors.Join(os.Mkdir(path+"-elsewhere", 0o755), os.Symlink(path+"-elsewhere", path))
	}
	pipe := func(path string) error { return syscall.Mkfifo(path, 0o644) }
	device := func(path string) error { return os.Symlink("/dev/null", path) }
	mkdir := func(path string) error { return os.Mkdir(path, 0o755) }
	ways := []struct {
		is  string
		put func(path string) error
	}{
		{"a symbolic link", link}, {"a symbolic link", dangling}, {"a symbolic link", linkedDir}, {"a symbolic link", device},
		{"a named pipe", pipe}, {"a directory", mkdir},
	}
	for _, name := range []string{ManifestFile, EventsFile, RunFile, SummaryFile, MarkdownFile, LockFile, LogsDir} {
		for _, way := range ways {
			if way.is == "a directory" && name == LogsDir {
				continue
			}
			for _, mode := range []Mode{Refuse, Resume, Fresh} {
				dir := t.TempDir()
				path := filepath.Join(dir, name)
				if err := way.put(path); err != nil {
					t.Fatal(err)
				}
				before := tree(t, dir)
				l, _, err := Start(dir, StartOptions{Now: start, Mode: mode, Plan: plan("a")})
				var place *PlaceError
				if !errors.As(err, &place) || place.Path != path || place.Is != way.is {
					t.Errorf("%s is %s: %v, %v", name, way.is, l, err)
				}
				if after := tree(t, dir); after != before {
					t.Errorf("%s is %s: there was\n%s\nand is\n%s", name, way.is, before, after)
				}
			}
		}
	}
	real, dir := t.TempDir(), filepath.Join(t.TempDir(), "out")
	if err := os.Symlink(real, dir); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []Mode{Refuse, Resume} {
		l, _ := begin(t, dir, mode, plan("a"))
		if mode == Refuse {
			add(t, l, Built, "a")
		}
		finish(t, l, 1)
	}
	if got := manifest(t, real); got != "a:built" {
		t.Errorf("through a link: %q", got)
	}
}

// Whoever looks at a run waits for no pipe.
func TestLookWaitsForNoPipe(t *testing.T) {
	for _, name := range []string{ManifestFile, EventsFile, RunFile, SummaryFile, LockFile} {
		dir := t.TempDir()
		l, _ := begin(t, dir, Refuse, plan("a"))
		finish(t, l, 1)
		_ = os.Remove(filepath.Join(dir, name))
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Look(dir)
		if name == EventsFile {
			_, err = OpenEvents(dir)
		}
		if !errors.As(err, new(*PlaceError)) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := BaseImages(dir); (name == ManifestFile || name == EventsFile) && !errors.As(err, new(*PlaceError)) {
			t.Errorf("the base images by %s: %v", name, err)
		}
	}
}

// A record takes no memory for what is of no use in it.
func TestLargeManifest(t *testing.T) {
	const size = 128 << 20
	dir := t.TempDir()
	l, _ := begin(t, dir, Refuse, plan("a"))
	add(t, l, Built, "a")
	finish(t, l, 1)
	blowUp := func() {
		if err := os.Truncate(filepath.Join(dir, ManifestFile), size); err != nil { // with zeros
			t.Fatal(err)
		}
	}
	blowUp()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if r := look(t, dir); names(r.Entries) != "a:built" {
		t.Errorf("seen %v", r.Entries)
	}
	if bases, err := BaseImages(dir); err != nil || len(bases) != 1 {
		t.Errorf("base images %v, %v", bases, err)
	}
	l, _ = begin(t, dir, Fresh, plan("a"))
	add(t, l, Built, "a")
	finish(t, l, 1)
	blowUp()
	if _, resumed := begin(t, dir, Resume, plan("a")); names(resumed.Entries) != "a:built" {
		t.Errorf("resumed %v", resumed)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > size { // of several readings
		t.Errorf("%d MiB were allocated", took>>20)
	}
}
