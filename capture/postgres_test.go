package capture

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine/postgres/pgtest"
	"github.com/twice-data/twice/manifest"
)

// taken captures p's inputs for windows and gives the pins, and a function that reads a capture with SQL, where {} stands
// for its rows.
func taken(t testing.TB, p *twice.Pipeline, windows ...twice.Window) ([][]twice.Pin, func(pin twice.Pin, query string) string, error) {
	t.Helper()
	tmp := t.TempDir()
	c := &Capturer{Dir: t.TempDir(), Store: manifest.Local{Dir: filepath.Join(tmp, "store")},
		Pause: func(context.Context, time.Duration) error { return nil }}
	if windows == nil {
		windows = []twice.Window{{}}
	}
	pins, err := c.Capture(t.Context(), p, windows, tmp)
	read := func(pin twice.Pin, query string) string {
		t.Helper()
		return ask(t, strings.ReplaceAll(query, "{}", "read_parquet('"+manifest.CapturePath(tmp, pin.Capture.SHA256)+"')"))
	}
	if err != nil {
		files, listed := c.Store.List(t.Context())
		if listed != nil || len(files) > 0 && len(p.Inputs) == 1 && len(windows) == 1 {
			t.Errorf("a capture failed and left %v %v", files, listed)
		}
	}
	return pins, read, err
}

