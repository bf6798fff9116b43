package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/twice-data/twice/engine/postgres/pgtest"
	"github.com/twice-data/twice/stream/kafkatest"
)

const trouble = "batch_time: 50ms, batch_rows: 400, session_timeout: 2s"

// newSink is a project that carries a topic of a cluster to one kind of target, by group.
func newSink(t *testing.T, c *kafkatest.Cluster, target, topic string, parts int) (f *relayFlow, group string) {
	t.Helper()
	f = &relayFlow{flow: &flow{world: newWorld(t, nil), broker: &c.Broker, topic: topic, parts: parts, addr: c.Addr}}
	f.env = []string{"TMPDIR=" + t.TempDir()}
	group = "sink-" + target
	options := trouble + ", group: " + group
	switch target {
	case "kafka":
		f.out = c.Topic(t, 3)
		f.story(relayStory{options: options, to: "key: id, options: {transaction_timeout: 3s}"})
		return f, group
	case "postgres":
		f.url = pgtest.Start(t).Database(t)
		f.write("twice.yml", "project: test\ndefault_target: prod\ntargets:\n  prod: {engine: postgres, url: \""+f.url+"\"}\n")
	}
	f.pipeline(story{options: options})
	return f, group
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
	var sinks []*relayFlow
	for i, target := range []string{"duckdb", "postgres", "kafka"} {
		f, group := newSink(t, c, target, topic, parts)
		sinks = append(sinks, f)
		processes = append(processes, f.start("run", "--follow"))
		if target == "duckdb" {
			continue // one process has the file
		}
		processes = append(processes, f.start("run", "--follow"))
		crowd.Go(func() { visits[i] = visit(ctx, t, &c.Broker, topic, group) })
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
		if code := p.end(syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d\n%s", code, p.out.String())
		}
	}
	for i, f := range sinks {
		f.must("run")
		if f.out == "" {
			f.expect(everyEvent, once(n))
			f.must("verify")
		} else {
			f.eachOnce(n, "a topic")
		}
		t.Logf("%s: %d events once, %d kills of a broker, %d visits to the group", []string{"duckdb", "postgres", "kafka"}[i], n, kills, visits[i])
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
