package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRelayReplaced stops a run that has produced a batch but not committed it, lets another one take its place, and wakes
// it: its transaction is refused, and readers were not held up for longer than the other one took.
func TestRelayReplaced(t *testing.T) {
	for _, at := range []string{"before produce", "after produce", "after add offsets", "after commit offsets", "after committed offsets"} {
		t.Run(strings.ReplaceAll(at, " ", "-"), func(t *testing.T) {
			s := story{options: "batch_rows: 10", to: "key: id, options: {transaction_timeout: 60s}"}
			f := newRelay(t, 2, s)
			f.produce(events(0, 10)...)
			f.must("run")
			f.produce(events(10, 40)...)
			first := f.sleep(f.pointOf(t, s, at), "run")
			began := time.Now()
			f.must("run")
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("the next run was held up for %s", took)
			}
			f.eachOnce(40, "replaced "+at)
			r := first.wake()
			if r.code != 3 && !(r.code == 0 && strings.Contains(r.stdout, "up to date")) {
				t.Errorf("the process that was replaced %s: exit code %d\n%s", at, r.code, r.stdout)
			}
			f.must("run")
			f.eachOnce(40, "woken "+at)
		})
	}
}

// pointOf is where a run of the same kind passes the first batch's point.
func (f *flow) pointOf(t *testing.T, s story, at string) string {
	t.Helper()
	other := newRelay(t, 2, s)
	other.produce(events(0, 10)...)
	other.must("run")
	other.produce(events(10, 40)...)
	side, name, _ := strings.Cut(at, " ")
	return pointsOf(other.trace("run"), side, name)[0]
}

// TestRelayRunWaitsForOthers runs beside a process that follows, slowly, and keeps some partitions: a run does not end before
// these have been carried over too, as far as it saw them.
func TestRelayRunWaitsForOthers(t *testing.T) {
	f := newRelay(t, 4, story{options: "batch_time: 5s, session_timeout: 2s"})
	slow := f.start("run", "--follow")
	f.produce(events(0, 40)...)
	f.arrived(40, slow)
	f.produce(events(40, 80)...)
	f.must("run")
	f.eachOnce(80, "beside a slow member")
	slow.ends(syscall.SIGTERM)
}

// TestRelayPlaceTaken starts a second process under the name of one that waits for records: the first one ends, and says why.
func TestRelayPlaceTaken(t *testing.T) {
	f := newRelay(t, 2, story{options: "batch_time: 20ms, session_timeout: 2s, instance_id: one"})
	first := f.start("run", "--follow")
	f.produce(events(0, 10)...)
	f.arrived(10, first)
	second := f.start("run", "--follow")
	_ = first.Wait()
	if code := first.ProcessState.ExitCode(); code != 3 || !strings.Contains(first.said.String(), "has taken the place") {
		t.Errorf("exit code %d\n%s", code, first.said.String())
	}
	f.produce(events(10, 30)...)
	f.arrived(30, second)
	second.ends(syscall.SIGTERM)
	f.eachOnce(30, "under one name")
}

// TestRelayPartitionsComeBack lets a process have partitions, lose some to another one, and get them back: it goes on where
// the other one was, not where it was itself.
func TestRelayPartitionsComeBack(t *testing.T) {
	f := newRelay(t, 4, story{options: "batch_time: 20ms, session_timeout: 2s"})
	first := f.start("run", "--follow")
	n := 0
	more := func(s *started) {
		t.Helper()
		f.produce(events(n, n+40)...)
		n += 40
		f.arrived(n, first, s)
	}
	more(first)
	second := f.start("run", "--follow")
	f.settled(2)
	more(second)
	second.ends(syscall.SIGTERM)
	if !strings.Contains(second.said.String(), "committed") {
		t.Fatalf("the second process had no partition\n%s", second.said.String())
	}
	more(first)
	more(first)
	first.ends(syscall.SIGTERM)
	f.must("run")
	f.eachOnce(n, "partitions that came back")
}

// TestRelayPausedInATransaction pauses a process without a name around its offsets, which are the last thing in its
// transaction before the end, until the group has given its partitions to another one. Offsets that were taken from it
// count: the other one waits for what becomes of them. Offsets that were not are refused when it wakes, and what the other
// one has produced in the meantime is what counts. The transaction itself is open all the time.
func TestRelayPausedInATransaction(t *testing.T) {
	s := story{options: "batch_time: 20ms, session_timeout: 1s", to: "key: id, options: {transaction_timeout: 60s}"}
	for _, side := range []string{"before", "after"} {
		t.Run(side, func(t *testing.T) {
			other := newRelay(t, 2, s)
			other.produce(events(0, 20)...)
			at := pointsOf(other.trace("run"), side, "commit offsets")[1] // the first ones say where it begins

			f := newRelay(t, 2, s)
			f.produce(events(0, 20)...)
			paused := f.sleep(at, "run", "--follow")
			next := f.start("run", "--follow")
			if side == "before" {
				f.caughtUp()
			} else {
				time.Sleep(4 * time.Second) // the group misses the paused one, and the next one could do what it must not
			}
			if err := paused.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			f.produce(events(20, 30)...)
			f.arrived(30, next)
			for _, p := range []*os.Process{paused.Process, next.Process} {
				if err := p.Signal(syscall.SIGTERM); err != nil {
					t.Error(err)
				}
			}
			_, _ = paused.Wait(), next.Wait()
			f.must("run")
			f.eachOnce(30, "paused "+side)
		})
	}
}
