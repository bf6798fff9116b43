package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twice-data/twice/engine/postgres/pgtest"
)

// again gives the flow an empty target.
func (f *flow) again() {
	f.Helper()
	if f.url == "" {
		f.reset()
		return
	}
	server := pgtest.Start(f.T)
	database := f.url[strings.LastIndex(f.url, "/")+1:]
	database, _, _ = strings.Cut(database, "?")
	server.Exec(f.T, database, "SET client_min_messages = warning; DROP SCHEMA IF EXISTS twice, public CASCADE; CREATE SCHEMA public")
}

func (f *flow) clean(how string) {
	f.Helper()
	for what, query := range map[string]string{
		"held leases":                  "SELECT count(*) FROM twice.leases WHERE run <> ''",
		"receipts":                     "SELECT count(*) - 1 FROM twice.receipts",
		"records quarantined not once": "SELECT count(*) - 1 FROM twice.quarantine",
	} {
		if n := f.ask(query); n != "0" {
			f.Errorf("%s: %s %s are left", how, n, what)
		}
	}
	left, err := filepath.Glob(filepath.Join(f.dir, "*.wal"))
	if err != nil || len(left) > 0 {
		f.Errorf("%s: %v are left %v", how, left, err)
	}
}

// TestStreamCrash kills a real process with SIGKILL before and after every statement of a run of several batches, runs
// again at once, and expects every event once and the poison record quarantined once.
func TestStreamCrash(t *testing.T) {
	for _, target := range streamTargets {
		t.Run(target, func(t *testing.T) {
			f := newFlow(t, target, 2, story{options: "batch_rows: 25", input: "on_error: quarantine"})
			lines := append(events(0, 18), `{"id": 18}`)
			lines = append(lines, events(10, 30)...) // ten of them twice
			f.produce(lines...)
			args := []string{"run", "--jobs", "1"}
			points := f.trace(args...)
			want := once(30)
			f.expect(everyEvent, want)
			f.clean("a clean run")
			recover := func(how string) {
				t.Helper()
				f.must(args...)
				f.expect(everyEvent, want)
				f.clean(how)
			}
			cycles := 0
			for i, p := range points {
				if os.Getenv("TWICE_ROUNDS") == "" && i%4 != 0 {
					continue // every point with TWICE_ROUNDS: some four hundred processes that wait for a group
				}
				f.again()
				if !f.killed(crashAt(p), args...) {
					t.Fatalf("point %q was not reached", p)
				}
				recover("killed " + p)
				cycles++
			}
			r := rand.New(rand.NewPCG(5, 6))
			pairs := 0
			for range 10 {
				first, second := points[r.IntN(len(points))], points[r.IntN(len(points))]
				f.again()
				f.killed(crashAt(first), args...)
				f.killed(crashAt(second), args...)
				recover(fmt.Sprintf("killed %s, then %s", first, second))
				pairs++
			}
			f.must("verify")
			t.Logf("%d statements, killed before and after each: %d crashes and %d pairs, every event once", len(points)/2, cycles, pairs)
		})
	}
}

// started is a program at work.
type started struct {
	*exec.Cmd
	*testing.T
	out bytes.Buffer
}

func (f *flow) start(args ...string) *started {
	f.Helper()
	s := &started{Cmd: f.command(args...), T: f.T}
	s.Stdout, s.Stderr = &s.out, &s.out
	if err := s.Start(); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Process.Kill(); _ = s.Wait() })
	return s
}

func (s *started) end(signal os.Signal) int {
	s.Helper()
	if err := s.Process.Signal(signal); err != nil {
		s.Fatal(err)
	}
	_ = s.Wait()
	return s.ProcessState.ExitCode()
}

// TestStreamKilledAtRandom kills a process that follows at random moments while events come, and expects every one once.
func TestStreamKilledAtRandom(t *testing.T) {
	for _, target := range streamTargets {
		t.Run(target, func(t *testing.T) {
			f := newFlow(t, target, 3, story{options: "batch_rows: 500, batch_time: 20ms, instance_id: only, session_timeout: 2s"})
			r := rand.New(rand.NewPCG(7, 8))
			kills, n := rounds(15), 0
			for range kills {
				s := f.start("run", "--follow")
				for range 3 {
					f.produce(events(n, n+200)...)
					n += 200
				}
				time.Sleep(time.Duration(r.IntN(900)) * time.Millisecond) // the moment is meant to be random
				if s.end(syscall.SIGKILL) != -1 {
					t.Fatalf("it ended by itself:\n%s", s.out.String())
				}
			}
			f.must("run")
			f.expect(everyEvent, once(n))
			f.must("verify")
			t.Logf("%d kills at random moments, %d events: each once, in %s batches", kills, n, f.ask("SELECT count(*) FROM twice.history"))
		})
	}
}

// await waits until a query gives what it should.
func (f *flow) await(s *started, query, want string) {
	f.Helper()
	db := f.open()
	defer db.Close()
	deadline := time.Now().Add(time.Minute)
	for {
		var got string
		err := db.QueryRow("SELECT CAST((" + query + ") AS VARCHAR)").Scan(&got)
		if err == nil && got == want {
			return
		}
		if time.Now().After(deadline) {
			f.Fatalf("%s gives %q (%v), want %q\n%s", query, got, err, want, s.out.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestStreamFollows(t *testing.T) {
	f := newFlow(t, "postgres", 2, story{options: "batch_time: 50ms"})
	f.write("pipelines/total.sql", "/* @twice\nwrite: overwrite\n*/\nselect count(*) as events from t\n")
	f.produce(events(0, 10)...)
	s := f.start("run", "--follow")
	f.await(s, "SELECT events FROM total", "10")
	f.produce(events(10, 25)...)
	f.await(s, "SELECT events FROM total", "25")
	f.broker.Stop(t)
	f.broker.Restart(t)
	f.produce(events(25, 30)...)
	f.await(s, "SELECT events FROM total", "30")
	if code := s.end(syscall.SIGTERM); code != 0 {
		t.Errorf("after SIGTERM: exit code %d\n%s", code, s.out.String())
	}
	f.expect(everyEvent, once(30))
	f.expect("SELECT count(*) FROM twice.runs WHERE status <> 'done'", "0")
	if got := f.must("run").stdout; !strings.Contains(got, "up to date") {
		t.Errorf("after it followed:\n%s", got)
	}
}
