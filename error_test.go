package twice

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

func TestExitCode(t *testing.T) {
	held := Errorf("target-held", "process 12 holds it").WithExit(ExitHeld)
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, ExitOK},
		{errors.New("plain"), ExitFailed},
		{Errorf("null-key", "a NULL"), ExitFailed},
		{held, ExitHeld},
		{fmt.Errorf("run: %w", held), ExitHeld},
		{Errors{held}, ExitProject},
		{fmt.Errorf("load: %w", Errors{held}), ExitProject},
		{Errors{Errorf("connection-lost", "cut").WithExit(ExitFailed)}, ExitFailed},
		{Errors(nil).Err(), ExitOK},
	} {
		if got := ExitCode(test.err); got != test.want {
			t.Errorf("exit code of %v is %d, want %d", test.err, got, test.want)
		}
	}
}

func TestErrorKeepsItsCause(t *testing.T) {
	err := Errorf("unreadable", "cannot read: %w", fs.ErrNotExist).At("a.sql", 3).WithNext("look at %s", "a.sql")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("the cause is lost")
	}
	if got := err.Error(); got != "a.sql:3: cannot read: file does not exist" {
		t.Errorf("text is %q", got)
	}
	if got := AsError(fmt.Errorf("outer: %w", err)); got != err {
		t.Errorf("AsError gives %v", got)
	}
	if got := AsError(errors.New("plain")); got.Code != "internal" || got.Message != "plain" {
		t.Errorf("a plain error becomes %+v", got)
	}
	both := Errors{err, Errorf("x", "second").At("b.sql", 0)}
	if got := both.Error(); got != "a.sql:3: cannot read: file does not exist\nb.sql: second" {
		t.Errorf("several read %q", got)
	}
}
