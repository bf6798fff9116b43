package twice

import (
	"errors"
	"fmt"
	"strings"
)

// Exit codes of the program. They are part of its contract.
const (
	ExitOK      = 0 // everything asked for holds
	ExitFailed  = 1 // a window failed, a check blocked, a law broke, verify or diff found a difference
	ExitProject = 2 // the project or the command line is wrong; nothing was touched
	ExitHeld    = 3 // somebody else holds the target or the window, and waiting ran out
)

// Error is a failure that a person can act on: what failed, a stable code, and what to type or change next.
type Error struct {
	Code    string // stable, kebab-case: "null-key", "outside-window"
	Message string // what failed, with the values that matter
	Next    string // what to do or type next; may be empty
	File    string // where, if it is a place in the project; relative to the project's folder
	Line    int    // 1-based; 0: unknown
	Exit    int    // exit code that it leads to; 0 means ExitFailed
	Blocked bool   // a check said no, as opposed to something going wrong
	Err     error  // the cause, for errors.Is and errors.As
}

// Errorf makes an Error from a code and a formatted message; a %w verb keeps the cause.
func Errorf(code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Err: errors.Unwrap(err)}
}

// WithNext says what to do next and returns e.
func (e *Error) WithNext(format string, args ...any) *Error {
	e.Next = fmt.Sprintf(format, args...)
	return e
}

// At says where in the project the error is and returns e.
func (e *Error) At(file string, line int) *Error {
	e.File, e.Line = file, line
	return e
}

// WithExit sets the exit code that e leads to and returns e.
func (e *Error) WithExit(code int) *Error {
	e.Exit = code
	return e
}

// Place is "file:line", "file", or empty.
func (e *Error) Place() string {
	switch {
	case e.File == "":
		return ""
	case e.Line == 0:
		return e.File
	default:
		return fmt.Sprintf("%s:%d", e.File, e.Line)
	}
}

func (e *Error) Error() string {
	if p := e.Place(); p != "" {
		return p + ": " + e.Message
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// AsError finds the Error in err's chain; any other error becomes one with the code "internal".
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: "internal", Message: err.Error(), Err: err}
}

// Errors is every problem found at once, so that a person mends them in one go.
type Errors []*Error

func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Err is es as an error, or nil when there is none.
func (es Errors) Err() error {
	if len(es) == 0 {
		return nil
	}
	return es
}

// exit is ExitProject, as errors that come in numbers are those of a project, unless every one says that it is not.
func (es Errors) exit() int {
	for _, e := range es {
		if e.Exit != ExitFailed {
			return ExitProject
		}
	}
	return ExitFailed
}

// ExitCode decides the process's exit code from the error that ended it.
func ExitCode(err error) int {
	var many Errors
	var one *Error
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &many):
		return many.exit()
	case errors.As(err, &one) && one.Exit != 0:
		return one.Exit
	default:
		return ExitFailed
	}
}
