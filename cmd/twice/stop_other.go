//go:build !linux

package main

import (
	"os"
	"syscall"
)

// stop stops this process until somebody sends SIGCONT.
func stop() { _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) }
