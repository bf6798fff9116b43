package main

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestStreamCrash kills a run of several batches at its points, and expects every event once and the poison record
// quarantined once.
func TestStreamCrash(t *testing.T) {
	for _, target := range tables {
		t.Run(target, func(t *testing.T) { crashBatches(newFlow(t, target, 2, crashed)) })
	}
}

func TestLogCrash(t *testing.T) { crashBatches(newLog(t, "duckdb", 2, crashed)) }

var crashed = story{options: "batch_rows: 25", input: "on_error: quarantine"}

func crashBatches(f *flow) {
	f.Helper()
	f.produce(append(append(events(0, 18), `{"id": 18}`), events(10, 30)...)...) // ten of them twice
	holds := func(how string) {
		f.Helper()
		f.eachOnce(30, how)
		f.clean(how)
	}
	args := []string{"run", "--jobs", "1"}
	points := f.trace(args...)
	holds("a clean run")
	f.crash(crashes{args: args, points: points, step: 7, pairs: rounds(4), again: f.again, holds: holds})
	f.must("verify")
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

// TestStreamKilledAtRandom kills a process that follows, whose place in the group has a name, so that the next one has
// its partitions at once.
func TestStreamKilledAtRandom(t *testing.T) {
	for _, target := range tables {
		t.Run(target, func(t *testing.T) {
			f := newFlow(t, target, 3, story{options: "batch_rows: 500, batch_time: 20ms, instance_id: only, session_timeout: 2s"})
			f.killedFollowing(rounds(8))
			f.must("verify")
			t.Logf("%s batches", f.ask("SELECT count(*) FROM twice.history"))
		})
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
	s.ends(syscall.SIGTERM)
	f.expect(everyEvent, once(25))
	f.expect("SELECT count(*) FROM twice.runs WHERE status <> 'done'", "0")
	if got := f.must("run").stdout; !strings.Contains(got, "up to date") {
		t.Errorf("after it followed:\n%s", got)
	}
}
