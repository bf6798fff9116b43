package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// asleep is a program that stopped itself at a point.
type asleep struct {
	*exec.Cmd
	*testing.T
	out bytes.Buffer
}

// sleep starts the program and waits until it has stopped itself at a point: "before:12".
func (w *world) sleep(at string, args ...string) *asleep {
	w.Helper()
	a := &asleep{Cmd: w.command(args...), T: w.T}
	a.Env = append(a.Env, "TWICE_STOP_AT="+at)
	a.Stdout, a.Stderr = &a.out, &a.out
	if err := a.Start(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = a.Process.Kill() })
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, a.Process.Pid, &info, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil)
		if err == nil {
			break
		}
		if err != unix.EINTR {
			w.Fatal(err)
		}
	}
	const stopped = 5 // CLD_STOPPED
	if info.Code != stopped {
		_ = a.Wait()
		w.Fatalf("stopping at %s: the program ended instead:\n%s", at, a.out.String())
	}
	return a
}

// wake lets the program go on to its end.
func (a *asleep) wake() result {
	a.Helper()
	if err := a.Process.Signal(syscall.SIGCONT); err != nil {
		a.Fatal(err)
	}
	_ = a.Wait()
	return result{a.ProcessState.ExitCode(), a.out.String(), ""}
}

// sleepers are the points that a run is paused at: with the lease and before the data's transaction, and inside it.
var sleepers = map[string][][2]string{
	"overwrite": {{"before", "fence"}, {"after", "fence"}, {"after", "insert"}, {"after", "history"}},
	"merge":     {{"before", "fence"}, {"after", "stage"}, {"after", "history"}},
	"publish":   {{"before", "stage"}, {"after", "staged rows"}, {"after", "insert"}, {"after", "history"}},
}

// TestPostgresPaused stops a run for longer than its lease, lets another one take over, and wakes it: what it says then is
// that it lost its lease, and the rows are the other's. The other one, which runs a newer version of the SELECT, is not
// blocked for much longer than the lease.
func TestPostgresPaused(t *testing.T) {
	const lease = time.Second
	args := []string{"run", "--jobs", "1", "--lease", lease.String(), "--wait", "30s"}
	for write, names := range sleepers {
		t.Run(write, func(t *testing.T) {
			t.Parallel()
			w := newPostgres(t, stories[write]).feed()
			trace := w.trace(args...)
			old := stories[write]["pipelines/t.sql"]
			newer := strings.Replace(old, "id, n from", "id, n + 10 as n from", 1)
			w.write("pipelines/t.sql", newer)
			w.reset()
			w.must(args...)
			clean := w.rows("t")
			longest := time.Duration(0)
			for _, name := range names {
				w.reset()
				w.write("pipelines/t.sql", old)
				at := pointsOf(trace, name[0], name[1])[0]
				a := w.sleep(at, args...)
				w.write("pipelines/t.sql", newer)
				began := time.Now()
				w.must(args...)
				took := time.Since(began)
				longest = max(longest, took)
				if took > 8*lease {
					t.Errorf("paused %v: the next run was held up for %s by a lease of %s", name, took, lease)
				}
				r := a.wake()
				if r.code != 3 || !strings.Contains(r.stdout, "was taken over by another run") {
					t.Errorf("paused %v and replaced: exit code %d, want 3 and that it lost its lease\n%s", name, r.code, r.stdout)
				}
				if got := w.rows("t"); got != clean {
					t.Errorf("paused %v: the table has\n%s\nwant the other run's\n%s", name, got, clean)
				}
				w.must(args...)
				w.noResidue("paused " + strings.Join(name[:], " "))
			}
			w.must("verify")
			t.Logf("%d pauses past a lease of %s: every late commit refused; the next run took at most %s", len(names), lease, longest)
		})
	}
}

// TestPostgresSlowRunKeepsItsLease runs one statement for several leases: the run is alive, so nobody takes over.
func TestPostgresSlowRunKeepsItsLease(t *testing.T) {
	w := newPostgres(t, map[string]string{
		"pipelines/t.sql": "/* @twice\nwrite: overwrite\nallow:\n  - {rule: volatile-function, reason: it takes time and gives nothing}\n*/\n" +
			"select 1 as id from (select pg_sleep(4)) as s\n",
	})
	c := w.command("run", "--lease", "1s")
	pipe, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Env = append(c.Env, "TWICE_TRACE=/dev/stderr")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(pipe)
	for lines.Scan() && !(strings.HasPrefix(lines.Text(), "before") && strings.HasSuffix(lines.Text(), "insert")) {
	}
	go func() { _, _ = io.Copy(io.Discard, pipe) }()
	w.exec("SELECT pg_sleep(2)") // two leases long
	if r := w.run("run", "--lease", "1s"); r.code != 3 || !strings.Contains(r.stdout+r.stderr, "is being written by run") {
		t.Errorf("while the slow run is at work, another one exits with %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("the slow run: %v", err)
	}
	if got := w.number("SELECT count(*) FROM t"); got != 1 {
		t.Errorf("%d rows", got)
	}
	w.noResidue("slow")
}

// TestPostgresTerminated ends the program's sessions on the server, as an administrator or a restart does, at every
// statement: before it, as what lies between the end of one and the beginning of the next is the same to the server, and
// after the last one. TWICE_ROUNDS does so for all writes; otherwise the others have every fifth statement.
func TestPostgresTerminated(t *testing.T) {
	for write, files := range stories {
		t.Run(write, func(t *testing.T) {
			t.Parallel()
			w := newPostgres(t, files).feed()
			trace := w.trace("run", "--jobs", "1")
			clean := w.rows("t")
			codes := map[int]int{}
			step := 5
			if os.Getenv("TWICE_ROUNDS") != "" || write == "overwrite" {
				step = 1
			}
			for i, p := range trace {
				if i < len(trace)-1 && (i/2%step != 0 || strings.HasPrefix(p, "after")) {
					continue
				}
				w.reset()
				a := w.sleep(crashAt(p), "run", "--jobs", "1")
				w.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'twice'")
				r := a.wake()
				codes[r.code]++
				if r.code != 0 && r.code != 1 {
					t.Errorf("terminated %s: exit code %d\n%s", p, r.code, r.stdout)
				}
				w.must("run", "--jobs", "1")
				if got := w.rows("t"); got != clean {
					t.Errorf("terminated %s: after a run again the table has\n%s\nwant\n%s", p, got, clean)
				}
				w.noResidue("terminated " + p)
			}
			t.Logf("%s: %v exit codes, all equal to the clean run after another one", write, codes)
		})
	}
}
