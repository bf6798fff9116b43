package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMain lets the test binary be the program itself, so that tests can start real processes of it and kill them.
func TestMain(m *testing.M) {
	if os.Getenv("TWICE_TEST_AS_PROGRAM") == "1" {
		main()
		return
	}
	// A program that is built with the race detector waits a second before it exits, so that late reports come out. Here
	// thousands of them are started.
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	os.Exit(m.Run())
}

// world is a project in a folder and the environment in which its processes run.
type world struct {
	*testing.T
	dir string
	env []string
}

// newWorld makes a project of files, by path.
func newWorld(t *testing.T, files map[string]string) *world {
	w := &world{T: t, dir: t.TempDir()}
	w.write("twice.yml", "project: test\ndefault_target: dev\ntargets:\n  dev: {engine: duckdb, path: target.duckdb}\n")
	for path, text := range files {
		w.write(path, text)
	}
	return w
}

func (w *world) write(path, text string) {
	w.Helper()
	full := filepath.Join(w.dir, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		w.Fatal(err)
	}
}

// command prepares a process of the program in the project's folder.
func (w *world) command(args ...string) *exec.Cmd {
	w.Helper()
	self, err := os.Executable()
	if err != nil {
		w.Fatal(err)
	}
	c := exec.Command(self, args...)
	c.Dir = w.dir
	c.Env = append(append(os.Environ(), "TWICE_TEST_AS_PROGRAM=1"), w.env...)
	return c
}

// result is how a process ended.
type result struct {
	code           int // -1: killed
	stdout, stderr string
}

func (w *world) run(args ...string) result {
	w.Helper()
	return w.runWith(nil, args...)
}

func (w *world) runWith(env []string, args ...string) result {
	w.Helper()
	c := w.command(args...)
	c.Env = append(c.Env, env...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		w.Fatal(err)
	}
	return result{c.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// must runs the program and expects it to exit with 0.
func (w *world) must(args ...string) result {
	w.Helper()
	r := w.run(args...)
	if r.code != 0 {
		w.Fatalf("twice %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r
}

// killed runs the program with a crash at a point and says whether it got there.
func (w *world) killed(at string, args ...string) bool {
	w.Helper()
	c := w.command(args...)
	c.Env = append(c.Env, "TWICE_CRASH_AT="+at)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	if err == nil {
		return false
	}
	if status, ok := c.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
		return true
	}
	w.Fatalf("killed at %s: %v\n%s", at, err, out.String())
	return false
}

// fingerprint is a table's fingerprint and number of rows.
func (w *world) fingerprint(table string) string {
	w.Helper()
	var fp struct {
		Rows        int64
		Fingerprint string
	}
	if err := json.Unmarshal([]byte(w.must("fingerprint", table, "--json").stdout), &fp); err != nil {
		w.Fatal(err)
	}
	return fmt.Sprintf("%d rows %s", fp.Rows, fp.Fingerprint)
}

// trace runs the program and lists the points that it passed.
func (w *world) trace(args ...string) []string {
	w.Helper()
	file := filepath.Join(w.TempDir(), "trace")
	r := w.runWith([]string{"TWICE_TRACE=" + file}, args...)
	if r.code != 0 {
		w.Fatalf("traced run: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		w.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

// reset removes the target, so that the next run starts from nothing.
func (w *world) reset() {
	w.Helper()
	for _, f := range []string{"target.duckdb", "target.duckdb.wal"} {
		if err := os.Remove(filepath.Join(w.dir, f)); err != nil && !os.IsNotExist(err) {
			w.Fatal(err)
		}
	}
}
