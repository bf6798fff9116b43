package stream

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/engine/duckdb"
)

// source reads records of a format as a pipeline's input, without a broker.
func source(t *testing.T, in twice.Records, sql string) *Source {
	t.Helper()
	in.Topic = "topic"
	kafka := &twice.KafkaInput{Brokers: []string{"127.0.0.1:1"}, Records: in}
	p := &twice.Pipeline{Name: "p", File: "pipelines/p.sql", SQL: sql, Inputs: []twice.Input{{Name: "feed", Kafka: kafka}}}
	s, err := Open(p, p.Stream(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// read gives the relation's rows as text, and why the other records do not parse. It reads them in memory and, by DuckDB
// alone, in a file, and expects the same.
func read(t *testing.T, s *Source, values ...string) (rows, whys []string) {
	t.Helper()
	rows, whys = readOnce(t, s, values)
	if s.layout == nil {
		return rows, whys
	}
	layout := s.layout
	s.layout = nil
	defer func() { s.layout = layout }()
	judged, whysJudged := readOnce(t, s, values)
	if diff := cmp.Diff(slices.Sorted(slices.Values(judged)), slices.Sorted(slices.Values(rows))); diff != "" {
		t.Errorf("what DuckDB reads, and what is read in memory: %s", diff)
	}
	if diff := cmp.Diff(whysJudged, whys); diff != "" {
		t.Errorf("what DuckDB says, and what is said in memory: %s", diff)
	}
	return judged, whys
}

func readOnce(t *testing.T, s *Source, values []string) (rows, whys []string) {
	t.Helper()
	b := new(Batch)
	for i, v := range values {
		b.records = append(b.records, &kgo.Record{Topic: "topic", Partition: 1, Offset: int64(i), Value: []byte(v), Timestamp: time.UnixMilli(int64(i))})
	}
	rel, poison, err := s.Relation(t.Context(), b, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d, err := duckdb.Open(t.Context(), duckdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	session, err := engine.Open(d, nil).Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if err := d.Attach(t.Context(), session, rel); err != nil {
		t.Fatal(err)
	}
	err = session.Query(t.Context(), "rows", "SELECT CAST(t AS VARCHAR) FROM "+engine.Ident(rel.Name)+" AS t", func(r *sql.Rows) error {
		rows = append(rows, "")
		return r.Scan(&rows[len(rows)-1])
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range poison {
		whys = append(whys, fmt.Sprintf("%d: %s", p.Offset, p.Why))
	}
	return rows, whys
}

func TestRecordsOfJSON(t *testing.T) {
	s := source(t, twice.Records{Reader: twice.Reader{Format: "json", Columns: []twice.ReaderColumn{
		{Name: "id", Type: "BIGINT", Aliases: []string{"the \"id\"", "a.b"}}, {Name: "n", Type: "DECIMAL(20,2)", Optional: true},
		{Name: "at", Type: "TIMESTAMP", Optional: true}, {Name: "list", Type: "INTEGER[]", Optional: true}, {Name: "text", Optional: true},
	}}}, "select * from feed")
	rows, whys := read(
		t, s,
		`{"id": -9223372036854775808, "n": 12345678901234567.89, "at": "2018-03-24T17:15:20.865716Z", "list": [1, 2], "text": "é\n\"x"}`,
		`{"a.b": 1}`, `{"the \"id\"": "7", "n": null, "text": {"deep": [1]}, "key": 1, "value": 2, "n1": 3}`,
		`{"id": 9223372036854775808}`, `{"id": 1.5}`, `{"id": 2.0}`, `{"id": true}`, `{"n": 1}`, `{"id": null}`, `{"id": 1, "at": "soon"}`,
		`{"id": 1, "list": [1, "x"]}`, `"text"`, ``, `{"id": 1} {"id": 2}`, `{"id": 1, "text": "\ud800"}`,
	)
	if diff := cmp.Diff([]string{
		"{'id': -9223372036854775808, 'n': 12345678901234567.89, 'at': '2018-03-24 17:15:20.865716', 'list': [1, 2], 'text': 'é\n\"x'}",
		"{'id': 1, 'n': NULL, 'at': NULL, 'list': NULL, 'text': NULL}",
		`{'id': 7, 'n': NULL, 'at': NULL, 'list': NULL, 'text': '{"deep":[1]}'}`,
		"{'id': 2, 'n': NULL, 'at': NULL, 'list': NULL, 'text': NULL}",
		"{'id': NULL, 'n': NULL, 'at': NULL, 'list': NULL, 'text': NULL}",
	}, rows); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{
		"3: its field id is 9223372036854775808, which is no BIGINT", "4: its field id is 1.5, which is no BIGINT",
		"6: its field id is true, which is no BIGINT", "7: it has no field id", "9: its field at is soon, which is no TIMESTAMP",
		`10: its field list is [1,"x"], which is no INTEGER[]`, "11: it is not a JSON object", "12: it is not a JSON object",
		"13: it is not a JSON object", "14: it is not a JSON object",
	}, whys); diff != "" {
		t.Error(diff)
	}
}

func TestRecordsOfCSV(t *testing.T) {
	s := source(t, twice.Records{Reader: twice.Reader{Format: "csv", Delimiter: ";", Nulls: []string{"-"}, Columns: []twice.ReaderColumn{
		{Name: "id", Type: "INTEGER"}, {Name: "text"},
	}}}, "select *, _offset from feed")
	rows, whys := read(t, s, "1;a", "2;\"b;\"\"c\"\"\"", "3;-", "4;", "5", "x;y", "6;a\n7;b", "8;\"")
	if diff := cmp.Diff([]string{
		"{'id': 1, 'text': a, '_offset': 0}", "{'id': 2, 'text': 'b;\"c\"', '_offset': 1}",
		"{'id': 3, 'text': NULL, '_offset': 2}", "{'id': 4, 'text': '', '_offset': 3}",
	}, rows); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{
		"4: it has 1 fields, expected 2", "5: its field id is x, which is no INTEGER",
		"6: it has more than one line of CSV: the second begins with \"7\"", `7: it is not a line of CSV: parse error on line 1, column 4: extraneous or missing " in quoted-field`,
	}, whys); diff != "" {
		t.Error(diff)
	}
}

func TestRecordsAsTheyAre(t *testing.T) {
	s := source(t, twice.Records{Reader: twice.Reader{Format: "raw"}}, "select _value, _partition from feed")
	rows, whys := read(t, s, "\xff", "")
	if diff := cmp.Diff([]string{`{'_value': \xFF, '_partition': 1}`, "{'_value': '', '_partition': 1}"}, rows); diff != "" || whys != nil {
		t.Error(diff, whys)
	}
}

// FuzzExact says that exact changes nothing but numbers into the same text, and neither mends nor breaks JSON.
func FuzzExact(f *testing.F) {
	for _, text := range []string{`{"a": 1.50, "b": "1.5", "c": [2.5], "d": {"e": 1e5}}`, `{"a\\": -0.1e-7}`, `{"a": 01.5}`, `1.5`, `{"a":1.5.2`, `"\`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := exact([]byte(text))
		if json.Valid([]byte(text)) != json.Valid([]byte(got)) {
			t.Fatalf("%q becomes %q", text, got)
		}
		if strings.ReplaceAll(got, `"`, "") != strings.ReplaceAll(text, `"`, "") {
			t.Fatalf("%q becomes %q", text, got)
		}
	})
}

// TestBatchesCoverTheirRangesOnce takes batches out of what was fetched ahead, with gaps between offsets, and expects
// each record in exactly one, the ranges adjoining, and no batch above its bounds.
func TestBatchesCoverTheirRangesOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &Source{ahead: map[int32]*span{}, reading: reading{in: &twice.Input{
			Kafka: &twice.KafkaInput{Records: twice.Records{Topic: "topic"}},
		}}}
		s.opts = options{rows: rapid.IntRange(1, 7).Draw(t, "rows"), bytes: rapid.IntRange(1, 40).Draw(t, "bytes")}
		at, until, total := map[int32]int64{}, map[int32]int64{}, 0
		for p := range int32(rapid.IntRange(1, 3).Draw(t, "partitions")) {
			sp := &span{}
			for range rapid.IntRange(0, 12).Draw(t, "records") {
				sp.to += rapid.Int64Range(0, 2).Draw(t, "gap")
				value := make([]byte, rapid.IntRange(0, 15).Draw(t, "size"))
				sp.records = append(sp.records, &kgo.Record{Partition: p, Offset: sp.to, Value: value})
				sp.to++
			}
			sp.to += rapid.Int64Range(0, 2).Draw(t, "gap at the end")
			s.ahead[p], at[p], until[p] = sp, 0, sp.to
			total += len(sp.records)
		}
		seen := map[string]bool{}
		for round := 0; slices.ContainsFunc([]int32{0, 1, 2}, func(p int32) bool { return at[p] < until[p] }); round++ {
			if round > total+10 {
				t.Fatal("no progress")
			}
			from := map[int32]int64{}
			for p, o := range at {
				from[p] = o
			}
			b, err := s.Fetch(context.Background(), from, until) // everything is there: nothing is asked
			if err != nil {
				t.Fatal(err)
			}
			if len(b.records) > s.opts.rows || b.bytes > s.opts.bytes && len(b.records) > 1 {
				t.Fatalf("%d records of %d bytes, with bounds of %d and %d", len(b.records), b.bytes, s.opts.rows, s.opts.bytes)
			}
			for _, sp := range b.Spans {
				if sp.From != at[sp.Partition] || sp.To <= sp.From {
					t.Fatalf("a range %+v where %d comes next", sp, at[sp.Partition])
				}
				at[sp.Partition] = sp.To
			}
			for _, r := range b.records {
				key := fmt.Sprint(r.Partition, r.Offset)
				if seen[key] || r.Offset >= at[r.Partition] {
					t.Fatalf("record %s is there twice, or outside its batch", key)
				}
				seen[key] = true
			}
		}
		if len(seen) != total {
			t.Fatalf("%d of %d records", len(seen), total)
		}
	})
}
