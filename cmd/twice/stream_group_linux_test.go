package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// beforeCommit is where a traced run is about to commit its first batch: on a database right before the transaction, inside
// of which it would hold the turn; on Kafka before its offsets, with its records produced.
func (f *flow) beforeCommit(points []string) string {
	f.Helper()
	if f.out != "" {
		return pointsOf(points, "before", "commit offsets")[0]
	}
	for i, p := range points {
		if strings.HasPrefix(p, "before") && strings.HasSuffix(p, " turn") {
			return crashAt(points[i-2]) // before BEGIN
		}
	}
	f.Fatalf("no point of a commit among\n%s", strings.Join(points, "\n"))
	return ""
}

// TestStreamReplacedCommit stops a process that has read a batch, right before the transaction that would write it, lets
// another one read all of the topic, and wakes the first: its commit is refused, and it writes nothing.
func TestStreamReplacedCommit(t *testing.T) {
	f := newFlow(t, "postgres", 2, story{options: "batch_rows: 10"})
	f.produce(events(0, 10)...)
	f.must("run")
	f.produce(events(10, 40)...)
	at := f.beforeCommit(f.trace("run", "--jobs", "1")) // as the run below
	f.produce(events(40, 70)...)
	first := f.sleep(at, "run", "--jobs", "1")
	f.must("run")
	f.expect(everyEvent, once(70))
	batches := f.ask("SELECT count(*) FROM twice.history")
	if r := first.wake(); r.code != 0 || !strings.Contains(r.stdout, "up to date") {
		t.Errorf("the process that was replaced: exit code %d\n%s", r.code, r.stdout)
	}
	f.expect("SELECT count(*) FROM twice.history", batches)
	f.expect(everyEvent, once(70))
	f.expect(refusedBatches, "1")
}

// refusedBatches are those that were recorded before they were written, and then were not.
const refusedBatches = "SELECT count(*) FROM twice.manifests AS m WHERE NOT EXISTS (SELECT 1 FROM twice.history AS h WHERE h.run = m.run AND h.manifest = m.digest)"

// TestGroupRefusesWhoWasPaused lets one process of three stop itself right before it commits a batch, until the group has
// missed it and the other two have read its partitions on, and wakes it: its commit is refused, it takes its place in the
// group again, and every event is there once.
func TestGroupRefusesWhoWasPaused(t *testing.T) {
	s := story{options: "batch_time: 20ms, batch_rows: 50, session_timeout: 1500ms", to: "key: id, options: {transaction_timeout: 60s}"}
	for _, sink := range shared {
		t.Run(sink, func(t *testing.T) {
			f := newFlow(t, sink, 6, s)
			f.produce(events(0, 10)...)
			f.must("run")
			f.produce(events(10, 40)...)
			at := f.beforeCommit(f.trace("run", "--jobs", "1"))
			f.produce(events(40, 90)...)
			paused := f.sleep(at, "run", "--follow", "--jobs", "1")
			others := []*started{f.start("run", "--follow"), f.start("run", "--follow")}
			n := 90
			more := func() {
				t.Helper()
				f.produce(events(n, n+60)...)
				n += 60
				f.arrived(n, others...)
			}
			if f.out == "" {
				f.arrived(n, others...)
				more()
				f.expect(refusedBatches, "1") // as yet
			} else {
				f.caughtUp()
			}
			if err := paused.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			f.settled(3)
			more()
			if err := paused.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := paused.Wait(); err != nil {
				t.Errorf("the one that was paused: %v\n%s", err, paused.out.String())
			}
			for _, p := range others {
				p.ends(syscall.SIGTERM)
			}
			f.must("run")
			f.eachOnce(n, "one of three was paused")
			if f.out == "" {
				f.expect(fmt.Sprintf("SELECT CAST((%s) > 0 AS INTEGER)", refusedBatches), "1")
				f.must("verify")
			}
		})
	}
}

// TestPausedProcessKeepsItsFile pauses a process that follows into DuckDB, where one process has the file: nobody takes its
// place, another one is told who has it, and when it wakes it goes on.
func TestPausedProcessKeepsItsFile(t *testing.T) {
	f := newFlow(t, "duckdb", 2, story{options: "batch_time: 20ms"})
	f.produce(events(0, 10)...)
	s := f.start("run", "--follow")
	s.says("committed  t", 1)
	s.signal(syscall.SIGSTOP)
	f.produce(events(10, 20)...)
	f.refused(3, []string{"run"}, fmt.Sprint(s.Process.Pid))
	s.signal(syscall.SIGCONT)
	s.says("committed  t", 2)
	s.ends(syscall.SIGTERM)
	f.must("run")
	f.eachOnce(20, "paused with the file")
}
