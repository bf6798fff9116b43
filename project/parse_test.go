package project

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/twice-data/twice"
)

func env(pairs ...string) Env {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

var compare = cmp.Options{
	cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() }),
	cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }),
}

func parse(t *testing.T, text string) *twice.Pipeline {
	t.Helper()
	p, errs := Parse("pipelines/mart/daily.sql", text, env("SRC", "postgres://u:p@h/d", "TOKEN", "s3cret"))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return p
}

func TestHeaderInFull(t *testing.T) {
	p := parse(t, `/* @twice
description: |
  Cases a day
owner: data@example.org
tags: [mart, covid]
table: shop.daily
write: merge
time_column: day
window: day
timezone: Europe/Rome
begin: 2020-03-01
end: 2020-04-01T00:00:00Z
unique_key: [id, "day"]
version: updated_at
when_missing: delete
lookback: 2
batch_size: 7
on_schema_change: append_new_columns
allow_empty: true
inputs:
  reports:
    files: "landing/**/{start:%m-%d-%Y}.{csv,csv.gz}"
    format: csv
    compression: none
    delimiter: ";"
    quote: "'"
    escape: "\\"
    header: true
    skip: 1
    encoding: [utf-8, latin-1]
    null: ["", NULL, -1]
    columns:
      - {name: id, type: bigint, aliases: [ID, key]}
      - {name: note, optional: true}
  parquet: {files: "x.parquet", columns: {b: bigint, a: varchar}}
  raw: {table: raw.orders}
  orders: {postgres: {url: "${SRC}", query: "select * from o where at >= $start"}}
  more: {mysql: {url: "${SRC}", query: select 1}}
  script: {command: [python3, x.py]}
  slow:
    command: {run: [sh, -c, "echo $${HOME}"], timeout: 1m30s}
    format: csv
  api:
    http: {url: "https://x.org/{start:%Y}", headers: {Authorization: "Bearer ${TOKEN}"}, records: data.items, next: link, timeout: 5s}
  events:
    files: events
    format: ndjson
    encoding: utf-8
columns:
  - {name: id, type: bigint, not_null: true, unique: true}
  - {name: day, type: date, relationships: calendar.days.day}
  - {name: state, type: varchar, accepted_values: [new, 1, true]}
  - {name: updated_at, type: timestamp, description: when}
checks:
  - unique: [id, day]
  - not_null: state
    on_fail: warn
  - rows: {min: 1, max: 10}
  - {accepted_values: {column: state, values: [a]}, name: only a}
  - relationships: {column: id, to: ids.id}
  - sql: "select * from {rows} where id < 0 and day >= $start"
    name: positive
allow:
  - {rule: volatile-function, reason: only in a comment}
*/

select *
from reports
`)
	rome, _ := time.LoadLocation("Europe/Rome")
	yes, one, ten := true, int64(1), int64(10)
	want := &twice.Pipeline{
		Name: "mart.daily", File: "pipelines/mart/daily.sql", SQL: "select *\nfrom reports\n", Line: 67,
		Description: "Cases a day", Owner: "data@example.org", Tags: []string{"covid", "mart"},
		Table: twice.Table{Schema: "shop", Name: "daily"}, Write: twice.Merge, TimeColumn: "day",
		Calendar: twice.Calendar{
			Grain: twice.Day, Zone: rome,
			Begin: time.Date(2020, 3, 1, 0, 0, 0, 0, rome), End: time.Date(2020, 4, 1, 0, 0, 0, 0, time.UTC),
		},
		UniqueKey: []string{"id", "day"}, Version: "updated_at", WhenMissing: "delete", Lookback: 2, BatchSize: 7,
		OnSchemaChange: "append_new_columns", AllowEmpty: true,
		Inputs: []twice.Input{
			{Name: "api", Line: 43, HTTP: &twice.HTTPInput{
				URL: "https://x.org/{start:%Y}", Headers: map[string]string{"Authorization": "Bearer s3cret"},
				Records: "data.items", Next: "link", Timeout: 5 * time.Second,
			}},
			{Name: "events", Line: 45, Files: &twice.FilesInput{Path: "events", Reader: twice.Reader{
				Format: "ndjson", Encodings: []string{"utf-8"},
			}}},
			{Name: "more", Line: 38, Database: &twice.DatabaseInput{Engine: "mysql", URL: "postgres://u:p@h/d", Query: "select 1"}},
			{Name: "orders", Line: 37, Database: &twice.DatabaseInput{
				Engine: "postgres", URL: "postgres://u:p@h/d", Query: "select * from o where at >= $start",
			}},
			{Name: "parquet", Line: 35, Files: &twice.FilesInput{Path: "x.parquet", Reader: twice.Reader{
				Columns: []twice.ReaderColumn{{Name: "b", Type: "bigint"}, {Name: "a", Type: "varchar"}},
			}}},
			{Name: "raw", Line: 36, Table: "raw.orders"},
			{Name: "reports", Line: 21, Files: &twice.FilesInput{
				Path: "landing/**/{start:%m-%d-%Y}.{csv,csv.gz}",
				Reader: twice.Reader{
					Format: "csv", Compression: "none", Delimiter: ";", Quote: "'", Escape: `\`, Header: &yes, Skip: 1,
					Encodings: []string{"utf-8", "latin-1"}, Nulls: []string{"", "NULL", "-1"},
					Columns: []twice.ReaderColumn{
						{Name: "id", Type: "bigint", Aliases: []string{"ID", "key"}}, {Name: "note", Optional: true},
					},
				},
			}},
			{Name: "script", Line: 39, Command: &twice.CommandInput{
				Argv: []string{"python3", "x.py"}, Reader: twice.Reader{Format: "ndjson"},
			}},
			{Name: "slow", Line: 40, Command: &twice.CommandInput{
				Argv: []string{"sh", "-c", "echo ${HOME}"}, Timeout: 90 * time.Second, Reader: twice.Reader{Format: "csv"},
			}},
		},
		Columns: []twice.Column{
			{Name: "id", Type: "bigint", Line: 50}, {Name: "day", Type: "date", Line: 51},
			{Name: "state", Type: "varchar", Line: 52}, {Name: "updated_at", Type: "timestamp", Line: 53},
		},
		Checks: []twice.Check{
			{Name: "not_null(id)", Line: 50, NotNull: []string{"id"}},
			{Name: "unique(id)", Line: 50, Unique: []string{"id"}},
			{Name: "relationships(day, calendar.days.day)", Line: 51, Relationships: &twice.Relationship{
				Column: "day", To: twice.Table{Schema: "calendar", Name: "days"}, ToColumn: "day",
			}},
			{Name: "accepted_values(state)", Line: 52, AcceptedValues: &twice.AcceptedValues{
				Column: "state", Values: []string{"new", "1", "true"},
			}},
			{Name: "unique(id, day)", Line: 55, Unique: []string{"id", "day"}},
			{Name: "not_null(state)", Line: 56, Warn: true, NotNull: []string{"state"}},
			{Name: "rows(min 1, max 10)", Line: 58, Rows: &twice.RowCount{Min: &one, Max: &ten}},
			{Name: "only a", Line: 59, AcceptedValues: &twice.AcceptedValues{Column: "state", Values: []string{"a"}}},
			{Name: "relationships(id, ids.id)", Line: 60, Relationships: &twice.Relationship{
				Column: "id", To: twice.Table{Name: "ids"}, ToColumn: "id",
			}},
			{Name: "positive", Line: 61, SQL: "select * from {rows} where id < 0 and day >= $start"},
		},
		Allow: []twice.Waiver{{Rule: "volatile-function", Reason: "only in a comment", Line: 64}},
	}
	if diff := cmp.Diff(want, p, compare); diff != "" {
		t.Errorf("pipeline (-want +got):\n%s", diff)
	}
}

func TestSmallHeaders(t *testing.T) {
	for what, text := range map[string]string{
		"one line":             "/* @twice write: publish */ select 1",
		"glob that closes":     "/* @twice\nwrite: publish\ninputs: {a: {files: \"x/**/*.csv\"}}\n*/ select 1",
		"glob that opens":      "/*@twice\nwrite: publish\ninputs: {a: {files: \"x/*.csv\"}} */\nselect 1",
		"space before":         "\n\n/*\n@twice\nwrite: publish\n  */\n\n\nselect 1",
		"comment in the SQL":   "/* @twice\nwrite: publish\n*/\nselect /*\n*/ 1",
		"merge without window": "/* @twice\nwrite: merge\nunique_key: id\n*/\nselect 1 as id",
		"merge by arrival":     "/* @twice\nwrite: merge\nunique_key: id\nwindow: day\nbegin: 2020-01-01\n*/\nselect 1 as id",
	} {
		p := parse(t, text)
		if p.Calendar.Zone != time.UTC || p.BatchSize != 1 || p.OnSchemaChange != "fail" {
			t.Errorf("%s: defaults are not filled in: %+v", what, p)
		}
		before := strings.Count(text[:strings.LastIndex(text, "select")], "\n")
		if !strings.HasPrefix(p.SQL, "select") || p.Line != before+1 {
			t.Errorf("%s: the SQL %q starts in line %d, want %d", what, p.SQL, p.Line, before+1)
		}
	}
}

func TestDatesFollowTheZone(t *testing.T) {
	p := parse(t, "/* @twice\nwrite: merge\nunique_key: id\nwindow: day\nbegin: 2018-11-04\ntimezone: America/Sao_Paulo\n*/ select 1")
	if got := p.Calendar.Begin.Format(time.RFC3339); got != "2018-11-04T03:00:00Z" {
		t.Errorf("the day without midnight begins at %s", got)
	}
}

// Each case is a header and what is said about it. In errors a leading "pipelines/daily.sql:" is left out.
func TestBadHeaders(t *testing.T) {
	const windowed = "write: overwrite\nwindow: day\nbegin: 2020-01-01\ntime_column: day\n"
	const whole = "write: publish\n"
	for _, test := range []struct{ header, want string }{
		{windowed + "time_colum: day", `6: unknown key "time_colum"; did you mean "time_column"?`},
		{"write: overwrite\nwindow: day\nbegin: 2020-01-01\ntime_colum: day", `5: unknown key "time_colum"; did you mean "time_column"?`},
		{"wirte: publish", `2: unknown key "wirte"; did you mean "write"?`},
		{whole + "colour: red", `3: unknown key "colour"`},
		{"", `1: the key "write" is missing`},
		{"write: append", `2: write: expected overwrite, merge or publish, found "append"`},
		{"write: overwite", `2: write: expected overwrite, merge or publish, found "overwite"; did you mean "overwrite"?`},
		{"write: [a]", `2: write: expected text, found a list`},
		{"write:", `2: write: expected text, found nothing`},
		{whole + "write: merge", `3: write: the key is written twice`},
		{whole + "owner: 12", `3: owner: expected text, found the number 12`},
		{whole + "allow_empty: maybe", `3: allow_empty: expected true or false, found the text "maybe"`},
		{windowed + "lookback: two", `6: lookback: expected a whole number, found the text "two"`},
		{windowed + "lookback: -1", `6: lookback: expected at least 0, found -1`},
		{windowed + "batch_size: 0", `6: batch_size: expected at least 1, found 0`},
		{"write: merge", `2: write: merge needs the columns that identify a row: the key "unique_key" is missing`},
		{"write: merge\nunique_key: []", `3: unique_key: expected at least one column, found none`},
		{"write: merge\nunique_key: [id, ID]", `3: unique_key: the column ID is there twice`},
		{whole + "version: v", `3: version: it means nothing with write: publish, only with merge`},
		{whole + "when_missing: delete", `3: when_missing: it means nothing with write: publish, only with merge`},
		{"write: merge\nunique_key: a\nwhen_missing: keep", `4: when_missing: expected delete, found "keep"`},
		{"write: merge\nunique_key: a\nwindow: day", `4: window: windows need a first one: the key "begin" is missing`},
		{"write: publish\nwindow: day\nbegin: 2020-01-01", `3: window: publish by window needs the column that says which window a row is in: the key "time_column" is missing`},
		{whole + "begin: 2020-01-01", `3: begin: it means nothing without windows`},
		{whole + "window: none\ntime_column: x\nlookback: 1", "4: time_column: it means nothing without windows\n5: lookback: it means nothing without windows"},
		{whole + "window: dayly", `3: window: expected hour, day, week, month, year or none, found "dayly"; did you mean "day"?`},
		{windowed + "timezone: Mars/Olympus", `6: timezone: there is no time zone "Mars/Olympus"`},
		{windowed + "timezone: Local", `6: timezone: there is no time zone "Local"`},
		{windowed + "end: 2019-01-01", `6: end: the end 2019-01-01 is not after begin 2020-01-01`},
		{windowed + "end: 1.4.2020", `6: end: expected a date, found "1.4.2020"`},
		{windowed + "end: 2020-02-30", `6: end: expected a date, found "2020-02-30"`},
		{whole + "table: a.b.c", `3: table: expected name or schema.name, found "a.b.c"`},
		{whole + "table: twice.runs", `3: table: the schema twice belongs to the ledger`},
		{whole + "allow:\n  - rule: limit", `4: allow[1]: the key "reason" is missing`},
		{whole + "allow:\n  - {rule: limit, reason: ' '}", `4: allow[1].reason: the reason is empty`},
		{whole + "columns:\n  - {name: a, type: int}\n  - {name: A, type: int}\n  - name: b",
			"5: columns[2]: the column A is there twice\n6: columns[3]: the key \"type\" is missing"},
		{"write: merge\nunique_key: idd\ncolumns:\n  - {name: id, type: int}", `3: unique_key: columns: does not list idd; did you mean "id"?`},
		{whole + "checks:\n  - not_nul: a", `4: checks[1]: unknown key "not_nul"; did you mean "not_null"?`},
		{whole + "checks:\n  - {unique: a, rows: {min: 1}}", `4: checks[1]: expected one of not_null, unique, accepted_values, rows, relationships or sql, found unique and rows`},
		{whole + "checks:\n  - rows: {min: 3, max: 2}", `4: checks[1].rows: min 3 is larger than max 2`},
		{whole + "checks:\n  - rows: {}", `4: checks[1].rows: expected min or max, found neither`},
		{whole + "checks:\n  - relationships: {column: a, to: b}", `4: checks[1].relationships: expected table.column, found "b"`},
		{whole + "checks:\n  - unique: a\n  - unique: a", `5: checks[2]: there is another check unique(a) in line 4`},
		{whole + "checks:\n  - sql: select $start", `4: checks[1].sql: the SQL uses $start, but the pipeline has no window`},
		{whole + "checks:\n  - {unique: a, on_fail: explode}", `4: checks[1].on_fail: expected block or warn, found "explode"`},
		{whole + "inputs:\n  a: {}", `4: inputs.a: expected one of files, table, postgres, mysql, command, http, kafka or log, found none`},
		{whole + "inputs:\n  a:\n    files: x.csv\n    table: x", `4: inputs.a: expected one of files, table, postgres, mysql, command, http, kafka or log, found files and table`},
		{whole + "inputs:\n  a-b: {table: x}", `4: inputs.a-b: the input's name is not letters, digits and _`},
		{whole + "inputs:\n  a: x.csv", `4: inputs.a: expected key: value lines, found the text "x.csv"`},
		{windowed + "inputs:\n  a: {files: \"{strat:%Y}.csv\"}", `7: inputs.a.files: unknown placeholder {strat:%Y}; did you mean "start"?`},
		{windowed + "inputs:\n  a: {files: \"{start:%Q}.csv\"}", `7: inputs.a.files: "%Q" in {start:%Q} is not a strftime format`},
		{windowed + "inputs:\n  a: {files: \"{start}.csv\"}", `7: inputs.a.files: the placeholder {start} does not say how to write the time`},
		{windowed + "inputs:\n  a: {files: \"{start:%Y.csv\"}", `7: inputs.a.files: "{start:%Y.csv" has no closing brace`},
		{whole + "inputs:\n  a: {files: \"{start:%Y}.csv\"}", `4: inputs.a.files: the placeholder {start:%Y} needs a window, and the pipeline has none`},
		{whole + "inputs:\n  a: {files: \"\"}", `4: inputs.a.files: it is empty`},
		{whole + "inputs:\n  a: {files: \"${NOPE}/x.csv\"}", `4: inputs.a.files: the environment variable NOPE is not set`},
		{whole + "inputs:\n  a: {files: x, delimiter: ab}", `4: inputs.a.delimiter: expected one character, found "ab"`},
		{whole + "inputs:\n  a: {files: x, format: parquet, skip: 1}", `4: inputs.a.skip: it means nothing with format: parquet, only with csv`},
		{whole + "inputs:\n  a: {files: x, format: avro}", `4: inputs.a.format: a files input cannot be avro; expected csv, parquet or ndjson`},
		{whole + "inputs:\n  a: {table: x, format: csv}", `4: inputs.a.format: it means nothing for a table input`},
		{whole + "inputs:\n  a: {files: x, columns: [{name: a, aliases: [b]}, {name: b}]}", `4: inputs.a.columns: b already names the column a`},
		{whole + "inputs:\n  a: {files: x, on_error: skip}", `4: inputs.a.on_error: it means nothing without kafka: or log:`},
		{whole + "inputs:\n  a: {postgres: {query: select 1}}", `4: inputs.a.postgres: the key "url" is missing`},
		{whole + "inputs:\n  a: {command: python3}", `4: inputs.a.command: expected a list of the program and its arguments, found the text "python3"`},
		{whole + "inputs:\n  a: {command: {run: [x], timeout: soon}}", `4: inputs.a.command.timeout: expected a length of time, found "soon"`},
		{whole + "inputs:\n  a: {http: {url: x.org}}", `4: inputs.a.http.url: expected an address that begins with https://`},
		{whole + "inputs:\n  a: {http: {url: \"https://x\", next: a, page: b}}", `4: inputs.a.http: next and page are two ways to find the next page`},
		{whole + "inputs:\n  a: {table: x}\n  A: {table: y}", `5: inputs.A: there is another input a, and case does not count in SQL`},
		{whole + "inputs:\n  x: [1,\n", `4: this is not YAML: sequence end token ']' not found`},
		{"- write", `2: expected key: value lines, found a list`},
	} {
		_, errs := Parse("pipelines/daily.sql", "/* @twice\n"+test.header+"\n*/\nselect 1\n", env())
		sortErrors(errs)
		got := strings.ReplaceAll(errs.Error(), "pipelines/daily.sql:", "")
		if got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.header, got, test.want)
		}
		for _, e := range errs {
			if e.Next == "" || e.Code == "" || strings.Contains(e.Next, "%!") {
				t.Errorf("%q: code %q, next %q", e.Message, e.Code, e.Next)
			}
		}
	}
}

func TestBadFiles(t *testing.T) {
	for _, test := range []struct{ file, text, want string }{
		{"daily", "select 1", "1: the file does not begin with a header /* @twice … */"},
		{"daily", "select 1\n/* @twice\nwrite: publish */", "2: the file does not begin with a header /* @twice … */"},
		{"daily", "\n/* @twice\nwrite: publish\nselect 1", "2: the header does not end"},
		{"daily", "/* @twice\nwrite: publish\n*/\n-- later\n;", "4: there is no SELECT under the header"},
		{"daily", "/* @twice\nwrite: publish\n*/\n\nselect 1,\n  $strat", `6: unknown parameter $strat; did you mean "start"?`},
		{"daily", "/* @twice\nwrite: publish\n*/\nselect $end", "4: the SQL uses $end, but the pipeline has no window"},
		{"my-daily", "/* @twice write: publish */ select 1", `1: the name "my-daily", from the file's path, is not letters, digits and _`},
		{"a/b/c", "/* @twice write: publish */ select 1", "1: the path of the pipeline a.b.c has more parts than schema.name"},
	} {
		_, errs := Parse("pipelines/"+test.file+".sql", test.text, env())
		if got := strings.ReplaceAll(errs.Error(), "pipelines/"+test.file+".sql:", ""); got != test.want {
			t.Errorf("%q\n got %s\nwant %s", test.text, got, test.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"/* @twice\nwrite: overwrite\nwindow: day\nbegin: 2020-01-01\ntime_column: d\n*/ select $start",
		"/* @twice\ninputs: {a: {files: '{start:%Y}'}}\nchecks: [{unique: a}]\ncolumns:\n- {name: a, type: b}\n*/",
		"/* @twice\n? [a]\n: &x b\nc: *x\n<<: d\n*/ select 1", "/* @twice {", "/* @twice\n- !!x\n*/", "/*@twice\na: |\n  b\n*/",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, errs := Parse("pipelines/a.sql", text, env())
		lines := 1 + strings.Count(text, "\n")
		for _, e := range errs {
			if e.Line < 1 || e.Line > lines || e.Code == "" || e.Next == "" || e.File == "" {
				t.Fatalf("%+v in a text of %d lines", e, lines)
			}
		}
		if len(errs) > 0 {
			return
		}
		if p.Write == "" || p.Calendar.Zone == nil || p.BatchSize < 1 || p.Windowed() && p.Calendar.Begin.IsZero() {
			t.Fatalf("a pipeline without an error is not valid: %+v", p)
		}
		if at := strings.Split(text, "\n")[p.Line-1:]; !strings.HasSuffix(strings.Join(at, "\n"), p.SQL) {
			t.Fatalf("the SQL %q does not start in line %d", p.SQL, p.Line)
		}
		p.Digest()
	})
}
