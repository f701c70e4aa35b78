package process

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// group is a job object, with the number of its first process. Where no job object
// can be had it is 0, and nothing is known of what the program starts.
type group struct {
	first int
	job   windows.Handle
}

func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

// gather puts a process into a job object, and with it what it starts from then on.
func gather(first int) group {
	g := group{first: first}
	process, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(first))
	if err != nil {
		return g
	}
	defer windows.CloseHandle(process)
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return g
	}
	if windows.AssignProcessToJobObject(job, process) != nil {
		_ = windows.CloseHandle(job)
		return g
	}
	g.job = job
	return g
}

// ask sends Ctrl-Break, which reaches those that share this console.
func (g group) ask() { _ = windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(g.first)) }

// accounting is JOBOBJECT_BASIC_ACCOUNTING_INFORMATION.
type accounting struct {
	times                              [4]int64
	pageFaults, total, active, stopped uint32
}

// left tells whether a process is in the group.
func (g group) left() bool {
	if g.job == 0 {
		return false
	}
	var a accounting
	err := windows.QueryInformationJobObject(g.job, windows.JobObjectBasicAccountingInformation,
		uintptr(unsafe.Pointer(&a)), uint32(unsafe.Sizeof(a)), nil)
	return err == nil && a.active > 0
}

func (g group) kill() {
	if g.job != 0 {
		_ = windows.TerminateJobObject(g.job, 1)
	}
}

func (g group) release() {
	if g.job != 0 {
		_ = windows.CloseHandle(g.job)
	}
}
