package postgres_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/engine/duckdb"
)

// parquet writes the rows of a DuckDB query to a file.
func parquet(t testing.TB, query string) string {
	t.Helper()
	d, err := duckdb.Open(ctx, duckdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s, err := engine.Open(d, nil).Session(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	path := filepath.Join(t.TempDir(), "rows.parquet")
	if _, err := s.Exec(ctx, "copy", "COPY ("+query+") TO '"+path+"' (FORMAT parquet)"); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return path
}

func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func attach(t testing.TB, s *engine.Session, rel engine.Relation) {
	t.Helper()
	if err := s.DB().Attach(ctx, s, rel); err != nil {
		t.Fatal(err)
	}
}

// travels lists a value of DuckDB, and the type and the text that it must have in PostgreSQL.
var travels = []struct{ from, typ, want string }{
	{"true", "boolean", "true"}, {"false", "boolean", "false"}, {"NULL::BOOLEAN", "boolean", "NULL"},
	{"(-128)::TINYINT", "smallint", "-128"}, {"255::UTINYINT", "smallint", "255"}, {"(-32768)::SMALLINT", "smallint", "-32768"},
	{"65535::USMALLINT", "integer", "65535"}, {"(-2147483648)::INTEGER", "integer", "-2147483648"},
	{"4294967295::UINTEGER", "bigint", "4294967295"}, {"(-9223372036854775808)::BIGINT", "bigint", "-9223372036854775808"},
	{"18446744073709551615::UBIGINT", "numeric(20,0)", "18446744073709551615"},
	{"0.1::DOUBLE + 0.2::DOUBLE", "double precision", "0.30000000000000004"}, {"'-0.0'::DOUBLE", "double precision", "-0"},
	{"'nan'::DOUBLE", "double precision", "NaN"}, {"'-inf'::FLOAT", "real", "-Infinity"}, {"0.1::FLOAT", "real", "0.1"},
	{"1234567.89::DECIMAL(9,2)", "numeric(9,2)", "1234567.89"}, {"(-0.0001)::DECIMAL(4,4)", "numeric(4,4)", "-0.0001"},
	{"0::DECIMAL(10,3)", "numeric(10,3)", "0.000"}, {"10000::DECIMAL(18,0)", "numeric(18,0)", "10000"},
	{"'12345678901234567890123456789012345.678'::DECIMAL(38,3)", "numeric(38,3)", "12345678901234567890123456789012345.678"},
	{"'  é\t\n\\ \"x'::VARCHAR", "text", "  é\t\n\\ \"x"}, {"''", "text", ""}, {"NULL::VARCHAR", "text", "NULL"},
	{"'\\xAA\\x00\\x0A'::BLOB", "bytea", "\\xaa000a"}, {"''::BLOB", "bytea", "\\x"},
	{"DATE '2020-02-29'", "date", "2020-02-29"}, {"DATE '0044-03-15 (BC)'", "date", "0044-03-15 BC"},
	{"TIME '23:59:59.999999'", "time without time zone", "23:59:59.999999"}, {"TIME '24:00:00'", "time without time zone", "24:00:00"},
	{"TIMESTAMP '1969-12-31 23:59:59.999999'", "timestamp without time zone", "1969-12-31 23:59:59.999999"},
	{"TIMESTAMP 'infinity'", "timestamp without time zone", "infinity"}, {"TIMESTAMP '-infinity'", "timestamp without time zone", "-infinity"},
	{"NULL::TIMESTAMP", "timestamp without time zone", "NULL"},
	{"TIMESTAMPTZ '2020-03-29 02:30:00.5+02'", "timestamp with time zone", "2020-03-29 00:30:00.5+00"},
	{"TIMESTAMP_NS '2020-01-01 00:00:00.123456'", "timestamp without time zone", "2020-01-01 00:00:00.123456"},
	{"'f81d4fae-7dec-11d0-a765-00a0c91e6bf6'::UUID", "uuid", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"},
	{"'{\"b\": 1,  \"a\": [null]}'::JSON", "json", "{\"b\": 1,  \"a\": [null]}"},
	{"[1, NULL, 3]::INTEGER[]", "integer[]", "{1,NULL,3}"}, {"[]::VARCHAR[]", "text[]", "{}"},
	{"NULL::BIGINT[]", "bigint[]", "NULL"}, {"['a,b', '', NULL, '\"']", "text[]", `{"a,b","",NULL,"\""}`},
	{"[1.50, -2]::DECIMAL(5,2)[]", "numeric(5,2)[]", "{1.50,-2.00}"}, {"[DATE '2020-01-01']", "date[]", "{2020-01-01}"},
	{"[TIMESTAMP 'infinity', TIMESTAMP '2020-01-01 00:00:01']", "timestamp without time zone[]", `{infinity,"2020-01-01 00:00:01"}`},
	{"INTERVAL '14 months 3 days 01:02:03.004'", "interval", "1 year 2 mons 3 days 01:02:03.004"},
	{"DATE 'infinity'", "date", "infinity"}, {"DATE '-infinity'", "date", "-infinity"},
	{"'a'::ENUM('a', 'b')", "text", "a"},
}

func TestTypesTravel(t *testing.T) {
	s := session(t, target(t))
	var columns, want []string
	for i, c := range travels {
		columns = append(columns, fmt.Sprintf("%s AS c%d", c.from, i))
		want = append(want, fmt.Sprintf("c%d %s", i, c.typ))
	}
	attach(t, s, engine.Relation{Name: "input", Files: []string{parquet(t, "SELECT "+strings.Join(columns, ", "))}})
	got, err := s.DB().Columns(ctx, s, twice.Table{Schema: "pg_temp", Name: "input"})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range travels {
		if name := got[i].Name + " " + got[i].Type; name != want[i] {
			t.Errorf("%s: the column is %s, want %s", c.from, name, want[i])
		}
		if text := value(t, s, fmt.Sprintf("SELECT c%d::text FROM input", i)); text != c.want {
			t.Errorf("%s arrived as %q, want %q", c.from, text, c.want)
		}
	}
}

// TestTypesOfReadersTravel has those that only a reader's columns can have, as Parquet keeps them as something else.
func TestTypesOfReadersTravel(t *testing.T) {
	for _, c := range []struct{ typ, text, want, wantType string }{
		{"HUGEINT", "-170141183460469231731687303715884105728", "-170141183460469231731687303715884105728", "numeric(39,0)"},
		{"UHUGEINT", "340282366920938463463374607431768211455", "340282366920938463463374607431768211455", "numeric(39,0)"},
		{"BIT", "101010101", "101010101", "bit varying"},
		{"INTERVAL", "14 months -3 days -01:02:03.000004", "1 year 2 mons -3 days -01:02:03.000004", "interval"},
		{"TIMESTAMP_S", "2020-01-01 00:00:01", "2020-01-01 00:00:01", "timestamp without time zone"},
		{"TIMETZ", "12:00:00.5-03:30", "12:00:00.5-03:30", "time with time zone"},
		{"TIMESTAMP_NS", "2020-01-01 00:00:01.000001", "2020-01-01 00:00:01.000001", "timestamp without time zone"},
	} {
		t.Run(c.typ+" "+c.text, func(t *testing.T) {
			s := session(t, target(t))
			attach(t, s, engine.Relation{Name: "input", Files: []string{write(t, "x.csv", "x\n"+c.text+"\n")},
				Reader: twice.Reader{Columns: []twice.ReaderColumn{{Name: "x", Type: c.typ}}}})
			if got := value(t, s, "SELECT x::text FROM input"); got != c.want {
				t.Errorf("arrived as %q, want %q", got, c.want)
			}
			if got := value(t, s, "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'input'::regclass AND attnum = 1"); got != c.wantType {
				t.Errorf("the type is %s, want %s", got, c.wantType)
			}
		})
	}
}

func TestWhatCannotTravelIsRefused(t *testing.T) {
	for _, c := range []struct{ query, column, why string }{
		{"SELECT 1 AS fine, {'a': 1} AS pair", "pair", "STRUCT(a INTEGER)"},
		{"SELECT MAP {'a': 1} AS pairs", "pairs", "MAP(VARCHAR, INTEGER)"},
		{"SELECT [[1], [2, 3]] AS ragged", "ragged", "INTEGER[][]"},
		{"SELECT TIMESTAMP_NS '2020-01-01 00:00:00.123456789' AS fine_time", "fine_time", "2020-01-01 00:00:00.123456789"},
		{"SELECT 'a' || chr(0) AS word", "word", "NUL"},
	} {
		t.Run(c.column, func(t *testing.T) {
			s := session(t, target(t))
			err := s.DB().Attach(ctx, s, engine.Relation{Name: "input", Files: []string{parquet(t, c.query)}, File: "pipelines/p.sql", Line: 7})
			if err == nil {
				t.Fatalf("arrived as %s", value(t, s, "SELECT i::text FROM input i"))
			}
			e := twice.AsError(err)
			if e.Code != "type-cannot-travel" || e.Place() != "pipelines/p.sql:7" || e.Next == "" ||
				!strings.Contains(e.Message, "column "+c.column+" ") || !strings.Contains(e.Message, c.why) {
				t.Errorf("got %q %v", e.Code, e)
			}
		})
	}
}

func TestNamesAreReadAsPostgresReadsThem(t *testing.T) {
	s := session(t, target(t))
	csv := write(t, "x.csv", "Country_Region,Last Update,Ünit\nChile,today,3\n")
	attach(t, s, engine.Relation{Name: "Reports", Files: []string{csv}})
	if got := value(t, s, `SELECT (Country_Region, "Last Update", "Ünit")::text FROM Reports`); got != "(Chile,today,3)" {
		t.Errorf("got %s", got)
	}
}

func TestAttachAgainReplaces(t *testing.T) {
	s := session(t, target(t))
	exec(t, s, "BEGIN", "CREATE TABLE orders (x text)", "INSERT INTO orders VALUES ('the target''s own')")
	for _, text := range []string{"x\n1\n2\n", "x,y\n5,6\n"} {
		attach(t, s, engine.Relation{Name: "orders", Files: []string{write(t, "x.csv", text)}})
	}
	if got := value(t, s, "SELECT json_agg(orders)::text FROM orders"); got != `[{"x":5,"y":6}]` {
		t.Errorf("got %s", got)
	}
	exec(t, s, "COMMIT")
	if got := value(t, s, "SELECT x FROM public.orders"); got != "the target's own" {
		t.Errorf("the target's table has %s", got)
	}
}

func TestAttachOfABrokenFile(t *testing.T) {
	s := session(t, target(t))
	csv := write(t, "x.csv", "x\n"+strings.Repeat("1\n", 100_000)+"not a number\n")
	err := s.DB().Attach(ctx, s, engine.Relation{Name: "input", Files: []string{csv},
		Reader: twice.Reader{Columns: []twice.ReaderColumn{{Name: "x", Type: "INTEGER"}}}})
	if err == nil || !strings.Contains(err.Error(), "not a number") {
		t.Fatalf("got %v", err)
	}
	if got := value(t, s, "SELECT count(*) FROM input"); got != "0" {
		t.Errorf("%s rows stayed", got)
	}
}

func TestAttachCountsEveryRow(t *testing.T) {
	s := session(t, target(t))
	query := "SELECT i, i % 7 = 0 AS b, CASE WHEN i % 3 = 0 THEN NULL ELSE 'row ' || i END AS s FROM range(300000) r(i)"
	attach(t, s, engine.Relation{Name: "input", Files: []string{parquet(t, query)}})
	got := value(t, s, "SELECT (count(*), count(distinct i), sum(i), count(s), count(*) FILTER (WHERE b), "+
		"count(*) FILTER (WHERE s = 'row ' || i))::text FROM input")
	if want := "(300000,300000,44999850000,200000,42858,200000)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func BenchmarkAttach(b *testing.B) {
	s := session(b, target(b))
	var text strings.Builder
	text.WriteString("id,day,country,amount,note,flag\n")
	for i := range 1_000_000 {
		fmt.Fprintf(&text, "%d,2020-03-%02d,Country %d,%d.25,note number %d,%t\n", i, i%30+1, i%200, i%1000, i, i%2 == 0)
	}
	csv := write(b, "x.csv", text.String())
	b.ResetTimer()
	for range b.N {
		attach(b, s, engine.Relation{Name: "input", Files: []string{csv}})
	}
}
