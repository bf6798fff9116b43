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
	flows := flowsOf(t, &c.Broker, topic, 1, story{options: "batch_rows: 400, session_timeout: 2s"})
	all := func(do func(f *flow)) {
		for _, f := range flows {
			do(f)
		}
	}
	run := func(f *flow) { f.must("run") }

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
	all(func(f *flow) {
		f.refused(1, []string{"run"}, "partition 0 of "+topic+": the offsets [5, 8) are other records than were read", "--accept-loss 0:8..5")
		f.must("run", "--accept-loss", "0:8..5")
		f.must("run")
		f.eachOnce(14, "other records in their place")
		if f.out != "" {
			return
		}
		f.expect("SELECT cause || ' ' || from_offset || ' ' || to_offset FROM twice.losses", "replaced 8 5")
	})
}
