package main

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
)

// shared are the sinks that more than one process can write to.
var shared = []string{"postgres", "kafka"}

// TestStreamGroup and TestRelayGroup let three processes share a topic, pause one past the time-out of the group's session
// until others have read its partitions on, and wake it, wherever it is: every event is there once.
func TestStreamGroup(t *testing.T) { pausedInAGroup(t, "postgres", rounds(3)) }
func TestRelayGroup(t *testing.T)  { pausedInAGroup(t, "kafka", rounds(3)) }

func pausedInAGroup(t *testing.T, sink string, pauses int) {
	f := newFlow(t, sink, 6, story{
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
		f.arrived(n, members...)
	}
	more(600)
	f.settled(3)
	for range pauses {
		members[1].signal(syscall.SIGSTOP)
		more(300)
		members[1].signal(syscall.SIGCONT)
	}
	for _, m := range members {
		m.ends(syscall.SIGTERM)
	}
	f.must("run")
	f.eachOnce(n, fmt.Sprintf("after %d pauses of one of three", pauses))
	if f.out == "" {
		f.must("verify")
	}
	t.Logf("three processes, %d pauses of one past its session's time-out, %d events: each once", pauses, n)
}

// settled waits until so many members share the group's partitions, each having some.
func (f *flow) settled(n int) {
	f.Helper()
	admin := kadm.NewClient(f.broker.Client(f.T))
	var group kadm.DescribedGroup
	until(f.T, func() bool {
		groups, err := admin.DescribeGroups(f.Context(), f.group())
		if err != nil {
			f.Fatal(err)
		}
		group = groups[f.group()]
		with := 0
		for _, m := range group.Members {
			if a, ok := m.Assigned.AsConsumer(); ok && len(a.Topics) > 0 {
				with++
			}
		}
		return with == n && group.State == "Stable"
	}, func() string { return fmt.Sprintf("not %d members have partitions: %v", n, group) })
}

// caughtUp waits until the group's committed offsets are at the ends of the topic.
func (f *flow) caughtUp() {
	f.Helper()
	admin := kadm.NewClient(f.broker.Client(f.T))
	var lag kadm.DescribedGroupLag
	until(f.T, func() bool {
		lags, err := admin.Lag(f.Context(), f.group())
		if err != nil {
			f.Fatal(err)
		}
		lag = lags[f.group()]
		return lag.FetchErr == nil && len(lag.Lag) > 0 && lag.Lag.Total() == 0
	}, func() string { return fmt.Sprintf("the group is behind: %v", lag) })
}
