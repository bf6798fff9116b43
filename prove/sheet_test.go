package prove

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/engine/duckdb"
	"github.com/twice-data/twice/project"
)

// newSheets is a scratch folder's bench with one input file; name says its format.
func newSheets(t *testing.T, name string, r twice.Reader) (b *bench, f feed, path string) {
	t.Helper()
	o := &Options{Open: func(ctx context.Context, t project.Target) (engine.Driver, error) {
		return duckdb.Open(ctx, duckdb.Options{Path: t.Path, Threads: 1})
	}}
	b = &bench{scratch: &scratch{Options: o, root: t.TempDir()}, folder: t.TempDir()}
	t.Cleanup(b.closeParquet)
	return b, feed{input: &twice.Input{Files: &twice.FilesInput{Reader: r}}, path: name}, filepath.Join(b.folder, name)
}

// changed is the file's text after a change of its sheet.
func changed(t *testing.T, name string, r twice.Reader, text string, change func(s *sheet) bool) string {
	t.Helper()
	b, f, path := newSheets(t, name, r)
	if strings.HasSuffix(name, ".gz") {
		var zipped bytes.Buffer
		w := gzip.NewWriter(&zipped)
		_, _ = w.Write([]byte(text)) // into memory
		w.Close()
		text = zipped.String()
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	n, err := b.change(t.Context(), b.folder, []feed{f}, func(_ feed, s *sheet) bool { return change(s) })
	if err != nil || n != 1 {
		t.Fatalf("%s: %d files changed, %v", name, n, err)
	}
	_, got, _, err := readText(path, r)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func TestTextSheetsKeepBytes(t *testing.T) {
	for name, text := range map[string]string{
		"a.csv":     "id,name\n1,\"a\nb\"\n2,\"c\"\"d\"\n",
		"b.ndjson":  "{\"id\": 1 , \"n\":1.50}\n{\"id\":2}\n",
		"c.csv.gz":  "id;x\r\n1;2\r\n",
		"d.tsv":     "id\tname\n1\t\" x\"\n",
		"e.csv":     "a,b\n\"1,5\",\"x\"\n",
		"f.ndjson":  "[1]\n",
		"g.csv":     "a\n1\n",
		"h.json.gz": "{\"a\":\"\\u00e9\"}\n",
	} {
		rows := 0
		got := changed(t, name, twice.Reader{}, text, func(s *sheet) bool { rows = len(s.rows); return true })
		if got != text {
			t.Errorf("%s: %q", name, got)
		}
		if rows == 0 || rows > 2 {
			t.Errorf("%s has %d rows", name, rows)
		}
	}
}

func TestTextSheetsChange(t *testing.T) {
	headless := false
	plain, places := twice.Reader{}, twice.Reader{Header: &headless, Skip: 1, Columns: []twice.ReaderColumn{{Name: "id"}, {Name: "n"}}}
	odd := twice.Reader{Quote: "'", Escape: `\`, Delimiter: "||"}
	put := func(c int, v string) func(*sheet) bool {
		return func(s *sheet) bool {
			r, ok := s.with(s.rows[0], c, v)
			s.rows = append(s.rows, r)
			return ok
		}
	}
	for _, test := range []struct {
		name, file string
		reader     twice.Reader
		text, want string
		change     func(*sheet) bool
	}{
		{"a field", "a.csv", plain, "a,b\n1,\"x\"\n", "a,b\n1,\"x\"\n\"2,5\",\"x\"\n", put(0, "2,5")},
		{"a field of strange CSV", "a.csv", odd, "a||b\n'x\\'||'||2\n", "a||b\n'x\\'||'||2\n'x\\'||'||'it\\'s'\n", put(1, "it's")},
		{"a field beside inches", "a.csv", plain, "a,b\n5\" disk,\"3\"\"\"\n4,5\n", "a,b\n5\" disk,\"3\"\"\"\n4,5\n5\" disk,9\n", put(1, "9")},
		{"a field without a header", "a.csv", places, "skip\n1,2\n", "skip\n1,2\n1,\n", put(1, "")},
		{"a name", "a.csv", plain, "a,b\n1,2\n", "a,b_v2\n1,2\n", func(s *sheet) bool { return s.rename(s, 1, "b_v2") }},
		{"a further column", "a.csv", plain, "a,b\r\n1,2\r\n", "a,b,c\r\n1,2,x\r\n", func(s *sheet) bool { return s.widen(s, "c") }},
		{"a further place", "a.csv", places, "skip\n1,2\n", "skip\n1,2,x\n", func(s *sheet) bool { return s.widen(s, "c") }},
		{"a column less", "a.csv", plain, "a,b\n1,2\n", "b\n2\n", func(s *sheet) bool { return s.drop(s, 0) }},
		{"a place less", "a.csv", places, "skip\n1,2\n", "skip\n2\n", func(s *sheet) bool { return s.drop(s, 0) }},
		{"a number", "a.csv", plain, "a,b\n1,-29\n", "a,b\n1,-20\n", func(s *sheet) bool { return s.miscount(s) }},
		{"a member", "a.ndjson", plain, "{\"a\":1.50,\"b\":2}\n", "{\"a\":1.50,\"b\":2}\n{\"a\":1.50,\"b\":{\"x\":[]}}\n", put(1, `{"x":[]}`)},
		{"a member less in one", "a.ndjson", plain, "{\"a\":1,\"b\":2}\n", "{\"a\":1,\"b\":2}\n{\"a\":1}\n", put(1, "")},
		{"a member's name", "a.ndjson", plain, "{\"a\":1}\n{\"b\":1}\n", "{\"c\":1}\n{\"b\":1}\n", func(s *sheet) bool { return s.rename(s, 0, "c") }},
		{"a member more", "a.ndjson", plain, "{\"a\":1}\n7\n", "{\"a\":1,\"c\":1}\n7\n", func(s *sheet) bool { return s.widen(s, "c") }},
		{"a member less", "a.ndjson", plain, "{\"a\":1,\"b\":2}\n", "{\"b\":2}\n", func(s *sheet) bool { return s.drop(s, 0) }},
		{"a number in JSON", "a.ndjson", plain, "{\"a\":1,\"b\":29,\"c\":\"5\"}\n", "{\"a\":1,\"b\":20,\"c\":\"5\"}\n", func(s *sheet) bool { return s.miscount(s) }},
	} {
		if got := changed(t, test.file, test.reader, test.text, test.change); got != test.want {
			t.Errorf("%s: %q, not %q", test.name, got, test.want)
		}
	}
	b, f, path := newSheets(t, "a.csv", places)
	if err := os.WriteFile(path, []byte("skip\n1,2,3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := b.readSheet(t.Context(), b.folder, f)
	if err != nil || strings.Join(s.columns, ",") != "id,n,column 3" || s.rename(s, 0, "x") {
		t.Errorf("columns that have no name in the file: %q, %v", s.columns, err)
	}
}

func TestWhatIsNoTextThatCanBeCutIsLeftAlone(t *testing.T) {
	b, f, path := newSheets(t, "a.csv", twice.Reader{Encodings: []string{"utf-16"}})
	if err := os.WriteFile(path, []byte("a\x00\n\x001\x00\n\x00"), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := b.readSheet(t.Context(), b.folder, f)
	if err != nil || s.why == "" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestWritingASheetLeavesALinkedFileAlone(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.csv"), filepath.Join(dir, "b.csv")
	if err := os.WriteFile(a, []byte("id\n1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(a, b); err != nil {
		t.Skip(err)
	}
	s := &sheet{format: &csvFile{names: []byte("id\n")}}
	if err := s.write(t.Context(), s, b); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(a); string(got) != "id\n1\n" {
		t.Errorf("the other name of the file holds %q", got)
	}
}

// everyType is a value of each type that Parquet files come in.
var everyType = []string{
	"1::TINYINT", "255::UTINYINT", "-3::SMALLINT", "4::USMALLINT", "4::INTEGER", "4::UINTEGER", "(-9223372036854775808)::BIGINT",
	"18446744073709551615::UBIGINT", "1.5::FLOAT", "'nan'::DOUBLE", "0.1::DOUBLE", "12.345::DECIMAL(9,3)",
	"123456789012345678901234567890.12345678::DECIMAL(38,8)", "true", "DATE '2020-02-29'", "DATE '0001-01-01'", "TIME '12:34:56.123456'",
	"'12:34:56.123456+02'::TIMETZ", "TIMESTAMP '2020-01-01 12:34:56.123456'", "'2020-01-01 12:34:56.123456789'::TIMESTAMP_NS",
	"TIMESTAMPTZ '2020-01-01 12:34:56.123456+02'", "'infinity'::TIMESTAMP", "INTERVAL '1 month 2 days 3 seconds'", "'abc'", "''",
	"'e\u0301 \u202eabc 𝕏'", `'\xAA\x00\xFF'::BLOB`, "''::BLOB", "'e68fb68b-873f-4181-ba6b-937cd26e0be7'::UUID", "[1, 2, NULL]",
	"[]::VARCHAR[]", "['', NULL, 'NULL']", "{'a': 1, 'b': 'x', 'c': [1.5::DECIMAL(9,2)]}", "{'a': NULL::INTEGER, 'b': ''}",
	"MAP {'k': [1, 2]}", "[{'a': [1, 2], 'b': NULL::TIMESTAMP_NS}]", `'{"a": [1, null]}'::JSON`, "NULL", "NULL::INTEGER[]",
}

// parquet makes a file of a query.
func parquet(t *testing.T, path, query string) {
	t.Helper()
	query1(t, "COPY ("+query+") TO "+engine.Literal(path)+" (FORMAT parquet)", nil)
}

// query1 runs a statement in a DuckDB of its own, and scans one value.
func query1(t *testing.T, query string, dest any) {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if dest == nil {
		_, err = db.ExecContext(t.Context(), query)
	} else {
		err = db.QueryRowContext(t.Context(), query).Scan(dest)
	}
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// printOf is a fingerprint of a file's rows with their types, and of their order if it matters.
func printOf(t *testing.T, path string, ordered bool) string {
	t.Helper()
	row := "hash(t)"
	if ordered {
		row += " * (row_number() OVER ())"
	}
	var types, sum string
	from := "read_parquet(" + engine.Literal(path) + ")"
	query1(t, "SELECT string_agg(column_name || ' ' || column_type, ', ') FROM (DESCRIBE FROM "+from+")", &types)
	query1(t, "SELECT count(*)::VARCHAR || ' ' || sum(h)::VARCHAR FROM (SELECT "+row+" AS h FROM "+from+" AS t)", &sum)
	return types + " " + sum
}

func TestParquetThatIsRewrittenIsTheSame(t *testing.T) {
	b, f, path := newSheets(t, "a.parquet", twice.Reader{})
	var columns []string
	for i, v := range everyType {
		columns = append(columns, fmt.Sprintf("CASE WHEN i %% 3 <> 1 THEN %s END AS c%d", v, i))
	}
	parquet(t, path, "SELECT i AS \"a \"\"name\", "+strings.Join(columns, ", ")+" FROM range(5000) AS r(i)")
	if why, err := b.faithful(t.Context(), path); err != nil || why != "" {
		t.Errorf("%q, %v", why, err)
	}
	before := printOf(t, path, true)
	for _, block := range []int{0, 2048} {
		n, err := b.change(t.Context(), b.folder, []feed{f}, func(_ feed, s *sheet) bool { s.block = block; return true })
		if err != nil || n != 1 {
			t.Fatal(n, err)
		}
		if after := printOf(t, path, true); after != before {
			t.Errorf("with %d rows in a group:\n%s\n%s", block, before, after)
		}
	}
	var groups int
	query1(t, "SELECT count(DISTINCT row_group_id) FROM parquet_metadata("+engine.Literal(path)+")", &groups)
	if groups != 3 {
		t.Errorf("5000 rows are in %d groups of 2048", groups)
	}
}

func TestParquetSheetsChange(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*sheet) bool
		want   string // a query for the rows
	}{
		{"backwards, one twice", func(s *sheet) bool { s.rows = []row{s.rows[2], s.rows[0], s.rows[0]}; return true },
			"VALUES (3, 'c'), (1, 'a'), (1, 'a')"},
		{"no row", func(s *sheet) bool { s.rows = nil; return true }, "SELECT 1, '' WHERE false"},
		{"other values", func(s *sheet) bool {
			r, _ := s.with(s.rows[0], 0, "NULL")
			r, ok := s.with(r, 1, "'it''s'")
			s.rows = append(s.rows, r)
			return ok
		}, "VALUES (1, 'a'), (2, 'b'), (3, 'c'), (NULL, 'it''s')"},
		{"a number", func(s *sheet) bool { s.columns = append(s.columns, ""); return s.rename(s, 0, "z") && s.drop(s, 1) }, "VALUES (1), (2), (3)"},
		{"a further column", func(s *sheet) bool { return s.widen(s, "z") }, "VALUES (1, 'a', 'x'), (2, 'b', 'x'), (3, 'c', 'x')"},
		{"text", func(s *sheet) bool { return s.retype(s, 0, "VARCHAR") }, "VALUES ('1', 'a'), ('2', 'b'), ('3', 'c')"},
		{"narrow", func(s *sheet) bool { return s.retype(s, 0, "TINYINT") }, "VALUES (1::TINYINT, 'a'), (2, 'b'), (3, 'c')"},
	} {
		b, f, path := newSheets(t, "a.parquet", twice.Reader{})
		parquet(t, path, "SELECT * FROM (VALUES (1, 'a'), (2, 'b'), (3, 'c')) AS t(n, x)")
		n, err := b.change(t.Context(), b.folder, []feed{f}, func(_ feed, s *sheet) bool { return test.change(s) })
		if err != nil || n != 1 {
			t.Errorf("%s: %d files changed, %v", test.name, n, err)
			continue
		}
		var got, want string
		query1(t, "SELECT coalesce(string_agg(t::VARCHAR), '') FROM (SELECT row(COLUMNS(*)) AS t FROM read_parquet("+engine.Literal(path)+"))", &got)
		query1(t, "SELECT coalesce(string_agg(t::VARCHAR), '') FROM (SELECT row(COLUMNS(*)) AS t FROM ("+test.want+"))", &want)
		if got != want {
			t.Errorf("%s: %s, not %s", test.name, got, want)
		}
	}
	b, f, path := newSheets(t, "a.parquet", twice.Reader{})
	parquet(t, path, "SELECT 300 AS n, 7 AS m")
	n, err := b.change(t.Context(), b.folder, []feed{f}, func(_ feed, s *sheet) bool { return s.retype(s, 0, "TINYINT") })
	if err != nil || n != 0 {
		t.Errorf("300 as a TINYINT: %d files changed, %v", n, err)
	}
}

// Every strange value can be written, into a column of its own type, and read again.
func TestParquetHoldsStrangeValues(t *testing.T) {
	b, f, path := newSheets(t, "a.parquet", twice.Reader{})
	var columns []string
	for i, v := range everyType {
		columns = append(columns, fmt.Sprintf("%s AS c%d", v, i))
	}
	parquet(t, path, "SELECT "+strings.Join(columns, ", "))
	types := printOf(t, path, false)
	types = types[:strings.LastIndex(types[:strings.LastIndex(types, " ")], " ")]
	want := 0
	_, err := b.change(t.Context(), b.folder, []feed{f}, func(_ feed, s *sheet) bool {
		for c := range s.columns {
			odds := s.odd(s, c)
			for _, o := range odds {
				r, ok := s.with(s.rows[0], c, o.value)
				if !ok {
					t.Errorf("%s cannot be put", o.name)
				}
				s.rows = append(s.rows, r)
			}
			if len(odds) == 0 || !odds[min(1, len(odds)-1)].null {
				t.Errorf("NULL is not tried in %s", s.columns[c])
			}
		}
		want = len(s.rows)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := printOf(t, path, false); !strings.HasPrefix(got, fmt.Sprintf("%s %d ", types, want)) {
		t.Errorf("%s\nnot %d of %s", got, want, types)
	}
}
