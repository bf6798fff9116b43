package stream

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/twice-data/twice"
)

// span is what was fetched of a partition: the records among the offsets [from, to).
type span struct {
	from, to int64
	records  []*kgo.Record
}

// Batch is the records of chosen offset ranges.
type Batch struct {
	Spans   []twice.OffsetSpan // sorted by partition; none is empty
	Schemas []int              // the registry's ids of those that records were written with; known when they are parsed
	epochs  map[int32]int32    // in which each partition's last records were written
	records []*kgo.Record      // in the order of Spans, and of their offsets
	poison  []Poison           // records of a log that are found out before they are parsed
	seen    int                // of a log: records and poison
	bytes   int
}

// Rows counts the records.
func (b *Batch) Rows() int { return len(b.records) + len(b.poison) }

// Value is the value of the batch's record at an offset of a partition, or nil.
func (b *Batch) Value(part int32, offset int64) []byte {
	i, found := slices.BinarySearchFunc(b.records, offset, func(r *kgo.Record, at int64) int {
		return cmp.Or(cmp.Compare(r.Partition, part), cmp.Compare(r.Offset, at))
	})
	if !found {
		return nil
	}
	return b.records[i].Value
}

// Release lets go of the records, once they are rows: together both are most of what a stream has in memory.
func (b *Batch) Release() { b.records = nil }

// Next is where each partition of the batch goes on.
func (b *Batch) Next() map[int32]int64 {
	next := map[int32]int64{}
	for _, sp := range b.Spans {
		next[sp.Partition] = sp.To
	}
	return next
}

// fetchWait is how long a broker may hold an answer back until there is something to say; fetchBytes is about how much it
// then says at once.
const (
	fetchWait  = 500 * time.Millisecond
	fetchBytes = 16 << 20
)

// Fetch chooses the next batch: of each partition in from, offsets from there on, and none from until on. It ends as soon
// as it holds as many rows or bytes as a batch may, or everything, or as its time is over and it holds something. Without
// anything to give it waits until ctx is done.
func (s *Source) Fetch(ctx context.Context, from, until map[int32]int64) (*Batch, error) {
	at := map[int32]int64{}
	var parts []int32
	for p, o := range from {
		if o < until[p] {
			at[p] = o
			parts = append(parts, p)
		}
	}
	slices.Sort(parts)
	taken := map[int32][]*kgo.Record{}
	b := &Batch{epochs: map[int32]int32{}}
	began := time.Now()
	for {
		full := false
		for _, p := range parts {
			full = s.take(b, taken, at, p, until[p]) || full
		}
		var lacking []int32
		moved := false
		for _, p := range parts {
			moved = moved || at[p] > from[p]
			if at[p] < until[p] {
				lacking = append(lacking, p)
			}
		}
		if full || len(lacking) == 0 || moved && time.Since(began) >= s.opts.time {
			break
		}
		if err := s.fetch(ctx, at, lacking); err != nil {
			return nil, err
		}
	}
	for _, p := range parts {
		if at[p] > from[p] {
			b.Spans = append(b.Spans, twice.OffsetSpan{Topic: s.in.Kafka.Topic, Partition: p, From: from[p], To: at[p]})
			b.records = append(b.records, taken[p]...)
			b.epochs[p] = s.epochs[p].before(at[p])
		}
	}
	return b, nil
}

// take moves what was fetched ahead of a partition into the batch, and says whether the batch is full.
func (s *Source) take(b *Batch, taken map[int32][]*kgo.Record, at map[int32]int64, p int32, until int64) bool {
	ahead := s.ahead[p]
	if ahead == nil {
		return false
	}
	if ahead.from != at[p] {
		delete(s.ahead, p)
		return false
	}
	rows := sum(taken)
	n := 0
	for ; n < len(ahead.records); n++ {
		r := ahead.records[n]
		if r.Offset >= until {
			break
		}
		weight := weigh(r)
		if rows+n >= s.opts.rows || b.bytes+weight > s.opts.bytes && rows+n > 0 {
			at[p] = r.Offset
			s.cut(taken, p, n, r.Offset)
			return true
		}
		b.bytes += weight
	}
	at[p] = min(ahead.to, until)
	s.cut(taken, p, n, at[p])
	return false
}

// cut splits what was fetched ahead of a partition at an offset.
func (s *Source) cut(taken map[int32][]*kgo.Record, p int32, n int, at int64) {
	ahead := s.ahead[p]
	taken[p] = append(taken[p], ahead.records[:n]...)
	if at >= ahead.to {
		delete(s.ahead, p)
		return
	}
	s.ahead[p] = &span{from: at, to: ahead.to, records: ahead.records[n:]}
}

