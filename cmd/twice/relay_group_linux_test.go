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
			s := relayStory{options: "batch_rows: 10", to: "key: id, options: {transaction_timeout: 60s}"}
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
func (f *relayFlow) pointOf(t *testing.T, s relayStory, at string) string {
	t.Helper()
	other := newRelay(t, 2, s)
	other.produce(events(0, 10)...)
	other.must("run")
	other.produce(events(10, 40)...)
	side, name, _ := strings.Cut(at, " ")
	return pointsOf(other.trace("run"), side, name)[0]
}

// TestRelayGroup lets three processes share a topic, pauses one past the time-out of the group's session until others
// have carried its partitions on, and wakes it: its transaction is refused, and every event is there once.
func TestRelayGroup(t *testing.T) {
	f := newRelay(t, 6, relayStory{
		options: "batch_time: 20ms, batch_rows: 50, session_timeout: 1500ms", to: "key: id, options: {transaction_timeout: 1500ms}",
	})
	var members []*started
	for range 3 {
		members = append(members, f.start("run", "--follow"))
	}
	n := 0
	more := func(by int) {
		t.Helper()
		f.produce(events(n, n+by)...)
		n += by
		f.awaitOut(n, members...)
	}
	more(600)
	for range rounds(3) {
		if err := members[1].Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		more(300)
		if err := members[1].Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range members {
		if code := m.end(syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d\n%s", code, m.out.String())
		}
	}
	f.must("run")
	f.eachOnce(n, "three processes")
}

// TestRelayWaitsForTheDead runs beside a member that was killed: until the group misses it, its partitions are nobody's, and
// a run does not end as if they had been read.
func TestRelayWaitsForTheDead(t *testing.T) {
	f := newRelay(t, 2, relayStory{options: "batch_time: 20ms, session_timeout: 2s, instance_id: one"})
	dead := f.start("run", "--follow")
	f.produce(events(0, 10)...)
	f.awaitOut(10, dead)
	dead.end(syscall.SIGKILL)
	f.produce(events(10, 30)...)
	f.must("run")
	f.eachOnce(30, "beside a dead member")
}

// TestRelayPlaceTaken starts a second process under the name of one that waits for records: the first one ends, and says why.
func TestRelayPlaceTaken(t *testing.T) {
	f := newRelay(t, 2, relayStory{options: "batch_time: 20ms, session_timeout: 2s, instance_id: one"})
	first := f.start("run", "--follow")
	f.produce(events(0, 10)...)
	f.awaitOut(10, first)
	second := f.start("run", "--follow")
	_ = first.Wait()
	if code := first.ProcessState.ExitCode(); code != 3 || !strings.Contains(first.out.String(), "has taken the place") {
		t.Errorf("exit code %d\n%s", code, first.out.String())
	}
	f.produce(events(10, 30)...)
	f.awaitOut(30, second)
	if code := second.end(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d\n%s", code, second.out.String())
	}
	f.eachOnce(30, "under one name")
}

// TestRelayPartitionsComeBack lets a process have partitions, lose some to another one, and get them back: it goes on where
// the other one was, not where it was itself.
func TestRelayPartitionsComeBack(t *testing.T) {
	f := newRelay(t, 4, relayStory{options: "batch_time: 20ms, session_timeout: 2s"})
	first := f.start("run", "--follow")
	n := 0
	more := func(s *started) {
		t.Helper()
		f.produce(events(n, n+40)...)
		n += 40
		f.awaitOut(n, first, s)
	}
	more(first)
	second := f.start("run", "--follow")
	deadline := time.Now().Add(30 * time.Second)
	for !strings.Contains(second.out.String(), "committed") && time.Now().Before(deadline) {
		more(second) // the group may still be settling
	}
	if code := second.end(syscall.SIGTERM); code != 0 || !strings.Contains(second.out.String(), "committed") {
		t.Fatalf("the second process ended with %d and never had a partition\n%s", code, second.out.String())
	}
	more(first)
	more(first)
	if code := first.end(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d\n%s", code, first.out.String())
	}
	f.must("run")
	f.eachOnce(n, "partitions that came back")
}

// TestRelayWaitsForAnOpenTransaction pauses a process without a name between its offsets and the end of its transaction,
// until the group has given its partitions to another one. That one waits for what becomes of the transaction; as the
// paused process wakes in time, it is committed.
func TestRelayWaitsForAnOpenTransaction(t *testing.T) {
	s := relayStory{options: "batch_time: 20ms, session_timeout: 1s", to: "key: id, options: {transaction_timeout: 60s}"}
	other := newRelay(t, 2, s)
	other.produce(events(0, 20)...)
	at := pointsOf(other.trace("run"), "after", "commit offsets")[1] // the first ones say where it begins

	f := newRelay(t, 2, s)
	f.produce(events(0, 20)...)
	paused := f.sleep(at, "run", "--follow")
	next := f.start("run", "--follow")
	time.Sleep(4 * time.Second) // the group misses the paused one, and the next one has time to do what it must not
	if err := paused.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	f.produce(events(20, 30)...)
	f.awaitOut(30, next)
	for _, p := range []*os.Process{paused.Process, next.Process} {
		if err := p.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	}
	_, _ = paused.Wait(), next.Wait()
	f.must("run")
	f.eachOnce(30, "an open transaction")
}
