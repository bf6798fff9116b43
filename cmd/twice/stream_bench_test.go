package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/duckdb/duckdb-go/v2"
	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/twice-data/twice/engine/postgres/pgtest"
	"github.com/twice-data/twice/stream/kafkatest"
)

// sample is an event of 200 bytes, as the loops by hand read it.
type sample struct {
	ID  int64  `json:"id"`
	N   int64  `json:"n"`
	Pad string `json:"pad"`
}

func eventOf(i int) []byte {
	return fmt.Appendf(nil, `{"id": %12d, "n": %9d, "pad": "%0150d"}`, i, i%1000, i)
}

const eventColumns = "id BIGINT, n BIGINT, pad VARCHAR"

// BenchmarkStream reads events of 200 bytes into DuckDB and PostgreSQL, by a merge on the event's id, against loops written
// by hand that append the same rows, from the same topic in the same run, one after the other. A loop by hand decodes JSON
// into a struct and hands the rows over by the fastest way that the target has, an Appender or COPY, with a commit each
// second. It knows no repetition, guards nothing, keeps no offsets, and a kill leaves a gap or doubled rows. Both tables of
// PostgreSQL have a unique index on the id, and its commits are on disk.
// TWICE_BENCH_EVENTS says how many.
func BenchmarkStream(b *testing.B) {
	n := number("TWICE_BENCH_EVENTS", 300_000)
	broker := kafkatest.Start(b)
	topic := broker.Topic(b, 4)
	producer := broker.Client(b, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(50_000))
	for i := range n {
		producer.Produce(b.Context(), &kgo.Record{Topic: topic, Partition: int32(i % 4), Value: eventOf(i)}, func(_ *kgo.Record, err error) {
			if err != nil {
				b.Error(err)
			}
		})
	}
	if err := producer.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Run("duckdb", func(b *testing.B) {
		for b.Loop() {
			hand := took(b, func() { byHandDuckDB(b, broker, topic, n) })
			byTwice(b, broker, topic, "{engine: duckdb, path: target.duckdb}", n, hand)
		}
	})
	b.Run("postgres", func(b *testing.B) {
		server := benchServer(b)
		for b.Loop() {
			url := server.Database(b)
			hand := took(b, func() { byHandPostgres(b, broker, topic, url, n) })
			byTwice(b, broker, topic, fmt.Sprintf("{engine: postgres, url: %q}", server.Database(b)), n, hand)
		}
	})
}

// benchServer is a PostgreSQL with the settings of one that is used.
func benchServer(b *testing.B) *pgtest.Server {
	return pgtest.StartWith(b, pgtest.Options{Durable: true, Settings: map[string]string{"shared_buffers": "'512MB'"}})
}

func took(b *testing.B, f func()) time.Duration {
	began := time.Now()
	f()
	if b.Failed() {
		b.FailNow()
	}
	return time.Since(began)
}

// byTwice runs a project of one stream, and reports how it compares with the loop by hand.
func byTwice(b *testing.B, broker *kafkatest.Broker, topic, target string, n int, hand time.Duration) {
	b.Helper()
	var m memory
	took := took(b, func() { m = streamProject(b, broker, topic, target).run("run") })
	b.ReportMetric(float64(n)/hand.Seconds(), "hand-events/s")
	b.ReportMetric(float64(n)/took.Seconds(), "events/s")
	b.ReportMetric(hand.Seconds()/took.Seconds(), "of-hand")
	m.report(b)
}

// byHand consumes n events of a topic, and calls flush each second and at the end.
func byHand(b *testing.B, broker *kafkatest.Broker, topic string, n int, add func(sample) error, flush func() error) {
	cl := broker.Client(b, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer cl.Close()
	flushed := time.Now()
	for n > 0 {
		cl.PollFetches(b.Context()).EachRecord(func(r *kgo.Record) {
			var v sample
			if err := json.Unmarshal(r.Value, &v); err != nil {
				b.Error(err)
			}
			if err := add(v); err != nil {
				b.Error(err)
			}
			n--
		})
		if n <= 0 || time.Since(flushed) > time.Second {
			if err := flush(); err != nil {
				b.Fatal(err)
			}
			flushed = time.Now()
		}
	}
}

func byHandDuckDB(b *testing.B, broker *kafkatest.Broker, topic string, n int) {
	db, err := sql.Open("duckdb", filepath.Join(b.TempDir(), "hand.duckdb"))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(b.Context(), "CREATE TABLE t ("+eventColumns+")"); err != nil {
		b.Fatal(err)
	}
	err = conn.Raw(func(c any) error {
		app, err := duckdb.NewAppenderFromConn(c.(driver.Conn), "", "t")
		if err != nil {
			return err
		}
		byHand(b, broker, topic, n, func(v sample) error { return app.AppendRow(v.ID, v.N, v.Pad) }, app.Flush)
		return app.Close()
	})
	if err != nil {
		b.Fatal(err)
	}
}

func byHandPostgres(b *testing.B, broker *kafkatest.Broker, topic, url string, n int) {
	conn, err := pgx.Connect(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.Background())
	// The key's index is part of the table's shape: whoever reads events by their id has one.
	if _, err := conn.Exec(b.Context(), "CREATE TABLE t ("+eventColumns+"); CREATE UNIQUE INDEX ON t (id)"); err != nil {
		b.Fatal(err)
	}
	var events []sample
	byHand(b, broker, topic, n, func(v sample) error { events = append(events, v); return nil }, func() error {
		_, err := conn.CopyFrom(b.Context(), pgx.Identifier{"t"}, []string{"id", "n", "pad"},
			pgx.CopyFromSlice(len(events), func(i int) ([]any, error) { return []any{events[i].ID, events[i].N, events[i].Pad}, nil }))
		events = events[:0]
		return err
	})
}
