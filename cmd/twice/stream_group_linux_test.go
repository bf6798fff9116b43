package main

import (
	"strings"
	"testing"
)

// TestStreamReplacedCommit stops a process that has read a batch, right before the transaction that would write it, lets
// another one read all of the topic, and wakes the first: its commit is refused, and it writes nothing.
func TestStreamReplacedCommit(t *testing.T) {
	f := newFlow(t, "postgres", 2, story{options: "batch_rows: 10"})
	f.produce(events(0, 10)...)
	f.must("run")
	f.produce(events(10, 40)...)
	points := f.trace("run", "--jobs", "1") // as the second run below
	at := ""
	for i, p := range points {
		if strings.HasPrefix(p, "before") && strings.HasSuffix(p, " turn") {
			at = crashAt(points[i-2]) // before BEGIN: inside the transaction it would hold the turn
			break
		}
	}
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
	f.expect("SELECT count(*) FROM twice.manifests AS m WHERE NOT EXISTS (SELECT 1 FROM twice.history AS h WHERE h.run = m.run)", "1")
}
