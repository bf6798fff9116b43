package kafkatest

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Read gives the records of a topic that a read_committed reader sees now, partition by partition in order. It fails
// where a transaction is open for longer than wait.
func (b *Broker) Read(t testing.TB, topic string, wait time.Duration) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), wait+time.Minute)
	defer cancel()
	admin := kadm.NewClient(b.Client(t))
	ends := map[int32]int64{}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		stable, err1 := admin.ListCommittedOffsets(ctx, topic)
		all, err2 := admin.ListEndOffsets(ctx, topic)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		open := false
		all.Each(func(o kadm.ListedOffset) {
			end, _ := stable.Lookup(topic, o.Partition)
			ends[o.Partition] = end.Offset
			open = open || end.Offset != o.Offset
		})
		if !open {
			break
		}
		if time.Since(began) > wait {
			t.Fatalf("a transaction in %s is open for more than %s", topic, wait)
		}
	}
	return b.read(ctx, t, topic, ends)
}

// read consumes up to ends. Markers are kept, since each transaction ends with one: the last offset is always seen.
func (b *Broker) read(ctx context.Context, t testing.TB, topic string, ends map[int32]int64) []*kgo.Record {
	t.Helper()
	from := map[int32]kgo.Offset{}
	for part, end := range ends {
		if end > 0 {
			from[part] = kgo.NewOffset().AtStart()
		}
	}
	if len(from) == 0 {
		return nil
	}
	cl := b.Client(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}), kgo.KeepControlRecords(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(50*time.Millisecond))
	defer cl.Close()
	parts := make([][]*kgo.Record, len(ends))
	for len(from) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			t.Fatalf("reading %s: %v", topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() && r.Offset < ends[r.Partition] {
				parts[r.Partition] = append(parts[r.Partition], r)
			}
			if r.Offset >= ends[r.Partition]-1 {
				delete(from, r.Partition)
			}
		})
	}
	var records []*kgo.Record
	for _, rs := range parts {
		records = append(records, rs...)
	}
	return records
}
