package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
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

// TestRelayRunWaitsForOthers runs beside a process that follows, slowly, and keeps some partitions: a run does not end before
// these have been carried over too, as far as it saw them.
func TestRelayRunWaitsForOthers(t *testing.T) {
	f := newRelay(t, 4, relayStory{options: "batch_time: 5s, session_timeout: 2s"})
	slow := f.start("run", "--follow")
	f.produce(events(0, 40)...)
	f.awaitOut(40, slow)
	f.produce(events(40, 80)...)
	f.must("run")
	f.eachOnce(80, "beside a slow member")
	if code := slow.end(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d\n%s", code, slow.out.String())
	}
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
	f.settled(2)
	more(second)
	if code := second.end(syscall.SIGTERM); code != 0 {
		t.Fatalf("exit code %d\n%s", code, second.out.String())
	}
	if !strings.Contains(second.out.String(), "committed") {
		t.Fatalf("the second process had no partition\n%s", second.out.String())
	}
	more(first)
	more(first)
	if code := first.end(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d\n%s", code, first.out.String())
	}
	f.must("run")
	f.eachOnce(n, "partitions that came back")
}

// settled waits until so many members share the group's partitions, each having some.
func (f *relayFlow) settled(n int) {
	f.Helper()
	admin := kadm.NewClient(f.broker.Client(f.T))
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		groups, err := admin.DescribeGroups(f.Context(), f.out)
		if err != nil {
			f.Fatal(err)
		}
		with := 0
		for _, m := range groups[f.out].Members {
			if a, ok := m.Assigned.AsConsumer(); ok && len(a.Topics) > 0 {
				with++
			}
		}
		if with == n && groups[f.out].State == "Stable" {
			return
		}
		if time.Now().After(deadline) {
			f.Fatalf("%d members have partitions, want %d: %v", with, n, groups[f.out])
		}
	}
}

// TestRelayPausedInATransaction pauses a process without a name around its offsets, which are the last thing in its
// transaction before the end, until the group has given its partitions to another one. Offsets that were taken from it
// count: the other one waits for what becomes of them. Offsets that were not are refused when it wakes, and what the other
// one has produced in the meantime is what counts. The transaction itself is open all the time.
func TestRelayPausedInATransaction(t *testing.T) {
	s := relayStory{options: "batch_time: 20ms, session_timeout: 1s", to: "key: id, options: {transaction_timeout: 60s}"}
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
			f.awaitOut(30, next)
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

// caughtUp waits until the group's committed offsets are at the ends of the topic.
func (f *relayFlow) caughtUp() {
	f.Helper()
	admin := kadm.NewClient(f.broker.Client(f.T))
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		lags, err := admin.Lag(f.Context(), f.out)
		if err != nil {
			f.Fatal(err)
		}
		if lags[f.out].FetchErr == nil && len(lags[f.out].Lag) > 0 && lags[f.out].Lag.Total() == 0 {
			return
		}
		if time.Now().After(deadline) {
			f.Fatalf("the group is behind: %v", lags[f.out])
		}
	}
}
