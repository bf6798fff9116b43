package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// steps are what a relay does that lasts, each a point before and after which it is killed.
var steps = []string{
	"join group", "init producer", "committed offsets", "produce", "add offsets", "commit offsets", "end transaction", "leave group",
}

// TestRelayCrash kills a real process with SIGKILL before and after every step of a run of several batches, runs again at
// once, and expects every event once.
func TestRelayCrash(t *testing.T) {
	story := relayStory{options: "batch_rows: 25"}
	f := newRelay(t, 2, story)
	f.produce(events(0, 60)...)
	points := f.trace("run")
	f.eachOnce(60, "a clean run")
	for _, step := range steps {
		if !strings.Contains(strings.Join(points, "\n")+"\n", " "+step+"\n") {
			t.Errorf("%q is no point of\n%s", step, strings.Join(points, "\n"))
		}
	}
	longest := time.Duration(0)
	recover := func(how string) {
		t.Helper()
		began := time.Now()
		f.must("run")
		longest = max(longest, time.Since(began))
		f.eachOnce(60, how)
	}
	cycles := 0
	for i, p := range points {
		if os.Getenv("TWICE_ROUNDS") == "" && i%3 != 0 {
			continue
		}
		f.fresh(story)
		f.produce(events(0, 60)...)
		if !f.killed(crashAt(p), "run") {
			t.Fatalf("point %q was not reached", p)
		}
		recover("killed " + p)
		cycles++
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range rounds(4) {
		first, second := points[r.IntN(len(points))], points[r.IntN(len(points))]
		f.fresh(story)
		f.produce(events(0, 60)...)
		f.killed(crashAt(first), "run")
		f.killed(crashAt(second), "run")
		recover(fmt.Sprintf("killed %s, then %s", first, second))
		cycles++
	}
	t.Logf("%d points, %d crashes: every event once; the next run took at most %s", len(points), cycles, longest)
}

// TestRelayKilledAtRandom kills processes that follow at random moments while events come, and expects every one once.
// Some have a place with a name in the group, and some have none: what these leave open ends by itself.
func TestRelayKilledAtRandom(t *testing.T) {
	for _, name := range []string{"named", "nameless"} {
		t.Run(name, func(t *testing.T) {
			s := relayStory{
				options: "batch_rows: 300, batch_time: 20ms, session_timeout: 1s",
				to:      "key: id, options: {transaction_timeout: 1s}",
			}
			kills, n := rounds(8), 0
			if name == "named" {
				s.options += ", instance_id: only"
			} else {
				kills = max(1, kills/3)
			}
			f := newRelay(t, 3, s)
			r := rand.New(rand.NewPCG(7, 8))
			for range kills {
				p := f.start("run", "--follow")
				for range 3 {
					f.produce(events(n, n+200)...)
					n += 200
				}
				time.Sleep(time.Duration(r.IntN(900)) * time.Millisecond) // the moment is meant to be random
				if p.end(syscall.SIGKILL) != -1 {
					t.Fatalf("it ended by itself:\n%s", p.out.String())
				}
			}
			f.produce(events(n, n+100)...)
			n += 100
			began := time.Now()
			f.must("run")
			took := time.Since(began)
			f.eachOnce(n, name)
			t.Logf("%d kills at random moments, %d events: each once; the last run took %s", kills, n, took)
		})
	}
}

// awaitOut waits until a reader of the output sees so many records.
func (f *relayFlow) awaitOut(n int, s ...*started) {
	f.Helper()
	deadline := time.Now().Add(time.Minute)
	for len(f.produced()) < n {
		if time.Now().After(deadline) {
			text := ""
			for _, p := range s {
				text += p.out.String() + "\n"
			}
			f.Fatalf("%d records of %d\n%s", len(f.produced()), n, text)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