func sum(taken map[int32][]*kgo.Record) int {
	n := 0
	for _, rs := range taken {
		n += len(rs)
	}
	return n
}

func weigh(r *kgo.Record) int {
	n := len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

// More asks once whether there are records at the partitions' offsets, and waits a moment for them.
func (s *Source) More(ctx context.Context, at map[int32]int64) (bool, error) {
	var parts []int32
	for p, o := range at {
		if ahead := s.ahead[p]; ahead != nil && ahead.from == o {
			return true, nil
		}
		parts = append(parts, p)
	}
	if err := s.fetch(ctx, at, parts); err != nil {
		return false, err
	}
	for _, p := range parts {
		if ahead := s.ahead[p]; ahead != nil && ahead.from == at[p] {
			return true, nil
		}
	}
	return false, nil
}

// BatchTime is how long a batch gathers.
func (s *Source) BatchTime() time.Duration { return s.opts.time }

// fetch asks each leader once for what comes at the partitions' offsets, and keeps it ahead.
func (s *Source) fetch(ctx context.Context, at map[int32]int64, parts []int32) error {
	return s.persist(ctx, func() error { return s.fetchOnce(ctx, at, parts) })
}

func (s *Source) fetchOnce(ctx context.Context, at map[int32]int64, parts []int32) error {
	if s.leaders == nil {
		if err := s.lead(ctx); err != nil {
			return err
		}
	}
	led := map[int32][]int32{}
	for _, p := range parts {
		led[s.leaders[p]] = append(led[s.leaders[p]], p)
	}
	for leader, ps := range led {
		err := s.ask(ctx, leader, at, ps)
		if movedOn(err) {
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
			if err := s.lead(ctx); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return s.explain(err)
		}
	}
	return ctx.Err()
}

// movedOn says whether another broker may know.
func movedOn(err error) bool { return err != nil && away(err) }

func (s *Source) ask(ctx context.Context, leader int32, at map[int32]int64, parts []int32) error {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = int32(fetchWait.Milliseconds()), 1, fetchBytes
	req.IsolationLevel, req.SessionEpoch = 1, -1
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = s.in.Kafka.Topic, s.id
	for _, p := range parts {
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.LastFetchedEpoch = s.epochs[p].before(at[p])
		rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = p, at[p], max(1<<20, fetchBytes/int32(len(parts)))
		topic.Partitions = append(topic.Partitions, rp)
	}
	req.Topics = append(req.Topics, topic)
	if leader < 0 {
		return kerr.LeaderNotAvailable
	}
	raw, err := s.cl.Broker(int(leader)).RetriableRequest(ctx, req)
	if err != nil {
		return err
	}
	resp := raw.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return err
	}
	for _, t := range resp.Topics {
		for i := range t.Partitions {
			if err := s.keep(&t.Partitions[i], at); err != nil {
				return err
			}
		}
	}
	return nil
}

// keep parses one partition's part of an answer.
func (s *Source) keep(rp *kmsg.FetchResponseTopicPartition, at map[int32]int64) error {
	from := at[rp.Partition]
	if errors.Is(kerr.ErrorForCode(rp.ErrorCode), kerr.OffsetOutOfRange) {
		return s.place(twice.Errorf("stream-gap", "partition %d of %s no longer has the offset %d, only [%d, %d)",
			rp.Partition, s.in.Kafka.Topic, from, rp.LogStartOffset, rp.HighWatermark).
			WithNext("twice run %s says which range is missing", s.p.Name))
	}
	if end := rp.DivergingEpoch.EndOffset; end >= 0 {
		delete(s.epochs, rp.Partition)
		return s.place(twice.Errorf("stream-gap", "partition %d of %s has other records from the offset %d on than when they were read up to %d: "+
			"its leader was lost, and another took its place that did not have them", rp.Partition, s.in.Kafka.Topic, min(end, from), from).
			WithNext("twice run %s says which range is missing", s.p.Name))
	}
	opts := kgo.ProcessFetchPartitionOpts{
		Offset: from, IsolationLevel: kgo.ReadCommitted(), Topic: s.in.Kafka.Topic, Partition: rp.Partition,
	}
	fp, next := kgo.ProcessFetchPartition(opts, rp, kgo.DefaultDecompressor(), nil)
	if fp.Err != nil {
		return fp.Err
	}
	if next > from {
		s.epochs[rp.Partition] = s.epochs[rp.Partition].noted(from, next, rp.RecordBatches)
		s.ahead[rp.Partition] = &span{from: from, to: next, records: fp.Records}
	}
	return nil
}
