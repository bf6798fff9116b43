package main

import (
	"strings"
	"testing"
)

// steps are what a relay does that lasts, each a point before and after which it is killed.
var steps = []string{
	"join group", "init producer", "committed offsets", "produce", "add offsets", "commit offsets", "end transaction", "leave group",
}

// TestRelayCrash kills a run of several batches at its points, and expects every event once.
func TestRelayCrash(t *testing.T) {
	f := newRelay(t, 2, story{options: "batch_rows: 25"})
	f.produce(events(0, 60)...)
	points := f.trace("run")
	f.eachOnce(60, "a clean run")
	for _, step := range steps {
		if !strings.Contains(strings.Join(points, "\n")+"\n", " "+step+"\n") {
			t.Errorf("%q is no point of\n%s", step, strings.Join(points, "\n"))
		}
	}
	f.crash(crashes{points: points, step: 3, pairs: rounds(4), again: f.again, holds: func(how string) { f.eachOnce(60, how) }})
}

// TestRelayKilledAtRandom kills processes that have a place with a name in the group, and some that have none: what these
// leave open ends by itself.
func TestRelayKilledAtRandom(t *testing.T) {
	s := story{options: "batch_rows: 300, batch_time: 20ms, session_timeout: 1s", to: "key: id, options: {transaction_timeout: 1s}"}
	t.Run("nameless", func(t *testing.T) { newRelay(t, 3, s).killedFollowing(rounds(2)) })
	t.Run("named", func(t *testing.T) {
		s := s
		s.options += ", instance_id: only"
		newRelay(t, 3, s).killedFollowing(rounds(8))
	})
}
