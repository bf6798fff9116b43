package prove

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twice-data/twice"
)

// child is a process of this program that runs one window of a lab's pipeline.
type child struct {
	cmd    *exec.Cmd
	out    bytes.Buffer
	errs   bytes.Buffer
	failed error // it could not be started

	gone   bool // its end was noticed by stopped, which has the status
	status syscall.WaitStatus
}

// child starts "twice run" on one window, with further flags and variables of the environment.
func (l *lab) child(ctx context.Context, w twice.Window, flags []string, env map[string]string) *child {
	args := []string{"run", l.b.p.Name, "--project", l.folder, "--json", "--jobs", "1"}
	if !w.IsWhole() {
		args = append(args, "--start", w.Start.Format(time.RFC3339), "--end", w.End.Format(time.RFC3339))
	}
	if !strings.Contains(strings.Join(flags, " "), "--now") {
		flags = append([]string{"--now", l.b.Now.UTC().Format(time.RFC3339)}, flags...)
	}
	c := &child{cmd: exec.CommandContext(ctx, l.b.Binary, append(args, flags...)...)}
	_, value := l.b.targets.address(l.target)
	c.cmd.Env = append(os.Environ(), TargetVariable+"="+value, CapturesVariable+"="+l.b.captures(), "TMPDIR="+l.temp,
		RowsVariable+"="+strconv.Itoa(l.rows))
	for name, value := range env {
		c.cmd.Env = append(c.cmd.Env, name+"="+value)
	}
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.errs
	c.failed = c.cmd.Start()
	return c
}

// killed waits for the end and says whether it was SIGKILL.
func (c *child) killed() (bool, error) {
	if c.failed != nil {
		return false, c.failed
	}
	status := c.end()
	return status.Signaled() && status.Signal() == syscall.SIGKILL, nil
}

// wait waits for the end and says why the window did not commit; nil: it did.
func (c *child) wait() *twice.Error {
	if c.failed != nil {
		return twice.AsError(c.failed)
	}
	status := c.end()
	if status.ExitStatus() == 0 {
		return nil
	}
	e := c.reported()
	if e == nil {
		e = twice.Errorf("process", "the process ended with status %d: %s", status, strings.TrimSpace(c.errs.String()))
	}
	e.Exit = status.ExitStatus()
	return e
}

// end waits for the end, and for the last of what the child has printed.
func (c *child) end() syscall.WaitStatus {
	_ = c.cmd.Wait() // the status says more
	if !c.gone {
		c.status = c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	}
	return c.status
}

// line is what this package reads of the JSON that "twice run" prints.
type line struct {
	Event   string
	Code    string // of an error outside of windows
	Message string
	Next    string
	Error   *struct {
		Code, Message, Next, File string
		Line                      int
	}
}

// reported is the first error that the child printed.
func (c *child) reported() *twice.Error {
	scanner := bufio.NewScanner(bytes.NewReader(c.out.Bytes()))
	scanner.Buffer(nil, 1<<24)
	for scanner.Scan() {
		var l line
		if json.Unmarshal(scanner.Bytes(), &l) != nil {
			continue
		}
		switch {
		case l.Event == "error":
			return &twice.Error{Code: l.Code, Message: l.Message, Next: l.Next}
		case l.Error != nil:
			return &twice.Error{Code: l.Error.Code, Message: l.Error.Message, Next: l.Error.Next, File: l.Error.File, Line: l.Error.Line}
		}
	}
	return nil
}

// stopped waits until the child has stopped itself, or ended.
func (c *child) stopped() (bool, error) {
	if c.failed != nil {
		return false, c.failed
	}
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(c.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return false, fmt.Errorf("waiting for a child to stop: %w", err)
		case status.Stopped():
			return true, nil
		default:
			c.gone, c.status = true, status
			return false, nil
		}
	}
}

func (c *child) wake() { _ = c.cmd.Process.Signal(syscall.SIGCONT) }
func (c *child) kill() { _ = c.cmd.Process.Kill() }
