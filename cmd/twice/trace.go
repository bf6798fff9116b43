package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/twice-data/twice/engine"
)

// trace watches statements on their way to the target. Two variables of the environment, which "twice prove" and the
// crash tests set, steer it:
//
//	TWICE_TRACE=FILE       append a line for each point: "before 12 delete"
//	TWICE_CRASH_AT=WHERE   kill this process with SIGKILL there: "before:12", "after:12"
//	TWICE_STOP_AT=WHERE    stop this process with SIGSTOP there, until somebody sends SIGCONT
type trace struct {
	mu          sync.Mutex
	out         io.Writer // may be nil
	crash, stop string
}

func newTrace(env func(string) (string, bool)) (*trace, error) {
	t := new(trace)
	var err error
	if path, ok := env("TWICE_TRACE"); ok && path != "" {
		if t.out, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
			return nil, err
		}
	}
	if t.crash, err = where(env, "TWICE_CRASH_AT"); err != nil {
		return nil, err
	}
	if t.stop, err = where(env, "TWICE_STOP_AT"); err != nil {
		return nil, err
	}
	if t.out == nil && t.crash == "" && t.stop == "" {
		return nil, nil
	}
	return t, nil
}

func where(env func(string) (string, bool), name string) (string, error) {
	v, ok := env(name)
	if !ok || v == "" {
		return "", nil
	}
	side, n, _ := strings.Cut(v, ":")
	if _, err := strconv.Atoi(n); err != nil || (side != "before" && side != "after") {
		return "", usage("%s is %q; it must be before:N or after:N, N the number of a statement", name, v)
	}
	return v, nil
}

func (t *trace) at(p engine.Point) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.out != nil {
		fmt.Fprintln(t.out, p)
	}
	side := "before"
	if p.After {
		side = "after"
	}
	switch fmt.Sprintf("%s:%d", side, p.N) {
	case t.crash:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way; nothing more may happen
	case t.stop:
		stop()
	}
	return nil
}
