package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/twmb/franz-go/pkg/kgo"
)

// feed is the folder of a real feed.
func feed(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("TWICE_TEST_DATA")
	if dir == "" {
		t.Skip("TWICE_TEST_DATA does not say where the real feeds are")
	}
	return filepath.Join(dir, name)
}

// expected reads a feed's known figures.
func expected(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(feed(t, name), "EXPECTED.json"))
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// linesOf reads the lines of a gzip file.
func linesOf(t *testing.T, path string) [][]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var lines [][]byte
	scan := bufio.NewScanner(z)
	scan.Buffer(nil, 16<<20)
	for scan.Scan() {
		lines = append(lines, append([]byte(nil), scan.Bytes()...))
	}
	if err := scan.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

// publish produces lines in order, a key to a partition.
func (f *flow) publish(lines [][]byte) {
	f.Helper()
	records := make([]*kgo.Record, len(lines))
	for i, line := range lines {
		h := fnv.New32a()
		_, _ = h.Write(line)
		records[i] = &kgo.Record{Topic: f.topic, Partition: int32(h.Sum32() % uint32(f.parts)), Value: line}
	}
	f.broker.Produce(f.T, records...)
}

// killedUntilDone kills runs at random moments, and then lets one end.
func (f *flow) killedUntilDone(kills int, most time.Duration) {
	f.Helper()
	r := rand.New(rand.NewPCG(9, 10))
	for range kills {
		s := f.start("run")
		time.Sleep(time.Duration(r.Int64N(int64(most)))) // the moment is meant to be random
		s.end(syscall.SIGKILL)
	}
	f.must("run")
}

const winlog = `/* @twice
write: merge
unique_key: [line]
inputs:
  feed:
    kafka: {brokers: ["%s"], topic: %s, options: {batch_rows: 20000}}
    format: json
    columns:
      - {name: line, type: varchar, aliases: [LineSHA]}
      - {name: time, type: timestamp, aliases: ["@timestamp"]}
      - {name: host, type: varchar, aliases: [Hostname]}
      - {name: channel, type: varchar, aliases: [Channel]}
      - {name: record, type: bigint, aliases: [RecordNumber]}
      - {name: severity, type: bigint, aliases: [SeverityValue], optional: true}
      - {name: keywords, type: bigint, aliases: [Keywords], optional: true}
      - {name: message, type: bigint, aliases: [MessageLen]}
*/
select line, "time" as happened_at, host, channel, record, severity, keywords, message from feed
`

// TestStreamOfWindowsEvents reads a real feed, of which one batch was published twice, through kills at random moments.
func TestStreamOfWindowsEvents(t *testing.T) {
	var want struct {
		Delivered int64  `json:"lines_delivered"`
		Events    int64  `json:"distinct_events"`
		Message   int64  `json:"sum_MessageLen_distinct"`
		Severity  int64  `json:"sum_SeverityValue_distinct"`
		Nulls     int64  `json:"null_MessageLen_distinct"`
		Keywords  string `json:"sum_Keywords_exact_distinct"`
	}
	expected(t, "C_winlog", &want)
	files, err := filepath.Glob(filepath.Join(feed(t, "C_winlog"), "landing", "*.gz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range streamTargets {
		t.Run(target, func(t *testing.T) {
			f := newFlow(t, target, 3, story{})
			f.write("pipelines/t.sql", fmt.Sprintf(winlog, f.addr, f.topic))
			delivered := 0
			for _, file := range files {
				lines := linesOf(t, file)
				delivered += len(lines)
				f.publish(lines)
			}
			began := time.Now()
			f.killedUntilDone(rounds(4), 4*time.Second)
			took := time.Since(began)
			f.expect("SELECT count(*) || ' ' || sum(message) || ' ' || sum(severity) || ' ' || sum(CASE WHEN message IS NULL THEN 1 ELSE 0 END) "+
				"|| ' ' || sum(CAST(keywords AS DECIMAL(38, 0))) FROM t",
				fmt.Sprintf("%d %d %d %d %s", want.Events, want.Message, want.Severity, want.Nulls, want.Keywords))
			if int64(delivered) != want.Delivered {
				t.Errorf("%d lines were delivered, want %d", delivered, want.Delivered)
			}
			f.must("verify")
			t.Logf("%d records, %d events, %d kills: %s", delivered, want.Events, rounds(4), took.Round(time.Millisecond))
		})
	}
}

const zeek = `/* @twice
write: merge
unique_key: [id]
inputs:
  feed:
    kafka: {brokers: ["%s"], topic: %s, options: {batch_rows: %d}}
    format: json
    columns:
      - {name: ts, type: timestamp}
      - {name: uid, type: varchar}
      - {name: answers, type: "varchar[]", optional: true}
      - {name: host, type: varchar, aliases: [id.orig_h]}
*/
select md5(_value) as id, ts, uid, host from feed
`

// TestStreamOfLateEvents reads a real feed with late events, delivered at least once and out of order, and holds the
// minutes of event time that a pipeline makes of it against those of the sorted file.
func TestStreamOfLateEvents(t *testing.T) {
	var want struct {
		Streams struct {
			DNS struct {
				Lines   int            `json:"lines"`
				Minutes map[string]int `json:"events_per_minute_of_ts"`
			} `json:"dns"`
		} `json:"streams"`
	}
	expected(t, "C_zeek", &want)
	f := newFlow(t, "duckdb", 3, story{})
	f.write("pipelines/t.sql", fmt.Sprintf(zeek, f.addr, f.topic, 5000))
	f.write("pipelines/minutes.sql", "/* @twice\nwrite: overwrite\n*/\n"+
		"select strftime(ts, '%Y-%m-%dT%H:%M') as minute, count(*) as events from t group by minute\n")
	lines := linesOf(t, filepath.Join(feed(t, "C_zeek"), "dns.ndjson.gz"))
	plan, err := os.Open(filepath.Join(feed(t, "C_zeek"), "dns.deliveries.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer plan.Close()
	deliveries, err := csv.NewReader(plan).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	delivered := 0
	for i, d := range deliveries[1:] {
		first, _ := strconv.Atoi(d[1])
		last, _ := strconv.Atoi(d[2])
		f.publish(lines[first-1 : last])
		delivered += last - first + 1
		if i%20 == 10 {
			f.killedUntilDone(1, time.Second)
		}
	}
	f.must("run")
	if got, want := f.ask("SELECT count(*) FROM t"), strconv.Itoa(want.Streams.DNS.Lines); got != want {
		t.Errorf("%s events, want %s", got, want)
	}
	f.expect("SELECT count(*) FROM minutes", strconv.Itoa(len(want.Streams.DNS.Minutes)))
	for minute, n := range want.Streams.DNS.Minutes {
		f.expect("SELECT events FROM minutes WHERE minute = '"+minute+"'", strconv.Itoa(n))
	}
	before := f.fingerprint("t")
	f.write("pipelines/t.sql", fmt.Sprintf(zeek, f.addr, f.topic, 33333))
	f.must("run", "--full-refresh")
	if after := f.fingerprint("t"); after != before {
		t.Errorf("a full rebuild in other batches gives %s, the stream gave %s", after, before)
	}
	t.Logf("%d records delivered, %d events", delivered, want.Streams.DNS.Lines)
}
