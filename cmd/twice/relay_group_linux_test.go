package main

import (
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
