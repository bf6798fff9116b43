package duckdb

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/twice-data/twice"
)

const allTypes = `SELECT CAST(1 AS DECIMAL(18,2)) AS d, {'x': 1, 'y': 'z'} AS s, CAST('a' AS ENUM('a', 'b')) AS e,
	[1] AS l, MAP {1: 'x'} AS m, TIMESTAMPTZ '2020-01-01 00:00:00+00' AS "Weird Name" -- the end`

func TestDescribeAndColumnsAgree(t *testing.T) {
	d := openTest(t, Options{})
	s := session(t, d)
	want := []twice.Column{
		{Name: "d", Type: "DECIMAL(18,2)"}, {Name: "s", Type: "STRUCT(x INTEGER, y VARCHAR)"},
		{Name: "e", Type: "ENUM('a', 'b')"}, {Name: "l", Type: "INTEGER[]"}, {Name: "m", Type: "MAP(INTEGER, VARCHAR)"},
		{Name: "Weird Name", Type: "TIMESTAMP WITH TIME ZONE"},
	}
	described, err := d.Describe(t.Context(), s, allTypes)
	if diff := cmp.Diff(want, described); err != nil || diff != "" {
		t.Errorf("Describe: %v\n%s", err, diff)
	}
	exec1(t, s, "CREATE SCHEMA Mart")
	exec1(t, s, "CREATE TABLE Mart.Daily AS "+allTypes)
	for _, table := range []twice.Table{{Schema: "Mart", Name: "Daily"}, {Schema: "mart", Name: "daily"}} {
		cols, err := d.Columns(t.Context(), s, table)
		if diff := cmp.Diff(want, cols); err != nil || diff != "" {
			t.Errorf("Columns: %v\n%s", err, diff)
		}
	}
	exec1(t, s, "CREATE TABLE here (a int)")
	if cols, err := d.Columns(t.Context(), s, twice.Table{Name: "HERE"}); err != nil || len(cols) != 1 {
		t.Errorf("default schema: %v, %v", cols, err)
	}
	if cols, err := d.Columns(t.Context(), s, twice.Table{Name: "daily"}); err != nil || len(cols) != 0 {
		t.Errorf("no such table: %v, %v", cols, err)
	}
}

func TestNoSuchTable(t *testing.T) {
	d := openTest(t, Options{})
	s := session(t, d)
	exec1(t, s, "BEGIN")
	for _, table := range []twice.Table{
		{Name: "it's"}, {Name: `a "b" c`}, {Name: "Größe.x"}, {Schema: "no such", Name: "t"}, {Schema: "it's", Name: `q"t`},
	} {
		if cols, err := d.Columns(t.Context(), s, table); err != nil || cols != nil {
			t.Errorf("%s: %v, %v", table, cols, err)
		}
	}
	exec1(t, s, "COMMIT") // none of these ended the transaction
}

func TestDescribeSaysWhatIsWrong(t *testing.T) {
	d := openTest(t, Options{})
	_, err := d.Describe(t.Context(), session(t, d), "SELECT a\nFROM nope")
	e := wantError(t, err, "sql", "nope does not exist", "LINE 2: FROM nope")
	if e.Line != 2 {
		t.Errorf("line %d", e.Line)
	}
}

func TestSameType(t *testing.T) {
	d := openTest(t, Options{})
	for _, same := range [][]string{
		{"bigint", "INT8", "LONG", " Bigint "},
		{"varchar", "text", "string", "character varying(10)"},
		{"numeric(10,2)", "DECIMAL(10, 2)"},
		{"timestamptz", "timestamp with time zone"},
		{"timestamp", "timestamp without time zone", "datetime"},
		{"double", "double precision", "float8"},
		{"struct(a int)", "STRUCT(a INTEGER)"},
		{"mood", "MOOD"}, // unknown here
	} {
		for _, other := range same {
			if !d.SameType(same[0], other) {
				t.Errorf("%s is not %s", same[0], other)
			}
		}
	}
	for _, different := range [][2]string{
		{"int", "bigint"}, {"decimal(18,2)", "decimal(18,3)"}, {"timestamp", "timestamptz"}, {"date", "timestamp"},
		{"int); drop table x; --", "int"},
	} {
		if d.SameType(different[0], different[1]) {
			t.Errorf("%s is %s", different[0], different[1])
		}
	}
}

func TestRowHash(t *testing.T) {
	d := openTest(t, Options{})
	s := session(t, d)
	sum := func(columns int, rows ...string) string {
		cols := []twice.Column{{Name: "a"}, {Name: "b"}}[:columns]
		return one[string](t, s, fmt.Sprintf("SELECT CAST(sum(%s) AS VARCHAR) FROM (VALUES %s) AS t(a, b)",
			d.RowHash("t", cols), strings.Join(rows, ", ")))
	}
	if sum(2, "(1, 'x')", "(2, 'y')", "(3, NULL)") != sum(2, "(3, NULL)", "(1, 'x')", "(2, 'y')") {
		t.Error("the order of rows matters")
	}
	seen := map[string]string{}
	for _, row := range []string{
		"('a', 'b')", "('b', 'a')", "('', 'a')", "('a', '')", "(NULL, 'a')", "('a', NULL)", "(NULL, NULL)", "('', '')",
		"(0, 0)", "('0', '0')", "(NULL, 0)", "(0, NULL)", "('ab', '')", "(1.5, 0)", "(1, 1)", "(2, 2)",
		"('a', 'b'), ('a', 'b')", "('a', 'b'), ('a', 'b'), ('a', 'b')", "('a', 'x'), ('b', 'y')", "('a', 'y'), ('b', 'x')",
	} {
		got := sum(2, row)
		if other, ok := seen[got]; ok {
			t.Errorf("%s and %s have the hash %s", row, other, got)
		}
		seen[got] = row
	}
	if sum(0, "(1, 2)", "(3, 4)") != sum(0, "(5, 6)", "(7, 8)") {
		t.Error("without columns only the number of rows counts")
	}
}

// The values of this version of DuckDB. If they change, so must Features.Fingerprint: stored fingerprints are void.
func TestRowHashIsPinned(t *testing.T) {
	d := openTest(t, Options{})
	cols := []twice.Column{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}}
	got := one[string](t, session(t, d), "SELECT CAST(sum("+d.RowHash("t", cols)+") AS VARCHAR) FROM "+
		"(VALUES (1, 'è', DATE '2020-03-01', 1.50::DECIMAL(18,2)), (NULL, '', NULL, 2)) AS t(a, b, c, d)")
	if got != "29361672351362225462" {
		t.Errorf("%s hashes to %s", d.Features().Fingerprint, got)
	}
}
