package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/twice-data/twice/stream/kafkatest"
)

// BenchmarkStreamLatency follows a topic to which events of 200 bytes come at an even rate, and reports how long after Kafka
// has acknowledged them they are committed in the target, and the memory of the process that follows.
// TWICE_BENCH_RATE says how many come in a second, TWICE_BENCH_SECONDS for how long, TWICE_BENCH_MEMORY what DuckDB may keep:
// until it keeps so much it grows by the table's size in the file, 28 bytes an event, so that a short run shows nothing else.
func BenchmarkStreamLatency(b *testing.B) {
	rate, seconds := number("TWICE_BENCH_RATE", 100_000), number("TWICE_BENCH_SECONDS", 10)
	limit := cmp.Or(os.Getenv("TWICE_BENCH_MEMORY"), "128MB")
	broker := kafkatest.Start(b)
	b.Run("duckdb", func(b *testing.B) {
		for b.Loop() {
			follow(b, broker, fmt.Sprintf("{engine: duckdb, path: target.duckdb, memory: %s}", limit), rate, seconds)
		}
	})
	b.Run("postgres", func(b *testing.B) {
		server := benchServer(b)
		for b.Loop() {
			follow(b, broker, fmt.Sprintf("{engine: postgres, url: %q}", server.Database(b)), rate, seconds)
		}
	})
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

const latencyParts = 4

// arrivals are when Kafka had acknowledged each record.
type arrivals struct {
	sync.Mutex
	at [latencyParts][]int64 // by offset, in microseconds since 1970

	waits []time.Duration // of what was committed
	want  int
	done  func() // called when everything is committed
}

// told reads a line of JSON that a run says.
func (a *arrivals) told(line []byte) {
	now := time.Now()
	var l windowLine
	if json.Unmarshal(line, &l) != nil {
		return
	}
	a.Lock()
	defer a.Unlock()
	for _, span := range l.Offsets {
		for o := span.From; o < span.To; o++ {
			wait := time.Duration(0) // the acknowledgement is on its way
			if at := a.at[span.Partition]; o < int64(len(at)) {
				wait = now.Sub(time.UnixMicro(at[o]))
			}
			a.waits = append(a.waits, wait)
		}
	}
	if len(a.waits) >= a.want && a.done != nil {
		a.done()
		a.done = nil
	}
}

func follow(b *testing.B, broker *kafkatest.Broker, target string, rate, seconds int) {
	topic := broker.Topic(b, latencyParts)
	s := streamProject(b, broker, topic, target)
	a := &arrivals{done: func() { close(s.stop) }, want: rate * seconds}
	s.line = a.told
	var wg sync.WaitGroup
	wg.Go(func() { a.produce(b, broker, topic, rate) })
	m := s.run("run", "--follow", "--json")
	wg.Wait()
	slices.Sort(a.waits)
	b.ReportMetric(a.waits[len(a.waits)*99/100].Seconds(), "p99-s")
	b.ReportMetric(a.waits[len(a.waits)/2].Seconds(), "p50-s")
	m.report(b)
}

// produce sends events at an even rate, a hundred times a second.
func (a *arrivals) produce(b *testing.B, broker *kafkatest.Broker, topic string, rate int) {
	cl := broker.Client(b, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(2*rate))
	began := time.Now()
	for i := range a.want {
		if i%(rate/100) == 0 {
			time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(rate))))
		}
		record := &kgo.Record{Topic: topic, Partition: int32(i % latencyParts), Value: eventOf(i)}
		cl.Produce(b.Context(), record, func(r *kgo.Record, err error) {
			if err != nil {
				b.Error(err)
			}
			a.Lock()
			defer a.Unlock()
			a.at[r.Partition] = append(a.at[r.Partition], time.Now().UnixMicro()) // offset by offset
		})
	}
	if err := cl.Flush(b.Context()); err != nil {
		b.Error(err)
	}
}
