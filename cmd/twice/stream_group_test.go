package main

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// TestStreamGroup lets three processes share a topic, pauses one past the time-out of the group's session until others
// have read its partitions on, and wakes it: its commit is refused, and every event is there once.
func TestStreamGroup(t *testing.T) {
	f := newFlow(t, "postgres", 6, story{options: "batch_time: 20ms, batch_rows: 50, session_timeout: 1500ms"})
	var members []*started
	for range 3 {
		members = append(members, f.start("run", "--follow"))
	}
	f.produce(events(0, 600)...)
	f.await(members[0], "SELECT count(*) FROM t", "600")
	n := 600
	writers := "SELECT count(DISTINCT run) FROM twice.offsets"
	deadline := time.Now().Add(30 * time.Second)
	for f.ask(writers) != "3" && time.Now().Before(deadline) { // the group may still be settling
		f.produce(events(n, n+60)...)
		n += 60
		f.await(members[0], "SELECT count(*) FROM t", fmt.Sprint(n))
	}
	f.expect(writers, "3")

	paused := members[1]
	for range 5 {
		if err := paused.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		f.produce(events(n, n+300)...)
		n += 300
		f.await(members[0], "SELECT count(*) FROM t", fmt.Sprint(n))
		if err := paused.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range members {
		if code := m.end(syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d\n%s", code, m.out.String())
		}
	}
	f.must("run")
	f.expect(everyEvent, once(n))
	f.must("verify")
}
