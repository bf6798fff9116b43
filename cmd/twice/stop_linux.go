package main

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// stop stops this process until somebody sends SIGCONT. The signal goes to the calling thread, which therefore does not
// get a step further: one to the whole process may be taken by another thread a moment later.
func stop() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGSTOP)
}
