package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/twice-data/twice/engine/postgres/pgtest"
	"github.com/twice-data/twice/stream/kafkatest"
)

// BenchmarkStreamLatency follows a topic to which events of 200 bytes come at an even rate, and reports how long after Kafka
// has acknowledged them they are committed in the target, and the memory in the two halves of the time.
// TWICE_BENCH_RATE says how many come in a second, TWICE_BENCH_SECONDS for how long.
func BenchmarkStreamLatency(b *testing.B) {
	rate, seconds := number("TWICE_BENCH_RATE", 100_000), number("TWICE_BENCH_SECONDS", 10)
	broker := kafkatest.Start(b)
	b.Run("duckdb", func(b *testing.B) {
		for b.Loop() {
			follow(b, broker, "{engine: duckdb, path: target.duckdb}", rate, seconds)
		}
	})
	b.Run("postgres", func(b *testing.B) {
		server := pgtest.Start(b)
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

// arrivals are when Kafka had acknowledged each record. What they take is there from the beginning, not to count as growth.
type arrivals struct {
	sync.Mutex
	at [latencyParts][]int64 // by offset, in microseconds since 1970

	waits []time.Duration // of what was committed
	want  int
	done  func() // called when everything is committed
}

// Write reads the lines of JSON that a run says.
func (a *arrivals) Write(p []byte) (int, error) {
	now := time.Now()
	a.Lock()
	defer a.Unlock()
	for line := range bytes.Lines(p) {
		var l windowLine
		if json.Unmarshal(line, &l) != nil {
			continue
		}
		for _, span := range l.Offsets {
			for o := span.From; o < span.To; o++ {
				wait := time.Duration(0) // the acknowledgement is on its way
				if at := a.at[span.Partition]; o < int64(len(at)) {
					wait = now.Sub(time.UnixMicro(at[o]))
				}
				a.waits = append(a.waits, wait)
			}
		}
	}
	if len(a.waits) >= a.want {
		a.done()
	}
	return len(p), nil
}

func follow(b *testing.B, broker *kafkatest.Broker, target string, rate, seconds int) {
	debug.FreeOSMemory()
	topic := broker.Topic(b, latencyParts)
	ctx, done := context.WithCancel(b.Context())
	a := &arrivals{done: done, want: rate * seconds, waits: make([]time.Duration, 0, rate*seconds)}
	for p := range a.at {
		a.at[p] = make([]int64, 0, a.want/latencyParts+1)
	}
	var wg sync.WaitGroup
	wg.Go(func() { a.produce(b, broker, topic, rate) })
	var halves [2]int
	wg.Go(func() {
		began := time.Now()
		for ctx.Err() == nil {
			half := min(1, int(2*time.Since(began)/(time.Duration(seconds)*time.Second)))
			halves[half] = max(halves[half], resident(b))
			time.Sleep(100 * time.Millisecond)
		}
	})
	runTwice(b, ctx, a, broker, topic, target, "run", "--follow", "--json")
	wg.Wait()
	slices.Sort(a.waits)
	b.ReportMetric(a.waits[len(a.waits)*99/100].Seconds(), "p99-s")
	b.ReportMetric(a.waits[len(a.waits)/2].Seconds(), "p50-s")
	b.ReportMetric(float64(halves[0]), "first-half-MB")
	b.ReportMetric(float64(halves[1]), "second-half-MB")
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

// resident is the process's memory in MB, without that of its children.
func resident(b *testing.B) int {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip("no /proc here")
	}
	pages, err := strconv.Atoi(string(bytes.Fields(text)[1]))
	if err != nil {
		b.Fatal(err)
	}
	return pages * os.Getpagesize() >> 20
}
