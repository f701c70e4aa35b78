package lab

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// JumpClock sets the wall clock of one running process forward by d, or back where d is negative,
// in whole seconds; jumps add up. Its monotonic clock goes on as before, as when an administrator
// or a time server sets the clock of a machine. Nothing else on the machine sees the jump, nor do
// programs that the process starts, so there is nothing to restore.
//
// The process must be one that asks the kernel's vDSO for the time with clock_gettime, as every Go
// program does, on amd64: that function is replaced in its memory by one that adds the jump.
func JumpClock(pid int, d time.Duration) error {
	if runtime.GOARCH != "amd64" {
		return fmt.Errorf("jump clock: not made for %s", runtime.GOARCH)
	}
	if err := jumpClock(pid, int64(d/time.Second)); err != nil {
		return fmt.Errorf("jump clock of process %d: %w", pid, err)
	}
	return nil
}

// JumpClock sets the daemon's wall clock forward by d, or back where d is negative; see the
// function JumpClock. A restart ends it.
func (d *Buildkitd) JumpClock(by time.Duration) error { return JumpClock(d.proc.cmd.Process.Pid, by) }

func jumpClock(pid int, seconds int64) error {
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer memory.Close()
	v, err := findVDSO(pid, memory)
	if err != nil {
		return err
	}
	stub := newClockStub(v)
	if !v.has(stub.entry, stub.jump) {
		if err := stub.install(pid, memory, v); err != nil {
			return err
		}
	}
	var jumped [8]byte
	if _, err := memory.ReadAt(jumped[:], v.start+stub.seconds); err != nil {
		return err
	}
	sum := int64(binary.LittleEndian.Uint64(jumped[:])) + seconds
	binary.LittleEndian.PutUint64(jumped[:], uint64(sum))
	_, err = memory.WriteAt(jumped[:], v.start+stub.seconds)
	return err
}

// vdso is the library that the kernel maps into a process.
type vdso struct {
	start        int64
	image        []byte
	clockGettime int64 // where that function begins, as are all places below: counted from start
	end          int64 // of what is in use; zeros follow
}

func findVDSO(pid int, memory *os.File) (vdso, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return vdso{}, err
	}
	for line := range strings.Lines(string(maps)) {
		if !strings.Contains(line, "[vdso]") {
			continue
		}
		var start, end int64
		if _, err := fmt.Sscanf(line, "%x-%x", &start, &end); err != nil {
			return vdso{}, err
		}
		v := vdso{start: start, image: make([]byte, end-start)}
		if _, err := memory.ReadAt(v.image, start); err != nil {
			return vdso{}, err
		}
		return v, v.parse()
	}
	return vdso{}, errors.New("it has no vDSO")
}

func (v *vdso) parse() error {
	file, err := elf.NewFile(bytes.NewReader(v.image))
	if err != nil {
		return err
	}
	// The section table is the last part of the image.
	table := binary.LittleEndian.Uint64(v.image[0x28:])
	v.end = int64(table) + int64(len(file.Sections))*64
	symbols, err := file.DynamicSymbols()
	if err != nil {
		return err
	}
	for _, s := range symbols {
		if s.Name == "__vdso_clock_gettime" {
			v.clockGettime = int64(s.Value)
			return nil
		}
	}
	return errors.New("its vDSO has no clock_gettime")
}

func (v *vdso) has(at int64, code []byte) bool { return bytes.HasPrefix(v.image[at:], code) }

// clockStub is the code that stands for clock_gettime.
type clockStub struct {
	entry   int64  // where the old function begins
	jump    []byte // put there: a jump to the new one
	code    []byte // the new function
	at      int64  // where it is put
	seconds int64  // where it finds the seconds to add
}

func newClockStub(v vdso) clockStub {
	const align = 16
	s := clockStub{entry: v.clockGettime}
	s.seconds = (v.end + align - 1) / align * align
	s.at = s.seconds + align
	s.code = []byte{
		0xb8, 228, 0, 0, 0, // mov eax, SYS_clock_gettime
		0x0f, 0x05, // syscall
		0x85, 0xc0, // test eax, eax
		0x75, 14, // jnz to ret
		0x85, 0xff, // test edi, edi: is it CLOCK_REALTIME?
		0x75, 10, // jnz to ret
		0x48, 0x8b, 0x0d, 0, 0, 0, 0, // mov rcx, [seconds]
		0x48, 0x01, 0x0e, // add [rsi], rcx
		0xc3, // ret
	}
	const afterLoad = 22 // the place is relative to the next instruction
	binary.LittleEndian.PutUint32(s.code[afterLoad-4:], uint32(int32(s.seconds-s.at-afterLoad)))
	s.jump = []byte{0xe9, 0, 0, 0, 0}
	binary.LittleEndian.PutUint32(s.jump[1:], uint32(int32(s.at-s.entry-int64(len(s.jump)))))
	return s
}

// install puts the code in place while the process stands still.
func (s clockStub) install(pid int, memory *os.File, v vdso) error {
	if s.at+int64(len(s.code)) > int64(len(v.image)) {
		return errors.New("its vDSO has no room for more code")
	}
	if _, err := memory.WriteAt(s.code, v.start+s.at); err != nil {
		return err
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	// A thread that stands within the bytes that are replaced must go on first.
	within := func(pc int64) bool { return pc > v.start+s.entry && pc < v.start+s.entry+int64(len(s.jump)) }
	for range 100 {
		if err := process.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
		clear, err := stoppedOutside(pid, within)
		if err == nil && clear {
			_, err = memory.WriteAt(s.jump, v.start+s.entry)
		}
		if err = errors.Join(err, process.Signal(syscall.SIGCONT)); err != nil || clear {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return errors.New("it is always asking for the time")
}

// stoppedOutside waits until all threads of a process are stopped, and tells whether none of them
// stands within a piece of code.
func stoppedOutside(pid int, within func(pc int64) bool) (bool, error) {
	for range 1000 {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*", pid))
		if err != nil {
			return false, err
		}
		stopped, clear := true, true
		for _, thread := range threads {
			at, err := os.ReadFile(filepath.Join(thread, "syscall"))
			if errors.Is(err, os.ErrNotExist) {
				continue // it has just ended
			}
			if err != nil {
				return false, err
			}
			fields := strings.Fields(string(at)) // the last one is where it stands
			pc, err := strconv.ParseInt(fields[len(fields)-1], 0, 64)
			stopped = stopped && err == nil && isStopped(thread)
			clear = clear && !within(pc)
		}
		if stopped {
			return clear, nil
		}
		time.Sleep(time.Millisecond)
	}
	return false, errors.New("it does not stop")
}

// isStopped tells whether a thread is stopped by a signal.
func isStopped(thread string) bool {
	stat, err := os.ReadFile(filepath.Join(thread, "stat"))
	if err != nil {
		return false
	}
	// The state follows the name, which is in parentheses and may hold anything.
	_, after, _ := bytes.Cut(stat[max(0, bytes.LastIndexByte(stat, ')')):], []byte(") "))
	return bytes.HasPrefix(after, []byte("T"))
}
