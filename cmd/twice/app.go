package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/project"
)

// app is the program: where it writes, what it asks of the world, and the flags that all commands share.
type app struct {
	stdout, stderr io.Writer
	env            project.Env
	now            func() time.Time // the only clock

	dir    string
	target string
	json   bool
	wait   time.Duration
	lease  time.Duration // of the run, where there is one

	trace *trace // statements on their way to the target; nil: not watched
}

// main runs the command that args name and answers with the exit code.
func (a *app) main(ctx context.Context, args []string) int {
	root := a.command()
	root.SetArgs(args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return twice.ExitOK
	}
	var told *toldError
	if errors.As(err, &told) {
		return twice.ExitCode(told.err)
	}
	a.tell(err)
	if errors.Is(err, context.Canceled) {
		return twice.ExitFailed
	}
	return twice.ExitCode(err)
}

// toldError is an error whose reasons have been printed already, window by window or finding by finding.
type toldError struct{ err error }

func (t *toldError) Error() string { return t.err.Error() }
func (t *toldError) Unwrap() error { return t.err }

func toldAlready(err error) error {
	if err == nil {
		return nil
	}
	return &toldError{err}
}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "twice",
		Short:         "Run data pipelines so that running twice gives the same result",
		Long:          "twice fills tables from SQL so that a run can be repeated, killed, overlapped or reordered\nand the tables come out the same. Start with: twice init demo && cd demo && twice run",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.dir, "project", ".", "the project's `DIR`")
	flags.StringVar(&a.target, "target", "", "the `TARGET` of twice.yml; default: default_target")
	flags.BoolVar(&a.json, "json", false, "one JSON object a line on standard output")
	flags.DurationVar(&a.wait, "wait", 0, "how long to wait for a target or window that somebody else holds: 30s, 5m")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage("%s", err).WithNext("twice %s --help", strings.TrimPrefix(c.CommandPath(), "twice "))
	})
	root.AddCommand(
		a.initCommand(), a.runCommand(), a.planCommand(), a.checkCommand(), a.statusCommand(), a.historyCommand(),
		a.showCommand(), a.verifyCommand(), a.diffCommand(), a.fingerprintCommand(), a.rollbackCommand(),
		a.proveCommand(), a.gcCommand(), a.versionCommand(),
	)
	root.SuggestionsMinimumDistance = 2
	for _, c := range root.Commands() {
		c.Example = indent(c.Example)
		if c.Args != nil {
			valid := c.Args
			c.Args = func(c *cobra.Command, args []string) error {
				if err := valid(c, args); err != nil {
					return usage("%s", err).WithNext("twice %s --help", c.Name())
				}
				return nil
			}
		}
	}
	root.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		err := usage("unknown command %q", args[0]).WithNext("twice --help lists the commands")
		if near := root.SuggestionsFor(args[0]); len(near) > 0 {
			err.WithNext("did you mean twice %s?", near[0])
		}
		return err
	}
	root.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	return root
}

func usage(format string, args ...any) *twice.Error {
	return twice.Errorf("usage", format, args...).WithExit(twice.ExitProject)
}

func indent(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return "  " + strings.Join(lines, "\n  ")
}

// tell prints an error on standard error, with what to do next; in JSON on standard output as well.
func (a *app) tell(err error) {
	var many twice.Errors
	if !errors.As(err, &many) {
		many = twice.Errors{twice.AsError(err)}
	}
	for _, e := range many {
		if a.json {
			a.line(errorLine{Event: "error", errorJSON: *jsonOf(e)})
		}
		fmt.Fprintf(a.stderr, "%s %s\n", paint(a.stderr, red, "error:"), e.Error())
		if e.Next != "" {
			fmt.Fprintf(a.stderr, "  %s %s\n", paint(a.stderr, dim, "next:"), e.Next)
		}
	}
}

const (
	red    = "31"
	green  = "32"
	yellow = "33"
	dim    = "2"
)

// paint colours text on a terminal, unless NO_COLOR is set.
func paint(w io.Writer, colour, text string) string {
	if !isTerminal(w) || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}
