package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"github.com/twice-data/twice/stream/kafkatest"
)

// short is a story of processes that do not wait long for a broker.
var short = story{
	options: "batch_time: 20ms, batch_rows: 4, session_timeout: 2s, retry_time: 1s", to: "key: id, options: {transaction_timeout: 2s}",
}

// gaveUp expects that a process ended since the broker was away, and that it says so.
func (f *flow) gaveUp(code int, said string) {
	f.Helper()
	for _, text := range []string{"committed  t", "failed     t", "pipelines/t.sql:", "the brokers " + f.addr, f.topic, "see whether"} {
		if !strings.Contains(said, text) {
			f.Errorf("nothing is said of %q:\n%s", text, said)
		}
	}
	if code != 1 {
		f.Errorf("exit code %d\n%s", code, said)
	}
}

// TestBrokerGoesWhileProcessesFollow takes the broker away from processes that follow. They wait for it for retry_time, end,
// and say whom they miss. Those that have the broker back in time go on.
func TestBrokerGoesWhileProcessesFollow(t *testing.T) {
	b := kafkatest.Start(t)
	flows := flowsOf(t, b, b.Topic(t, 2), 2, short)
	follow := func() (ps []*started) {
		for _, f := range flows {
			ps = append(ps, f.start("run", "--follow"))
		}
		for _, p := range ps {
			p.says("committed  t", 1)
		}
		return ps
	}
	flows[0].produce(events(0, 100)...)
	ps := follow()
	b.Stop(t)
	for i, p := range ps {
		_ = p.Wait()
		flows[i].gaveUp(p.ProcessState.ExitCode(), p.said.String())
	}
	b.Restart(t)
	flows[0].produce(events(100, 200)...)
	patient := short
	patient.options = strings.Replace(short.options, "retry_time: 1s", "retry_time: 1m", 1)
	for _, f := range flows {
		f.pipeline(patient)
	}
	ps = follow()
	b.Stop(t)
	b.Restart(t)
	var before []int
	for _, p := range ps {
		before = append(before, strings.Count(p.said.String(), "committed  t"))
	}
	flows[0].produce(events(200, 300)...)
	for i, p := range ps {
		p.says("committed  t", before[i]+1)
		p.ends(syscall.SIGTERM)
	}
	for i, f := range flows {
		f.must("run")
		f.eachOnce(300, sinks[i]+", without the broker for a time")
	}
}

// TestBrokerGoesInTheMiddleOfARun takes the broker away from runs that have committed some batches, and not yet fetched
// others. What is committed stays, the runs end with 1, and the next ones go on there.
func TestBrokerGoesInTheMiddleOfARun(t *testing.T) {
	b := kafkatest.Start(t)
	flows := flowsOf(t, b, b.Topic(t, 1), 1, short)
	const n = 60
	r := rand.New(rand.NewPCG(15, 16))
	for _, line := range events(0, n) { // more than a broker gives at once, however well it is packed
		pad := make([]byte, 900_000)
		for i := range pad {
			pad[i] = byte('0' + r.IntN(43))
		}
		flows[0].produce(strings.Replace(line, "}", fmt.Sprintf(`, "pad": %q}`, strings.ReplaceAll(string(pad), `\`, "/")), 1))
	}
	var halfway []*asleep
	for _, f := range flows {
		points := f.trace("run")
		f.again()
		halfway = append(halfway, f.sleep(crashAt(points[len(points)/3]), "run"))
	}
	b.Stop(t)
	for i, p := range halfway {
		end := p.wake()
		flows[i].gaveUp(end.code, end.stdout)
	}
	b.Restart(t)
	for i, f := range flows {
		f.must("run")
		f.eachOnce(n, sinks[i]+", the broker went")
	}
}
