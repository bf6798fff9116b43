package main

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twice-data/twice/stream/kafkatest"
)

// eventsSQL is a stream of events with an id, by key and rest of the header.
const eventsSQL = `/* @twice
write: merge
unique_key: [id]
inputs:
  feed:
    kafka: {brokers: ["%s"], topic: %s%s}
    format: json%s
    columns: [{name: id, type: bigint}, {name: n, type: bigint}]
*/
select id, n from feed
`

// streamWorld is a project whose table t is filled from a topic.
func streamWorld(t *testing.T, b *kafkatest.Broker, topic, options, onError string) *world {
	if onError != "" {
		onError = "\n    on_error: " + onError
	}
	if options != "" {
		options = ", options: {" + options + "}"
	}
	return newWorld(t, map[string]string{"pipelines/t.sql": fmt.Sprintf(eventsSQL, b.Addr, topic, options, onError)})
}

// events are lines of JSON with ids [from, to).
func events(from, to int) []string {
	var lines []string
	for i := from; i < to; i++ {
		lines = append(lines, fmt.Sprintf(`{"id": %d, "n": %d}`, i, i*i))
	}
	return lines
}

// ask reads one value from the target.
func (w *world) ask(query string) string {
	w.Helper()
	db, err := sql.Open("duckdb", filepath.Join(w.dir, "target.duckdb")+"?access_mode=READ_ONLY")
	if err != nil {
		w.Fatal(err)
	}
	defer db.Close()
	var text sql.NullString
	if err := db.QueryRow("SELECT CAST((" + query + ") AS VARCHAR)").Scan(&text); err != nil {
		w.Fatal(err)
	}
	return text.String
}

func (w *world) expect(query, want string) {
	w.Helper()
	if got := w.ask(query); got != want {
		w.Errorf("%s gives %q, want %q", query, got, want)
	}
}

func TestStreamDrainsToTheEndAndGoesOn(t *testing.T) {
	b := kafkatest.Start(t)
	topic := b.Topic(t, 3)
	w := streamWorld(t, b, topic, "batch_rows: 40", "")
	b.Produce(t, kafkatest.Lines(topic, 3, events(0, 100)...)...)
	r := w.must("run")
	if n := strings.Count(r.stdout, "committed  t"); n < 3 {
		t.Errorf("100 rows by at most 40 a batch took %d batches:\n%s", n, r.stdout)
	}
	w.expect("SELECT count(*) || ' ' || sum(n) FROM t", "100 328350")
	w.expect("SELECT string_agg(next_offset, ' ' ORDER BY part) FROM twice.offsets", "34 33 33")
	if r := w.must("run"); !strings.Contains(r.stdout, "up to date") {
		t.Errorf("a second run is not up to date:\n%s", r.stdout)
	}
	// The same events once more, as a producer that retries sends them, to other partitions, and one new one.
	b.Produce(t, kafkatest.Lines(topic, 3, events(2, 101)...)...)
	w.must("run")
	w.expect("SELECT count(*) FROM t", "101")
	w.must("verify")
}
