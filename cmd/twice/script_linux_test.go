package main

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

func init() {
	commands["stopped"] = func(ts *script, _ bool, _ []string) { stopped(ts) }
	commands["wake"] = func(ts *script, _ bool, _ []string) { ts.Check(holder(ts).Signal(syscall.SIGCONT)) }
	commands["small"] = func(ts *script, _ bool, args []string) { small(ts, ts.MkAbs(args[0])) }
	commands["grow"] = func(ts *script, _ bool, args []string) {
		ts.Check(unix.Mount("", ts.MkAbs(args[0]), "", unix.MS_REMOUNT, "size=64m"))
	}
	commands["seal"] = func(ts *script, _ bool, args []string) {
		ts.Check(unix.Mount("", ts.MkAbs(args[0]), "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	}
}

// holder is the program that was put into the background first.
func holder(ts *script) *os.Process {
	started := ts.BackgroundCmds()
	if len(started) == 0 {
		ts.Fatalf("no program runs in the background")
	}
	return started[0].Process
}

// stopped waits until the program in the background has stopped itself, puts its PID into $PID and sees to it that it
// does not outlive the script.
func stopped(ts *script) {
	p := holder(ts)
	ts.Defer(func() { _ = p.Kill() })
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, p.Pid, &info, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			ts.Check(err)
			break
		}
	}
	const stoppedBySignal = 5 // CLD_STOPPED
	if info.Code != stoppedBySignal {
		ts.Fatalf("the program in the background ended instead of stopping")
	}
	ts.Setenv("PID", strconv.Itoa(p.Pid))
}

// small mounts a file system of a few megabytes on dir, for as long as the script runs.
func small(ts *script, dir string) {
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(unix.Mount("tmpfs", dir, "tmpfs", 0, "size=6m"))
	ts.Defer(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}

// canMount says whether this process may mount a file system. In continuous integration as root it has to.
func canMount() bool {
	if os.Geteuid() != 0 {
		return false
	}
	if os.Getenv("CI") == "true" {
		return true
	}
	dir, err := os.MkdirTemp("", "twice-mount-")
	if err != nil {
		return false
	}
	defer os.Remove(dir)
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		return false
	}
	return unix.Unmount(dir, 0) == nil
}
