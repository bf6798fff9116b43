package main

import (
	"testing"

	"github.com/twice-data/twice/stream/kafkatest"
)

// TestStreamsNoticeReplacedRecords makes a broker leader that lacks records which were read, and gives it others at their
// offsets, up to behind them: each offset is there, and the end is larger than ever.
func TestStreamsNoticeReplacedRecords(t *testing.T) {
	const leader, follower = 0, 1
	c := kafkatest.StartCluster(t)
	topic := c.Fragile(t, leader, follower)
	var sinks []*relayFlow
	for _, target := range []string{"duckdb", "postgres", "kafka"} {
		f, _ := newSink(t, c, target, topic, 1)
		sinks = append(sinks, f)
	}
	all := func(do func(f *relayFlow)) {
		for _, f := range sinks {
			do(f)
		}
	}
	run := func(f *relayFlow) { f.must("run") }

	c.Produce(t, kafkatest.Lines(topic, 1, events(0, 5)...)...)
	all(run)
	c.Kill(t, follower)
	c.Leads(t, leader, topic, true)
	c.Produce(t, kafkatest.Lines(topic, 1, events(5, 8)...)...)
	all(run)

	c.Kill(t, leader)
	defer c.Raise(t, leader)
	c.Wake(t, follower)
	c.Leads(t, follower, topic, false)
	c.Produce(t, kafkatest.Lines(topic, 1, events(8, 14)...)...)
	all(func(f *relayFlow) {
		f.refused(1, []string{"run"}, "partition 0 of "+topic+": the offsets [5, 8) are other records than were read", "--accept-loss 0:8..5")
		f.must("run", "--accept-loss", "0:8..5")
		f.must("run")
		if f.out != "" {
			f.eachOnce(14, "a relay")
			return
		}
		f.expect(everyEvent, once(14))
		f.expect("SELECT cause || ' ' || from_offset || ' ' || to_offset FROM twice.losses", "replaced 8 5")
	})
}
