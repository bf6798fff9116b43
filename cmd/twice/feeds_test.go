package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"hash/fnv"
	"os"
	"path/filepath"
	"strconv"
	"testing"

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

// windowsFigures are what is known of a feed of Windows events, of which one batch was published twice.
type windowsFigures struct {
	Delivered int64  `json:"lines_delivered"`
	Events    int64  `json:"distinct_events"`
	Message   int64  `json:"sum_MessageLen_distinct"`
	Severity  int64  `json:"sum_SeverityValue_distinct"`
	Nulls     int64  `json:"null_MessageLen_distinct"`
	Keywords  string `json:"sum_Keywords_exact_distinct"`
}

// windowsEvents reads the feed's lines in the order in which they were published.
func windowsEvents(t *testing.T) (want windowsFigures, lines [][]byte) {
	t.Helper()
	expected(t, "C_winlog", &want)
	files, err := filepath.Glob(filepath.Join(feed(t, "C_winlog"), "landing", "*.gz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		lines = append(lines, linesOf(t, file)...)
	}
	if int64(len(lines)) != want.Delivered {
		t.Fatalf("%d lines were delivered, want %d", len(lines), want.Delivered)
	}
	return want, lines
}

// zeekFigures are what is known of a feed of DNS queries: how many happened in each minute.
type zeekFigures struct {
	Lines   int            `json:"lines"`
	Minutes map[string]int `json:"events_per_minute_of_ts"`
}

// zeekEvents reads the feed in the order in which it arrived, and how it was delivered: late, and at least once.
func zeekEvents(t *testing.T) (want zeekFigures, lines [][]byte, deliveries [][][]byte) {
	t.Helper()
	var all struct {
		Streams struct{ DNS zeekFigures }
	}
	expected(t, "C_zeek", &all)
	lines = linesOf(t, filepath.Join(feed(t, "C_zeek"), "dns.ndjson.gz"))
	plan, err := os.Open(filepath.Join(feed(t, "C_zeek"), "dns.deliveries.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer plan.Close()
	rows, err := csv.NewReader(plan).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		first, err1 := strconv.Atoi(row[1])
		last, err2 := strconv.Atoi(row[2])
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		deliveries = append(deliveries, lines[first-1:last])
	}
	return all.Streams.DNS, lines, deliveries
}
