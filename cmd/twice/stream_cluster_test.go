package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/twice-data/twice/stream/kafkatest"
)

// TestRelayToAnotherCluster is refused before anything is done: no transaction spans two clusters.
func TestRelayToAnotherCluster(t *testing.T) {
	c := kafkatest.StartCluster(t)
	f := newRelay(t, 1, story{})
	f.produce(events(0, 3)...)
	here := f.out
	c.Create(t, here, 1)
	for where, out := range map[string]string{"there alone": c.Topic(t, 1), "in both": here} {
		f.out = out
		f.pipeline(story{to: `brokers: ["` + c.Addr + `"]`})
		for _, command := range []string{"plan", "run"} {
			f.refused(2, []string{command}, f.topic+" is in the Kafka cluster", out+" in", "no transaction spans both", "pipelines/t.sql:2",
				"produce to a topic beside the one that is read, and mirror that")
		}
		if n := len(c.Read(t, out, 0)); n != 0 {
			t.Errorf("%s: %d records", where, n)
		}
	}
	f.out = here
	f.pipeline(story{})
	f.must("run")
	f.eachOnce(3, "in one cluster")
}

// visit joins a group for a moment, again and again, until ctx is done: each time partitions come and go. It gives the
// number of visits.
func visit(ctx context.Context, t *testing.T, b *kafkatest.Broker, topic, group string) int {
	visits := 0
	for ctx.Err() == nil {
		cl := b.Client(t, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
			kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.SessionTimeout(2*time.Second), kgo.HeartbeatInterval(300*time.Millisecond))
		wait(ctx, 600*time.Millisecond)
		cl.CloseAllowingRebalance()
		wait(ctx, 400*time.Millisecond)
		visits++
	}
	return visits
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// TestStreamsOutliveBrokers lets three streams follow one topic, into DuckDB, into PostgreSQL and into another topic,
// while brokers are killed and come back and the groups are rebalanced every second, and expects every event once in each.
func TestStreamsOutliveBrokers(t *testing.T) {
	const parts = 6
	c := kafkatest.StartCluster(t)
	topic := c.Topic(t, parts)
	var processes []*started
	var crowd sync.WaitGroup
	ctx, calm := context.WithCancel(t.Context())
	defer calm()
	visits := make([]int, 3)
	var flows []*flow
	for i, sink := range sinks {
		f := flowOf(t, &c.Broker, topic, sink, parts, story{
			options: "batch_time: 50ms, batch_rows: 400, session_timeout: 2s, group: sink-" + sink,
			to:      "key: id, options: {transaction_timeout: 3s}",
		})
		flows = append(flows, f)
		processes = append(processes, f.start("run", "--follow"))
		if sink != "duckdb" { // where one process has the file
			processes = append(processes, f.start("run", "--follow"))
		}
		crowd.Go(func() { visits[i] = visit(ctx, t, &c.Broker, topic, "sink-"+sink) })
	}
	n := 0
	crowd.Go(func() { n = pour(ctx, t, c, topic, parts) })

	kills := rounds(3)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range kills {
		wait(ctx, time.Duration(r.IntN(1000))*time.Millisecond) // the moment is meant to be random
		c.Kill(t, i%3)
		wait(ctx, time.Duration(r.IntN(2000))*time.Millisecond)
		c.Raise(t, i%3)
	}
	calm()
	crowd.Wait()
	for _, p := range processes {
		p.ends(syscall.SIGTERM)
	}
	for i, f := range flows {
		f.must("run")
		f.eachOnce(n, sinks[i])
		if f.out == "" {
			f.must("verify")
		}
		t.Logf("%s: %d events once, %d kills of a broker, %d visits to the group", sinks[i], n, kills, visits[i])
	}
}

// pour produces events until ctx is done, each once, and gives their number.
func pour(ctx context.Context, t *testing.T, c *kafkatest.Cluster, topic string, parts int) int {
	cl := c.Client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))
	n := 0
	for ctx.Err() == nil {
		const some = 100
		records := kafkatest.Lines(topic, parts, events(n, n+some)...)
		if err := cl.ProduceSync(context.WithoutCancel(ctx), records...).FirstErr(); err != nil {
			t.Errorf("events %d to %d: %v", n, n+some, err)
			return n
		}
		n += some
		wait(ctx, 50*time.Millisecond)
	}
	return n
}
