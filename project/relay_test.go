package project

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/twice-data/twice"
)

const relayed = `to: {kafka: {topic: out, key: id, options: {transaction_timeout: 5s}}}
inputs:
  feed:
    kafka: {brokers: "localhost:9092", topic: events}
    format: json
`

func TestRelay(t *testing.T) {
	p, errs := Parse("pipelines/t.sql", "/* @twice\n"+relayed+"*/\nselect 1 as id\n", env())
	if errs != nil {
		t.Fatal(errs)
	}
	want := &twice.KafkaOutput{Topic: "out", Key: "id", Options: map[string]string{"transaction_timeout": "5s"}, Line: 2}
	if diff := cmp.Diff(want, p.To); diff != "" {
		t.Error(diff)
	}
	other, _ := Parse("pipelines/t.sql", "/* @twice\n"+strings.Replace(relayed, "key: id", "key: n", 1)+"*/\nselect 1 as id\n", env())
	if p.Digest() == other.Digest() {
		t.Error("the key of the records is no part of the code")
	}
}

func TestRelayProblems(t *testing.T) {
	for _, test := range []struct{ header, want string }{
		{relayed + "write: merge\n", "with to: there is no table to write"},
		{relayed + "table: x\n", "table: it means nothing with to:"},
		{relayed + "unique_key: id\n", "unique_key: it means nothing with to:"},
		{relayed + "dedupe: {key: [id], time: ts, within: 1h}\n", "dedupe: it means nothing with to:"},
		{relayed + "window: day\nbegin: 2020-01-01\n", "window: it means nothing with to:"},
		{"to: {kafka: {topic: out}}\ninputs: {a: {files: x.csv}}\n", "only a topic can go to a topic"},
		{strings.Replace(relayed, "topic: out", "topic: events", 1), "would never end"},
		{relayed + "    on_error: quarantine\n", "a relay has no database"},
		{strings.Replace(relayed, "key: id", "quarantine_topic: dead", 1), "without on_error: quarantine nothing goes there"},
		{relayed + "checks: [{unique: id}]\n", "a relay checks the rows of a batch"},
		{relayed + "checks: [{rows: {min: 1}}]\n", "a relay checks the rows of a batch"},
		{relayed + "columns: [{name: n, type: int}]\n", "columns: does not list id"},
		{"inputs: {a: {files: x.csv}}\n", `the key "write" is missing`},
	} {
		_, errs := Parse("pipelines/t.sql", "/* @twice\n"+test.header+"*/\nselect 1\n", env())
		if len(errs) == 0 || errs[0].Next == "" || !strings.Contains(errs.Error(), test.want) {
			t.Errorf("%s\n got %v\nwant %s", test.header, errs, test.want)
		}
	}
}

// Another pipeline cannot read what a relay fills: there is no table of that name.
func TestRelayFillsNoTable(t *testing.T) {
	p := &Project{Pipelines: []*twice.Pipeline{{Name: "t", Table: twice.Table{Name: "t"}, To: &twice.KafkaOutput{}}}}
	if len(p.owners()) != 0 {
		t.Error("a relay owns a table")
	}
}
