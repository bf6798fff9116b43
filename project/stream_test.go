package project

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/twice-data/twice"
)

const streamed = "write: merge\nunique_key: id\ninputs:\n  feed:\n    kafka: {brokers: \"localhost:9092\", topic: events%s}\n    format: json\n"

func TestStream(t *testing.T) {
	text := "/* @twice\n" + strings.Replace(streamed, "%s", ", options: {batch_rows: 10, tls: true, user: a}", 1) + "    on_error: skip\n*/\nselect 1\n"
	p, errs := Parse("pipelines/t.sql", text, env())
	if errs != nil {
		t.Fatal(errs)
	}
	want := &twice.KafkaInput{
		Brokers: []string{"localhost:9092"}, Records: twice.Records{
			Topic: "events", OnError: "skip",
			Options: map[string]string{"batch_rows": "10", "tls": "true", "user": "a"}, Reader: twice.Reader{Format: "json"},
		},
	}
	if diff := cmp.Diff(want, p.Stream().Kafka); diff != "" {
		t.Error(diff)
	}
}

func TestStreamProblems(t *testing.T) {
	header := strings.Replace(streamed, "%s", "", 1)
	for _, test := range []struct{ header, want string }{
		{strings.Replace(header, "write: merge\nunique_key: id", "write: overwrite\ntags: [a]", 1), "a stream cannot be written with write: overwrite"},
		{strings.Replace(header, "write: merge\nunique_key: id", "write: publish\ntags: [a]", 1), "a stream cannot be written with write: publish"},
		{header + "window: day\nbegin: 2020-03-01\n", "a stream's windows are offset ranges"},
		{header + "when_missing: delete\n", "not a full snapshot"},
		{header + "  more: {table: x}\n", "a stream reads its topic and nothing else"},
		{strings.Replace(header, "format: json", "on_error: skip", 1), `the key "format" is missing`},
		{strings.Replace(header, "format: json", "format: csv", 1), "a line of CSV has no names"},
		{header + "    columns: {_offset: bigint}\n", "_offset is a column that every record has"},
		{header + "    compression: gzip\n", "it means nothing for a kafka input"},
	} {
		_, errs := Parse("pipelines/t.sql", "/* @twice\n"+test.header+"*/\nselect 1\n", env())
		if len(errs) != 1 || !strings.Contains(errs.Error(), test.want) || errs[0].Next == "" {
			t.Errorf("%s\n got %v\nwant %s", test.header, errs, test.want)
		}
	}
}

func TestDedupe(t *testing.T) {
	const log = "inputs:\n  feed:\n    log: {path: ./events/}\n    format: json\n    columns: {id: varchar, ts: timestamp, n: bigint}\n"
	p, errs := Parse("pipelines/t.sql", "/* @twice\nwrite: merge\ntime_column: ts\ndedupe: {key: [id, _key], within: 90m}\n"+log+"*/\nselect 1\n", env())
	if errs != nil {
		t.Fatal(errs)
	}
	if diff := cmp.Diff(&twice.Dedupe{Key: []string{"id", "_key"}, Time: "ts", Within: 90 * time.Minute, Line: 4}, p.Dedupe); diff != "" {
		t.Error(diff)
	}
	if got := p.Stream().Records().Topic; got != "events" {
		t.Errorf("the log is %s", got)
	}
	for _, test := range []struct{ header, want string }{
		{"write: merge\ndedupe: {key: id, time: ts, within: 1h}\nunique_key: n\n" + log, "with unique_key a record that is sent again changes nothing anyway"},
		{"write: merge\ntime_column: at\ndedupe: {key: id, within: 1h}\n" + log, `which field is an event's time? There is none called "at"`},
		{"write: merge\ndedupe: {key: id, time: n, within: 1h}\n" + log, "the field n is no time"},
		{"write: merge\ndedupe: {key: idd, time: ts, within: 1h}\n" + log, `the records of feed have no field idd; did you mean "id"?`},
		{"write: merge\ndedupe: {key: id, time: ts, within: soon}\n" + log, "expected a length of time"},
		{"write: merge\ndedupe: {key: id, time: ts, within: 1h}\ninputs: {feed: {table: x}}\n", "it means nothing without a stream"},
	} {
		_, errs := Parse("pipelines/t.sql", "/* @twice\n"+test.header+"*/\nselect 1\n", env())
		if len(errs) != 1 || !strings.Contains(errs.Error(), test.want) || errs[0].Next == "" {
			t.Errorf("%s\n got %v\nwant %s", test.header, errs, test.want)
		}
	}
}