// ask runs a query in DuckDB: its rows, one a line, their values with a bar between.
func ask(t testing.TB, query string) string {
	t.Helper()
	p, err := newParquet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	var lines []string
	err = p.session.Query(t.Context(), "ask", "SELECT coalesce(CAST(COLUMNS(*) AS VARCHAR), 'NULL') FROM ("+query+")",
		func(rows *sql.Rows) error {
			names, err := rows.Columns()
			if err != nil {
				return err
			}
			values, into := make([]string, len(names)), make([]any, len(names))
			for i := range values {
				into[i] = &values[i]
			}
			err = rows.Scan(into...)
			lines = append(lines, strings.Join(values, "|"))
			return err
		})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

func queried(engine, url, query string) *twice.Pipeline {
	return &twice.Pipeline{Name: "p", File: "pipelines/p.sql", Inputs: []twice.Input{
		{Name: "src", Line: 7, Database: &twice.DatabaseInput{Engine: engine, URL: url, Query: query}},
	}}
}

func code(err error) string {
	if err == nil {
		return ""
	}
	return twice.AsError(err).Code
}

func TestPostgresTypesTravel(t *testing.T) {
	url := pgtest.Start(t).Database(t)
	pgtest.Start(t).Exec(t, database(url), "CREATE TYPE mood AS ENUM ('sad')")
	for _, test := range []struct{ expr, typ, want string }{
		{"true", "BOOLEAN", "true"},
		{"(-32768)::int2", "SMALLINT", "-32768"},
		{"2147483647", "INTEGER", "2147483647"},
		{"(-9223372036854775808)::int8", "BIGINT", "-9223372036854775808"},
		{"4294967295::oid", "UINTEGER", "4294967295"},
		{"1.1::float4", "FLOAT", "1.1"},
		{"0.1::float8 + 0.2::float8", "DOUBLE", "0.30000000000000004"},
		{"'NaN'::float8", "DOUBLE", "nan"},
		{"'-Infinity'::float8", "DOUBLE", "-inf"},
		{"12345678901234567890123456789012345.123::numeric(38,3)", "DECIMAL(38,3)", "12345678901234567890123456789012345.123"},
		{"(-1.50)::numeric(5,2)", "DECIMAL(5,2)", "-1.50"},
		{"1234567890123456789012345678.0123456789", "DECIMAL(38,10)", "1234567890123456789012345678.0123456789"},
		{"'a,\"b\"\n\\N'::text", "VARCHAR", "a,\"b\"\n\\N"},
		{"'\\N'::text", "VARCHAR", "\\N"},
		{"''::text", "VARCHAR", ""},
		{"' BC'::text", "VARCHAR", " BC"},
		{"'x'::char(3)", "VARCHAR", "x  "},
		{"'{\"a\":  1.00}'::json", "JSON", "{\"a\":  1.00}"},
		{"'{\"b\":1,\"a\":12345678901234567890.000000001}'::jsonb", "JSON", "{\"a\": 12345678901234567890.000000001, \"b\": 1}"},
		{"'550e8400-e29b-41d4-a716-446655440000'::uuid", "UUID", "550e8400-e29b-41d4-a716-446655440000"},
		{"'\\x00ff22'::bytea", "BLOB", "\\x00\\xFF\\x22"},
		{"''::bytea", "BLOB", ""},
		{"date '2020-02-29'", "DATE", "2020-02-29"},
		{"date 'infinity'", "DATE", "infinity"},
		{"date '-infinity'", "DATE", "-infinity"},
		{"date '0044-03-15 BC'", "DATE", "0044-03-15 (BC)"},
		{"date '20000-01-01'", "DATE", "20000-01-01"},
		{"timestamp '2020-01-01 12:00:00.000001'", "TIMESTAMP", "2020-01-01 12:00:00.000001"},
		{"timestamp 'infinity'", "TIMESTAMP", "infinity"},
		{"timestamp '0044-03-15 12:00:01 BC'", "TIMESTAMP", "0044-03-15 (BC) 12:00:01"},
		{"timestamptz '2020-01-01 12:00:00.123456+05:30'", "TIMESTAMP WITH TIME ZONE", "2020-01-01 06:30:00.123456+00"},
		{"timestamptz '-infinity'", "TIMESTAMP WITH TIME ZONE", "-infinity"},
		{"timestamptz '0044-03-15 12:00:01+00 BC'", "TIMESTAMP WITH TIME ZONE", "0044-03-15 (BC) 12:00:01+00"},
		{"time '24:00:00'", "TIME", "24:00:00"},
		{"time '12:00:00.000001'", "TIME", "12:00:00.000001"},
		{"array[1,null,3]", "INTEGER[]", "[1, NULL, 3]"},
		{"'{}'::int[]", "INTEGER[]", "[]"},
		{"array['a,b', '\"', null, 'NULL', '']", "VARCHAR[]", `['a,b', '"', NULL, 'NULL', '']`},
		{"array[1.5,2]::numeric(6,2)[]", "DECIMAL(6,2)[]", "[1.50, 2.00]"},
		{"array[timestamptz '2020-01-01 00:00:00.5+01', 'infinity']", "TIMESTAMP WITH TIME ZONE[]", "['2019-12-31 23:00:00.5+00', infinity]"},
		{"array['\\x01'::bytea]", "BLOB[]", `[\x01]`},
		{"'sad'::mood", "VARCHAR", "sad"},
		{"array['sad'::mood]", "VARCHAR[]", "[sad]"},
		{"null::int", "INTEGER", "NULL"},
		{"null::text", "VARCHAR", "NULL"},
		{"null::timestamp[]", "TIMESTAMP[]", "NULL"},
	} {
		pins, read, err := taken(t, queried("postgres", url, "select "+test.expr+` as "X y", 1 as one`))
		if err != nil {
			t.Errorf("%s: %v", test.expr, err)
			continue
		}
		if got := read(pins[0][0], `select "X y", typeof("X y"), one from {}`); got != test.want+"|"+test.typ+"|1" {
			t.Errorf("%s became %s, want %s|%s", test.expr, got, test.want, test.typ)
		}
	}
}

// Texts that CSV, or a reader of it, could take for something else.
func TestPostgresOddTexts(t *testing.T) {
	url := pgtest.Start(t).Database(t)
	for query, want := range map[string]string{
		`select * from (values ('', 'x', 1), (' a ', '#c', 2), (null, E'\r', 3), (E'a\rb', null, 4), ('\.', '\N', null), ('', null, null)) v(a, b, c)`: "|x|1\n a |#c|2\nNULL|\r|3\na\rb|NULL|4\n\\.|\\N|NULL\n|NULL|NULL",
		`select * from (values (''), (null), (' '), (''), ('\.'), ('NULL')) v(a)`:                                                                      "\nNULL\n \n\n\\.\nNULL",
	} {
		pins, read, err := taken(t, queried("postgres", url, query))
		if err != nil {
			t.Fatal(err)
		}
		if got := read(pins[0][0], "select * from {}"); got != want {
			t.Errorf("%s gives %q, want %q", query, got, want)
		}
	}
}

func database(url string) string {
	name, _, _ := strings.Cut(url[strings.LastIndex(url, "/")+1:], "?")
	return name
}

func TestPostgresTypesThatCannotTravel(t *testing.T) {
	url := pgtest.Start(t).Database(t)
	for _, test := range []struct{ query, says string }{
		{"select interval '1 day' as i, 1 as a, '(1,2)'::point as p", "column i is interval; column p is point"},
		{"select timetz '10:00+01' as t", "time with time zone"},
		{"select 1::numeric(50,2) as n", "numeric(50,2)"},
		{"select 'NaN'::numeric as n", "NaN does not fit into numeric(38,10)"},
		{"select 0.12345678901 as n", "0.12345678901 does not fit"},
		{"select 'NaN'::numeric(5,2) as n", `column "n"`},
		{"select array[[1,2],[3,4]] as a", "an array of arrays"},
		{"select array[interval '1 day'] as a", "interval[]"},
	} {
		_, _, err := taken(t, queried("postgres", url, test.query))
		if code(err) != "type-cannot-travel" || !strings.Contains(err.Error(), test.says) || twice.AsError(err).Line != 7 {
			t.Errorf("%s: %v (%s), want %q", test.query, err, code(err), test.says)
		}
	}
}

func TestPostgresRefusals(t *testing.T) {
	s := pgtest.Start(t)
	url := s.Database(t)
	s.Exec(t, database(url), "CREATE TABLE secret (a int); DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN;"+
		"DO $$BEGIN CREATE ROLE password_required; EXCEPTION WHEN duplicate_object THEN NULL; END$$;"+
		"DROP ROLE IF EXISTS locked; CREATE ROLE locked LOGIN PASSWORD 'right' IN ROLE password_required")
	as := func(user string) string { return strings.Replace(url, "postgres@", user+"@", 1) }
	for _, test := range []struct{ url, query, code, next string }{
		{as("locked:wr0ng"), "select 1 as a", "wrong-password", "the input's url"},
		{as("reader"), "select * from secret", "permission", "GRANT SELECT ON secret TO"},
		{strings.Replace(url, fmt.Sprint(s.Port), "1", 1), "select 1 as a", "server-down", "pg_isready"},
		{url, "select a, a from secret", "duplicate-column", "AS"},
		{url, "insert into secret values (1) returning a", "read-only", ""},
		{url, "selec 1", "sql", ""},
	} {
		_, _, err := taken(t, queried("postgres", test.url, test.query))
		if code(err) != test.code || !strings.Contains(twice.AsError(err).Next, test.next) || strings.Contains(fmt.Sprintf("%+v", err), "wr0ng") {
			t.Errorf("%s: %v (%s, next: %s), want %s", test.query, err, code(err), twice.AsError(err).Next, test.code)
		}
	}
}

// A capture of nothing has the columns, and equal rows make equal bytes.
func TestPostgresEmptyAndEqual(t *testing.T) {
	url := pgtest.Start(t).Database(t)
	pins, read, err := taken(t, queried("postgres", url, "select 1::int as a, array[1.5::numeric(4,1)] as b, ''::bytea as c where false"))
	if err != nil {
		t.Fatal(err)
	}
	if got := read(pins[0][0], "select string_agg(column_name || ' ' || column_type, ', ') from (describe select * from {})"); got != "a INTEGER, b DECIMAL(4,1)[], c BLOB" {
		t.Error(got)
	}
	query := "select i, 'x' || i as s, i * 0.5 as d from generate_series(1, 200000) as i"
	one, read, err := taken(t, queried("postgres", url, query))
	if err != nil {
		t.Fatal(err)
	}
	two, _, err := taken(t, queried("postgres", url, query))
	if err != nil || one[0][0].Capture.SHA256 != two[0][0].Capture.SHA256 {
		t.Errorf("equal rows have the captures %v and %v (%v)", one, two, err)
	}
	if got := read(one[0][0], "select count(*), sum(i), max(s), sum(d) from {}"); got != "200000|20000100000|x99999|10000050000.0000000000" {
		t.Error(got)
	}
}

// All inputs and windows that are captured together see one moment of a server, though it changes in between: the first
// query itself waits until the change has been committed.
func TestPostgresOneSnapshot(t *testing.T) {
	s := pgtest.Start(t)
	url := s.Database(t)
	s.Exec(t, database(url), "CREATE TABLE src AS SELECT 1 AS n; CREATE EXTENSION IF NOT EXISTS dblink")
	change := fmt.Sprintf("select n, dblink_exec('dbname=%s port=%d host=127.0.0.1 user=postgres', 'update src set n = n + 1') as done "+
		"from src where $start < $end", database(url), s.Port)
	p := &twice.Pipeline{Name: "p", Inputs: []twice.Input{
		{Name: "a", Database: &twice.DatabaseInput{Engine: "postgres", URL: url, Query: change}},
		{Name: "b", Database: &twice.DatabaseInput{Engine: "postgres", URL: url, Query: "select n, $start::timestamp as at, $end as e from src"}},
	}}
	day := twice.Window{Start: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC)}
	next := twice.Window{Start: day.End, End: day.End.AddDate(0, 0, 1)}
	pins, read, err := taken(t, p, day, next)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"1|2020-01-01 00:00:00|2020-01-02 00:00:00", "1|2020-01-02 00:00:00|2020-01-03 00:00:00"} {
		if got := read(pins[i][1], "select * from {}"); got != want {
			t.Errorf("window %d has %s, want %s", i, got, want)
		}
	}
	if got := read(pins[1][0], "select n from {}"); got != "1" {
		t.Errorf("the second window sees %s", got)
	}
}
