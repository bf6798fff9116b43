package capture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/twice-data/twice"
)

// patience is how long a command may take that does not say.
const patience = 10 * time.Minute

// command captures what a program prints. Nothing of it is looked at before the program has ended well.
func (r *reading) command(ctx context.Context, in *twice.Input, w twice.Window, file string) error {
	argv := make([]string, len(in.Command.Argv))
	for i, arg := range in.Command.Argv {
		var err error
		if argv[i], err = expand(arg, w, r.pipeline.Calendar.Zone); err != nil {
			return err
		}
	}
	name := filepath.Base(argv[0]) // arguments may hold secrets
	a := &answer{in: in, from: "the output of " + name, dir: filepath.Dir(file), reader: in.Command.Reader}
	if a.reader.Compression == "" {
		a.reader.Compression = "none" // its name would decide, and it has none
	}
	out, err := a.create(1)
	if err != nil {
		return err
	}
	defer out.Close()
	limit := in.Command.Timeout
	if limit == 0 {
		limit = patience
	}
	said := &tail{}
	if err := r.execute(ctx, argv, limit, r.environment(w), out, said); err != nil {
		return failedCommand(ctx, name, limit, err, string(said.text))
	}
	return a.toParquet(ctx, file)
}

// environment tells a command what it is asked for.
func (r *reading) environment(w twice.Window) []string {
	env := append(os.Environ(), "TWICE_PIPELINE="+r.pipeline.Name)
	start, end := "", ""
	if !w.IsWhole() {
		start, end = w.Start.UTC().Format(time.RFC3339), w.End.UTC().Format(time.RFC3339)
	}
	return append(env, "TWICE_START="+start, "TWICE_END="+end)
}

var errTimeLimit = errors.New("time limit")

// execute runs a program to its end, with its children, or kills them all.
func (r *reading) execute(ctx context.Context, argv []string, limit time.Duration, env []string, out *os.File, said *tail) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errTimeLimit)
	defer cancel()
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Dir, c.Env, c.Stdout, c.Stderr = r.Dir, env, out, said
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = time.Second
	err := c.Run()
	if c.Process != nil {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // children that stayed behind could still write
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, exec.ErrWaitDelay): // it ended well, and a child of it kept standard error open
		return nil
	default:
		return err
	}
}

func failedCommand(ctx context.Context, name string, limit time.Duration, err error, said string) error {
	var exit *exec.ExitError
	var e *twice.Error
	switch {
	case ctx.Err() != nil:
		return err
	case errors.Is(err, errTimeLimit):
		e = twice.Errorf("command-timeout", "%s did not end within %s and was killed", name, limit).
			WithNext("give it more time: command: {run: […], timeout: 1h}")
	case errors.As(err, &exit):
		e = twice.Errorf("command-failed", "%s ended with %s", name, exit.ProcessState).
			WithNext("run it by hand with TWICE_START and TWICE_END set; nothing was written")
	default:
		e = twice.Errorf("command-failed", "%s cannot be run: %s", name, cause(err)).
			WithNext("see that it is installed and executable; paths are relative to the project's folder")
	}
	if said = strings.TrimSpace(said); said != "" {
		e.Message += fmt.Sprintf("; it said:\n%s", said)
	}
	return e
}

// cause is an error without what stands around it, which may be an argument.
func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
