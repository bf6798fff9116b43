package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/duckdb/duckdb-go/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/twice-data/twice/stream/kafkatest"
)

// BenchmarkStream reads events of 200 bytes into DuckDB, by a merge on the event's id, against a loop written by hand that
// appends the same rows without any guarantee, from the same topic in the same run. TWICE_BENCH_EVENTS says how many.
func BenchmarkStream(b *testing.B) {
	n := 300_000
	if text := os.Getenv("TWICE_BENCH_EVENTS"); text != "" {
		n, _ = strconv.Atoi(text)
	}
	broker := kafkatest.Start(b)
	topic := broker.Topic(b, 4)
	pad := strings.Repeat("x", 150)
	producer := broker.Client(b, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(50_000))
	for i := range n {
		value := fmt.Sprintf(`{"id": %12d, "n": %9d, "pad": "%s"}`, i, i%1000, pad)
		producer.Produce(b.Context(), &kgo.Record{Topic: topic, Partition: int32(i % 4), Value: []byte(value)}, func(_ *kgo.Record, err error) {
			if err != nil {
				b.Error(err)
			}
		})
	}
	if err := producer.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		began := time.Now()
		byHand(b, broker, topic, n)
		hand := time.Since(began)

		dir := b.TempDir()
		for path, text := range map[string]string{
			"twice.yml": "project: bench\ndefault_target: dev\ntargets:\n  dev: {engine: duckdb, path: target.duckdb}\n",
			"pipelines/t.sql": fmt.Sprintf("/* @twice\nwrite: merge\nunique_key: [id]\ninputs:\n  feed:\n    kafka: {brokers: [\"%s\"], topic: %s}\n"+
				"    format: json\n    columns: {id: bigint, n: bigint, pad: varchar}\n*/\nselect id, n, pad from feed\n", broker.Addr, topic),
		} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755); err != nil {
				b.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o644); err != nil {
				b.Fatal(err)
			}
		}
		began = time.Now()
		a := &app{stdout: new(strings.Builder), stderr: os.Stderr, env: os.LookupEnv, now: time.Now, dir: dir}
		if code := a.main(context.Background(), []string{"run", "--project", dir}); code != 0 {
			b.Fatal(a.stdout)
		}
		took := time.Since(began)
		b.ReportMetric(float64(n)/hand.Seconds(), "hand-events/s")
		b.ReportMetric(float64(n)/took.Seconds(), "events/s")
		b.ReportMetric(hand.Seconds()/took.Seconds(), "of-hand")
	}
}

// byHand consumes a topic and appends its rows, with a flush each second.
func byHand(b *testing.B, broker *kafkatest.Broker, topic string, n int) {
	cl := broker.Client(b, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
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
	if _, err := conn.ExecContext(b.Context(), "CREATE TABLE t (id BIGINT, n BIGINT, pad VARCHAR)"); err != nil {
		b.Fatal(err)
	}
	err = conn.Raw(func(c any) error {
		app, err := duckdb.NewAppenderFromConn(c.(driver.Conn), "", "t")
		if err != nil {
			return err
		}
		flushed := time.Now()
		for n > 0 {
			cl.PollFetches(b.Context()).EachRecord(func(r *kgo.Record) {
				var v struct {
					ID  int64  `json:"id"`
					N   int64  `json:"n"`
					Pad string `json:"pad"`
				}
				if err := json.Unmarshal(r.Value, &v); err != nil {
					b.Error(err)
				}
				if err := app.AppendRow(v.ID, v.N, v.Pad); err != nil {
					b.Error(err)
				}
				n--
			})
			if time.Since(flushed) > time.Second {
				if err := app.Flush(); err != nil {
					return err
				}
				flushed = time.Now()
			}
		}
		return app.Close()
	})
	if err != nil {
		b.Fatal(err)
	}
}
