package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// crashes are kills of the program at the points of a run, and what must hold when it has been run again.
type crashes struct {
	args   []string         // of the program; default: run
	points []string         // that a run passes: a trace
	step   int              // one of so many points; odd, so that it strikes before statements and after them. TWICE_ROUNDS: each
	pairs  int              // of points; the second kill strikes the run that cleans up after the first
	again  func()           // makes the state in which the run begins
	holds  func(how string) // looks at what came out
}

// crash kills real processes with SIGKILL before and after what they do, and runs each again at once to its end.
func (w *world) crash(c crashes) {
	w.Helper()
	if c.args == nil {
		c.args = []string{"run"}
	}
	if os.Getenv("TWICE_ROUNDS") != "" {
		c.step = 1
	}
	singles := 0
	for i := 0; i < len(c.points); i += c.step {
		c.again()
		if !w.killed(crashAt(c.points[i]), c.args...) {
			w.Fatalf("point %q was not reached", c.points[i])
		}
		w.must(c.args...)
		c.holds("killed " + c.points[i])
		singles++
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range c.pairs {
		first, second := c.points[r.IntN(len(c.points))], c.points[r.IntN(len(c.points))]
		c.again()
		w.killed(crashAt(first), c.args...)
		w.killed(crashAt(second), c.args...)
		w.must(c.args...)
		c.holds(fmt.Sprintf("killed %s, then %s", first, second))
	}
	w.Logf("%d points, each before or after a step: killed at %d of them, and at %d pairs of them; all recovered from", len(c.points), singles, c.pairs)
}

func crashAt(point string) string {
	f := strings.Fields(point)
	return f[0] + ":" + f[1]
}

// pointsOf picks the points of a trace that are of one side and kind: "before", "fence".
func pointsOf(trace []string, side, name string) (at []string) {
	for _, p := range trace {
		f := strings.SplitN(p, " ", 3)
		if f[0] == side && f[2] == name {
			at = append(at, fmt.Sprintf("%s:%s", f[0], f[1]))
		}
	}
	return at
}

// rounds is how often a test that rolls dice does so: TWICE_ROUNDS, or fewer.
func rounds(few int) int {
	if n, err := strconv.Atoi(os.Getenv("TWICE_ROUNDS")); err == nil {
		return n
	}
	return few
}

// killedFollowing kills processes that follow at random moments while events come, lets one run to its end, and expects
// every event once.
func (f *flow) killedFollowing(kills int) {
	f.Helper()
	r := rand.New(rand.NewPCG(7, 8))
	n := 0
	for range kills {
		s := f.start("run", "--follow")
		for range 3 {
			f.produce(events(n, n+200)...)
			n += 200
		}
		time.Sleep(time.Duration(r.IntN(900)) * time.Millisecond) // the moment is meant to be random
		if s.end(syscall.SIGKILL) != -1 {
			f.Fatalf("it ended by itself:\n%s", s.said.String())
		}
	}
	f.produce(events(n, n+100)...)
	n += 100
	began := time.Now()
	f.must("run")
	took := time.Since(began)
	f.eachOnce(n, fmt.Sprintf("after %d kills", kills))
	f.Logf("%d kills at random moments, %d events: each once; the last run took %s", kills, n, took.Round(time.Millisecond))
}

// struckOnce kills a run at a random moment, and lets another one end.
func (f *flow) struckOnce(most time.Duration) {
	f.Helper()
	f.strike(rand.N(most))
	f.must("run")
}

// strike kills a run after d, and says whether it was still at work.
func (f *flow) strike(d time.Duration) bool {
	f.Helper()
	s := f.start("run")
	time.Sleep(d) // the moment is meant to be random
	return s.end(syscall.SIGKILL) == -1
}

// deliver publishes lines bit by bit, and kills the run that reads each bit at a random moment, until so many were struck
// at work. Then come the other lines, and a run that ends.
func (f *flow) deliver(lines [][]byte, kills int) {
	f.Helper()
	began := time.Now()
	r := rand.New(rand.NewPCG(9, 10))
	bit := 1 + len(lines)/(4*kills+8)
	most, runs, struck := time.Second, 0, 0
	for struck < kills && len(lines) > 0 {
		n := min(bit, len(lines))
		f.publish(lines[:n])
		lines = lines[n:]
		runs++
		if f.strike(time.Duration(r.Int64N(int64(most)))) {
			struck++
			most += most / 5
		} else { // it was too fast
			most -= most / 3
		}
	}
	if struck < kills {
		f.Errorf("%d of %d runs were killed, %d should have been", struck, runs, kills)
	}
	f.publish(lines)
	f.must("run")
	f.Logf("%d of %d runs were killed at work, at random moments: %s", struck, runs, time.Since(began).Round(time.Millisecond))
}
