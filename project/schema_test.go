package project

import (
	"bytes"
	"encoding/json"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func TestSchemasAreCurrent(t *testing.T) {
	project, header := Schemas()
	golden(t, filepath.Join("..", "schema", "twice.schema.json"), project)
	golden(t, filepath.Join("..", "schema", "header.schema.json"), header)
}

// A key without a description shows nothing in an editor; a description without a key is out of date.
func TestEveryKeyIsDescribed(t *testing.T) {
	keys := map[string]bool{}
	for _, v := range []any{
		projectFile{}, targetFile{}, header{}, inputHeader{}, readerHeader{}, queryHeader{}, commandHeader{}, httpHeader{},
		kafkaHeader{}, logHeader{}, dedupeHeader{}, toHeader{}, outputHeader{}, columnHeader{}, checkHeader{}, acceptedHeader{}, rowsHeader{}, relationshipsHeader{}, waiverHeader{},
		readerColumn{},
	} {
		for f := range reflect.TypeOf(v).Fields() {
			if !f.Anonymous {
				keys[reflect.TypeOf(v).Name()+"."+f.Name] = true
			}
		}
	}
	if got, want := slices.Sorted(maps.Keys(descriptions)), slices.Sorted(maps.Keys(keys)); !slices.Equal(got, want) {
		t.Errorf("described are\n%v\nkeys are\n%v", got, want)
	}
}

// The schemas and the decoder judge alike.
func TestSchemasJudge(t *testing.T) {
	projectSchema, headerSchema := Schemas()
	const inputs = "write: publish\ninputs: "
	for _, test := range []struct {
		schema []byte
		text   string
		valid  bool
	}{
		{projectSchema, twoTargets, true},
		{projectSchema, "project: x", false},
		{projectSchema, "project: x\ntargets: {a: {engine: oracle}}", false},
		{headerSchema, "write: publish", true},
		{headerSchema, "write: append", false},
		{headerSchema, "window: day", false},
		{headerSchema, "write: publish\ntime_colum: x", false},
		{headerSchema, "write: merge\nunique_key: id\ntags: [a, 1]\nwindow: day\nbegin: 2020-01-01\nlookback: 2", true},
		{headerSchema, "write: merge\nunique_key: {a: b}", false},
		{headerSchema, "write: merge\nunique_key: id\nlookback: -1", false},
		{headerSchema, inputs + "{a: {files: x, null: [NA, ~], header: false, columns: {a: int}}}", true},
		{headerSchema, inputs + "{a: {files: x, columns: [{name: a, aliases: b, optional: true}]}}", true},
		{headerSchema, inputs + "{a: {files: x, columns: [{aliases: b}]}}", false},
		{headerSchema, inputs + "{a: {command: [python3, x.py], format: ndjson}}", true},
		{headerSchema, inputs + "{a: {command: {run: [x], timeout: 30s}}}", true},
		{headerSchema, inputs + "{a: {command: {timeout: 30s}}}", false},
		{headerSchema, "write: merge\nunique_key: id\ninputs: {a: {kafka: {brokers: [x], topic: y, options: {batch_rows: 9, group: g}}, format: json, on_error: skip}}", true},
		{headerSchema, "to: {kafka: {topic: z, key: id}}\ninputs: {a: {kafka: {brokers: [x], topic: y}, format: json}}", true},
		{headerSchema, "write: publish\nto: {kafka: {topic: z}}\ninputs: {a: {kafka: {brokers: [x], topic: y}, format: json}}", false},
		{headerSchema, inputs + "{a: {files: x, table: y}}", false},
		{headerSchema, "write: publish\nchecks: [{rows: {min: 1}, on_fail: warn}, {not_null: a}]", true},
		{headerSchema, "write: publish\nchecks: [{rows: {min: 1}, unique: a}]", false},
		{headerSchema, "write: publish\ncolumns: [{name: a, type: int, not_null: true, accepted_values: [1, a]}]", true},
		{headerSchema, "write: publish\nallow: [{rule: x}]", false},
	} {
		if err := judge(t, test.schema, test.text); (err == nil) != test.valid {
			t.Errorf("%s\nvalid should be %v: %v", test.text, test.valid, err)
		}
		if bytes.Equal(test.schema, headerSchema) {
			_, errs := Parse("pipelines/a.sql", "/* @twice\n"+test.text+"\n*/ select 1", env())
			if (len(errs) == 0) != test.valid {
				t.Errorf("%s\nthe decoder says %v", test.text, errs)
			}
		}
	}
}

func judge(t *testing.T, schema []byte, text string) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	j, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(j) {
		t.Fatalf("not JSON: %s", j)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(j))
	if err != nil {
		t.Fatal(err)
	}
	return compiled.Validate(value)
}
