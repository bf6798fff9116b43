package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestPostgresCrash kills the program with SIGKILL before and after every statement of each write, runs again at once,
// and compares with the clean run. The session of the killed one may still be at work on the server.
func TestPostgresCrash(t *testing.T) {
	for write, files := range stories {
		t.Run(write, func(t *testing.T) {
			t.Parallel()
			w := newPostgres(t, files).feed()
			args := []string{"run", "--jobs", "1"}
			points := w.trace(args...)
			clean := w.rows("t")
			step := 1
			if testing.Short() {
				step = 5
			}
			w.crash(crashes{args: args, points: points, step: step, again: w.reset, holds: func(how string) {
				t.Helper()
				if got := w.rows("t"); got != clean {
					t.Fatalf("%s: after a run again the table has\n%s\nthe clean run\n%s", how, got, clean)
				}
				w.noResidue(how)
			}})
			w.must("verify")
		})
	}
}

// killedWrites are a table of many rows, each with the salt of the run that wrote it. The merge changes a tenth of them.
var killedWrites = map[string]string{
	"overwrite": "/* @twice\nwrite: overwrite\ntime_column: ts\nwindow: day\nbegin: 2020-03-01\nend: 2020-03-02\n*/\n" +
		"select $start::timestamp + i * interval '1 microsecond' as ts, i as id, %[2]d as salt from generate_series(1, %[1]d) as g(i)\n",
	"merge": "/* @twice\nwrite: merge\nunique_key: [id]\n*/\n" +
		"select i as id, case when i %% 10 = %[2]d %% 10 then %[2]d else 0 end as salt from generate_series(1, %[1]d) as g(i)\n",
}

// TestPostgresKilledAtRandom kills a large write at a random moment and runs it again at once. TWICE_ROUNDS=200 makes the
// table a million rows.
func TestPostgresKilledAtRandom(t *testing.T) {
	size := 50_000
	if rounds(0) > 0 {
		size = 1_000_000
	}
	for write, story := range killedWrites {
		t.Run(write, func(t *testing.T) {
			w := newPostgres(t, nil)
			pipeline := func(salt int) { w.write("pipelines/t.sql", fmt.Sprintf(story, size, salt)) }
			expect := func() string {
				return w.text("SELECT format('%s rows, %s keys, salts %s', count(*), count(DISTINCT id), " +
					"array(SELECT (salt, count(*)) FROM t GROUP BY salt ORDER BY salt)) FROM t")
			}
			clean := func(salt int) string {
				if write == "overwrite" {
					return fmt.Sprintf(`%d rows, %[1]d keys, salts {"(%d,%[1]d)"}`, size, salt)
				}
				return fmt.Sprintf(`%d rows, %[1]d keys, salts {"(0,%d)","(%d,%d)"}`, size, size-size/10, salt, size/10)
			}
			r := rand.New(rand.NewPCG(5, 6))
			pipeline(1)
			began := time.Now()
			w.must("run")
			whole := time.Since(began)
			right, killed, doubled := 0, 0, 0
			slowest := time.Duration(0)
			n := rounds(3)
			for salt := 2; salt < n+2; salt++ {
				pipeline(salt)
				if w.killAfter(time.Duration(r.Int64N(int64(whole))), "run") {
					killed++
				}
				again := time.Now()
				w.hurry(2*time.Minute, "run")
				slowest, whole = max(slowest, time.Since(again)), min(whole, time.Since(again))
				switch got := expect(); {
				case got == clean(salt):
					right++
				default:
					doubled++
					t.Errorf("round %d: %s, want %s", salt-1, got, clean(salt))
				}
				w.noResidue(fmt.Sprintf("round %d", salt-1))
				if salt%10 == 0 {
					w.exec("VACUUM FULL t")
					t.Logf("%d rounds, %d killed, %d right, %d wrong; slowest run again %s", salt-1, killed, right, doubled, slowest)
				}
			}
			w.must("verify")
			t.Logf("%s of %d rows: %d rounds, %d of them killed in time, %d right, %d wrong, 0 hung; the fastest run took %s, the slowest run again %s",
				write, size, n, killed, right, doubled, whole.Round(time.Millisecond), slowest.Round(time.Millisecond))
		})
	}
}

// killAfter starts the program and kills it after d, and says whether it was still running.
func (w *world) killAfter(d time.Duration, args ...string) bool {
	w.Helper()
	c := w.command(args...)
	if err := c.Start(); err != nil {
		w.Fatal(err)
	}
	timer := time.AfterFunc(d, func() { _ = c.Process.Kill() }) // the moment is meant to be random
	defer timer.Stop()
	return c.Wait() != nil
}

// hurry runs the program, which must end well and within a time.
func (w *world) hurry(limit time.Duration, args ...string) {
	w.Helper()
	c := w.command(args...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		w.Fatal(err)
	}
	timer := time.AfterFunc(limit, func() { _ = c.Process.Kill() })
	err := c.Wait()
	if !timer.Stop() {
		w.Fatalf("twice %s hangs: no end in %s", strings.Join(args, " "), limit)
	}
	if _, ok := err.(*exec.ExitError); ok {
		w.Fatalf("twice %s: exit code %d\n%s", strings.Join(args, " "), c.ProcessState.ExitCode(), out.String())
	}
	if err != nil {
		w.Fatal(err)
	}
}
