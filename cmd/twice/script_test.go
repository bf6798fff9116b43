package main

import (
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite what scripts and transcripts expect")

// TestScript plays the stories of testdata/script: what a user types and sees. In a script "exec twice" is this program,
// and besides testscript's own commands there are those of commands.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Setup:               programs,
		Cmds:                commands,
		Condition:           condition,
	})
}

type script = testscript.TestScript

// commands are what scripts can say besides testscript's own words.
//
//	twice ARGS...            the program, which must exit with 0
//	exits CODE ARGS...       the program, which must exit with CODE
//	duck FILE SQL            one statement on a DuckDB file, its rows on stdout: for what is done behind twice's back
//	psql SQL                 statements on the script's PostgreSQL database, as its owner
//	env-from NAME FILE       sets a variable of the environment to what FILE holds
//	crash-before NAME TRACE  lets the program be killed before the last statement of that name in a TWICE_TRACE
//	head N FILE              cuts FILE to its first N bytes
//	tidy FILE                replaces run IDs, times, durations and fingerprints by words, so that files can be compared
//	stopped, wake            waits until the program in the background has stopped itself; lets it go on
//	small, grow, seal DIR    DIR becomes a small file system; a larger one; read-only
var commands = map[string]func(*script, bool, []string){
	"twice": func(ts *script, neg bool, args []string) {
		if neg {
			ts.Fatalf("say which exit code is expected: exits CODE ...")
		}
		exits(ts, 0, args)
	},
	"exits": func(ts *script, _ bool, args []string) {
		code, err := strconv.Atoi(args[0])
		ts.Check(err)
		exits(ts, code, args[1:])
	},
	"duck": func(ts *script, _ bool, args []string) { ts.Check(duck(ts.Stdout(), ts.MkAbs(args[0]), args[1])) },
	"psql": func(ts *script, _ bool, args []string) { psql(ts, args[0]) },
	"env-from": func(ts *script, _ bool, args []string) {
		ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
	},
	"crash-before": func(ts *script, _ bool, args []string) {
		points := regexp.MustCompile(`(?m)^(before) (\d+) `+args[0]+`$`).FindAllStringSubmatch(ts.ReadFile(args[1]), -1)
		if len(points) == 0 {
			ts.Fatalf("%s has no statement %s", args[1], args[0])
		}
		last := points[len(points)-1]
		ts.Setenv("TWICE_CRASH_AT", last[1]+":"+last[2])
	},
	"head": func(ts *script, _ bool, args []string) {
		n, err := strconv.Atoi(args[0])
		ts.Check(err)
		ts.Check(os.Truncate(ts.MkAbs(args[1]), int64(n)))
	},
	"tidy": func(ts *script, _ bool, args []string) {
		ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(tidy(ts.ReadFile(args[0]))), 0o644))
	},
}

func exits(ts *script, want int, args []string) {
	err := ts.Exec("twice", args...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("twice %s: exit code %d, want %d", strings.Join(args, " "), code, want)
	}
}

// programs puts the test binary into the script's PATH as twice.
func programs(e *testscript.Env) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	bin := filepath.Join(e.WorkDir, ".bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	if err := os.Symlink(self, filepath.Join(bin, "twice")); err != nil {
		return err
	}
	e.Setenv("PATH", bin+string(os.PathListSeparator)+e.Getenv("PATH"))
	e.Setenv("TWICE_TEST_AS_PROGRAM", "1")
	return nil
}

func condition(name string) (bool, error) {
	if name == "mount" {
		return canMount(), nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

func duck(out io.Writer, file, query string) error {
	db, err := sql.Open("duckdb", file)
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		fmt.Fprintln(out, values...)
	}
	return rows.Err()
}
