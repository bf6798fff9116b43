package duckdb

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// write puts files with the given texts into a folder and returns their paths, in order.
func write(t *testing.T, namesAndTexts ...string) []string {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for i := 0; i < len(namesAndTexts); i += 2 {
		path := filepath.Join(dir, namesAndTexts[i])
		if err := os.WriteFile(path, []byte(namesAndTexts[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

func zip(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// attached is a session in which the files are the relation "in".
func attached(t *testing.T, r twice.Reader, files ...string) (*engine.Session, error) {
	t.Helper()
	d := openTest(t, Options{})
	s := session(t, d)
	return s, d.Attach(t.Context(), s, engine.Relation{Name: "in", Files: files, Reader: r, File: "pipelines/p.sql", Line: 7})
}

// rows reads the relation as lines of values, in the order of the lines.
func rows(t *testing.T, s *engine.Session) string {
	t.Helper()
	return one[string](t, s, `SELECT coalesce(string_agg(l, chr(10) ORDER BY l), '') FROM (SELECT CAST("in" AS VARCHAR) AS l FROM "in")`)
}

func columns(t *testing.T, s *engine.Session) string {
	t.Helper()
	return one[string](t, s, `SELECT string_agg(column_name || ' ' || column_type, ', ') FROM (DESCRIBE "in")`)
}

func TestAttachReadsWhatIsThere(t *testing.T) {
	no := false
	for name, tc := range map[string]struct {
		files   []string
		reader  twice.Reader
		columns string
		rows    string
	}{
		"csv": {
			files: []string{"a.csv", "id,name,d\n1,x,2020-03-01\n2,,2020-03-02\n"}, columns: "id BIGINT, name VARCHAR, d DATE",
			rows: "{'id': 1, 'name': x, 'd': 2020-03-01}\n{'id': 2, 'name': NULL, 'd': 2020-03-02}",
		},
		"byte order mark, CRLF, no final newline": {
			files:   []string{"a.csv", "\ufeffid,name\r\n1,x\r\n2,y"},
			columns: "id BIGINT, name VARCHAR", rows: "{'id': 1, 'name': x}\n{'id': 2, 'name': y}",
		},
		"trailing comma in header and rows": {
			files: []string{"a.csv", "id,name,\n1,x,\n2,y,\n"}, reader: twice.Reader{Columns: []twice.ReaderColumn{{Name: "id"}, {Name: "name"}}},
			columns: "id BIGINT, name VARCHAR, column2 VARCHAR",
			rows:    "{'id': 1, 'name': x, 'column2': NULL}\n{'id': 2, 'name': y, 'column2': NULL}",
		},
		"another delimiter in one of the files": {
			files:   []string{"a.csv", "id,name\n1,x\n", "b.csv", "id;name\n2;y\n"},
			columns: "id BIGINT, name VARCHAR", rows: "{'id': 1, 'name': x}\n{'id': 2, 'name': y}",
		},
		"text wins over numbers, as it stands in the file": {
			files:   []string{"a.csv", "code\n1.50\n", "b.csv", "code\nx1\n"},
			columns: "code VARCHAR", rows: "{'code': 1.50}\n{'code': x1}",
		},
		"a line break and a delimiter in quotes, late in the file": {
			files:  []string{"a.csv", "id,name\n" + strings.Repeat("1,x\n", 3000) + "2,\"y,\nz\"\n"},
			reader: twice.Reader{Columns: []twice.ReaderColumn{{Name: "id"}}}, columns: "id BIGINT, name VARCHAR",
			rows: strings.Repeat("{'id': 1, 'name': x}\n", 3000) + "{'id': 2, 'name': 'y,\nz'}",
		},
		"names with quotes and pattern letters": {
			files: []string{"it's [1]*?.csv", "id\n1\n", "it's 1aa.csv", "id\n2\n"}, columns: "id BIGINT", rows: "{'id': 1}\n{'id': 2}",
		},
		"renamed, added and pinned columns": {
			files: []string{"a.csv", "id,totale\n01,7\n", "b.csv", "id,cases,note\n02,8,n\n"},
			reader: twice.Reader{Columns: []twice.ReaderColumn{
				{Name: "id", Type: "varchar"}, {Name: "cases", Type: "decimal(18,2)", Aliases: []string{"TOTALE"}},
				{Name: "tests", Type: "int", Optional: true},
			}},
			columns: "id VARCHAR, cases DECIMAL(18,2), tests INTEGER, note VARCHAR",
			rows: "{'id': 01, 'cases': 7.00, 'tests': NULL, 'note': NULL}\n" +
				"{'id': 02, 'cases': 8.00, 'tests': NULL, 'note': n}",
		},
		"every column pinned": {
			files:   []string{"a.csv", "n,d\n1,06/03/2020\n" + strings.Repeat("2,07/03/2020\n", 30000) + "3,25/03/2020\n"},
			reader:  twice.Reader{Columns: []twice.ReaderColumn{{Name: "n", Type: "varchar"}, {Name: "d", Type: "date"}}},
			columns: "n VARCHAR, d DATE", rows: "{'n': 1, 'd': 2020-03-06}\n" + strings.Repeat("{'n': 2, 'd': 2020-03-07}\n", 30000) +
				"{'n': 3, 'd': 2020-03-25}",
		},
		"declared names tell a header from rows": {
			files: []string{"a.csv", "a,b\n"}, reader: twice.Reader{Columns: []twice.ReaderColumn{{Name: "a", Type: "int"}}},
			columns: "a INTEGER, b VARCHAR",
		},
		"no header": {
			files: []string{"a.csv", "1,x\n2,y\n"}, columns: "n INTEGER, s VARCHAR",
			reader: twice.Reader{Header: &no, Columns: []twice.ReaderColumn{{Name: "n", Type: "int"}, {Name: "s"}}},
			rows:   "{'n': 1, 's': x}\n{'n': 2, 's': y}",
		},
		"skipped lines and null strings": {
			files: []string{"a.csv", "report of,today\n\nn;s\n1;NA\nNA;-\n"}, columns: "n BIGINT, s VARCHAR",
			reader: twice.Reader{Skip: 2, Delimiter: ";", Nulls: []string{"NA", "-"}}, rows: "{'n': 1, 's': NULL}\n{'n': NULL, 's': NULL}",
		},
		"dates in another format": {
			files: []string{"a.csv", "d\n06/03/2020\n25/03/2020\n"}, columns: "d DATE", rows: "{'d': 2020-03-06}\n{'d': 2020-03-25}",
		},
		"a short line that lacks nothing declared": {
			files: []string{"a.csv", "id,n,note\n1,,x\n2,5\n"}, reader: twice.Reader{Columns: []twice.ReaderColumn{{Name: "n", Type: "int"}}},
			columns: "id BIGINT, n INTEGER, note VARCHAR", rows: "{'id': 1, 'n': NULL, 'note': x}\n{'id': 2, 'n': 5, 'note': NULL}",
		},
		"gzip": {files: []string{"a.csv.gz", zip(t, "id\n1\n")}, columns: "id BIGINT", rows: "{'id': 1}"},
		"format and compression by declaration": {
			files: []string{"0f3a", zip(t, `{"id": 1}`)}, reader: twice.Reader{Format: "ndjson", Compression: "gzip"},
			columns: "id BIGINT", rows: "{'id': 1}",
		},
		"ndjson": {
			files:   []string{"a.ndjson", `{"id": 1, "v": {"x": 1}}` + "\n" + `{"id": 2}`, "b.jsonl", `{"id": 3, "w": [1]}`, "c.ndjson", ""},
			columns: "id BIGINT, v STRUCT(x BIGINT), w BIGINT[]",
			rows:    "{'id': 1, 'v': {'x': 1}, 'w': NULL}\n{'id': 2, 'v': NULL, 'w': NULL}\n{'id': 3, 'v': NULL, 'w': [1]}",
		},
		"ndjson, pinned": {
			files:   []string{"a.ndjson", `{"id": "1", "t": "2020-03-01T17:00:00Z"}`},
			reader:  twice.Reader{Columns: []twice.ReaderColumn{{Name: "id", Type: "int"}, {Name: "t", Type: "timestamp"}}},
			columns: "id INTEGER, t TIMESTAMP", rows: "{'id': 1, 't': '2020-03-01 17:00:00'}",
		},
		"no files": {
			reader:  twice.Reader{Columns: []twice.ReaderColumn{{Name: "id", Type: "int"}, {Name: "note"}}},
			columns: "id INTEGER, note VARCHAR",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := attached(t, tc.reader, write(t, tc.files...)...)
			if err != nil {
				t.Fatal(err)
			}
			if got := columns(t, s); got != tc.columns {
				t.Errorf("columns are %s, want %s", got, tc.columns)
			}
			if diff := cmp.Diff(tc.rows, rows(t, s)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAttachSaysWhatIsWrong(t *testing.T) {
	yes := true
	whole := zip(t, strings.Repeat("id,name\n1,x\n", 500))
	for name, tc := range map[string]struct {
		files  []string
		reader twice.Reader
		code   string
		says   []string
	}{
		"wrong delimiter": {
			files: []string{"a.csv", "id,name\n1,x\n"}, reader: twice.Reader{Delimiter: ";"},
			code: "bad-input", says: []string{"a.csv", `delimiter ";"`, "id,name", `set delimiter: ","`},
		},
		"wrong delimiter and declared columns": {
			files: []string{"a.csv", "id,name\n1,x\n"}, reader: twice.Reader{Delimiter: ";", Columns: []twice.ReaderColumn{{Name: "id"}}},
			code: "bad-input", says: []string{`set delimiter: ","`},
		},
		"lines of unequal length": {
			files: []string{"a.csv", "id,name\n1,x\n2\n"}, code: "bad-input", says: []string{"a.csv, line 3", "the line is: 2"},
		},
		"a short line that lacks a declared column": {
			files: []string{"a.csv", "id,name\n1,x\n2\n"}, reader: twice.Reader{Columns: []twice.ReaderColumn{{Name: "name"}}},
			code: "bad-input", says: []string{"a.csv, line 3"},
		},
		"lines that are too long": {
			files: []string{"a.csv", "id,name\n1,x\n2,y,z\n"}, reader: twice.Reader{Delimiter: ",", Header: &yes}, code: "bad-input",
			says: []string{"a.csv"},
		},
		"text before the header": {
			files: []string{"a.csv", "a report\nid,name\n1,x\n"}, code: "bad-input",
			says: []string{"a.csv", "a report", "set skip: 1"},
		},
		"renamed column": {
			files:  []string{"a.csv", "id,totale\n1,2\n", "b.csv", "id,casi_totali\n1,2\n"},
			reader: twice.Reader{Columns: []twice.ReaderColumn{{Name: "totale_casi", Aliases: []string{"totale"}}}},
			code:   "missing-column", says: []string{"b.csv", "no column totale_casi", "id, casi_totali", "aliases: [casi_totali]", "optional: true"},
		},
		"not UTF-8":      {files: []string{"a.csv", "id,name\n1,Forl\xec\n"}, code: "bad-input", says: []string{"a.csv", "utf-8"}},
		"zero bytes":     {files: []string{"a.csv", ""}, code: "empty-input", says: []string{"a.csv"}},
		"zipped nothing": {files: []string{"a.csv.gz", zip(t, "")}, code: "empty-input", says: []string{"a.csv.gz"}},
		"cut gzip":       {files: []string{"a.csv.gz", whole[:len(whole)-12]}, code: "bad-input", says: []string{"a.csv.gz", "not a whole gzip"}},
		"no gzip":        {files: []string{"a.csv.gz", "id\n1\n"}, code: "bad-input", says: []string{"a.csv.gz", "not a whole gzip"}},
		"no parquet":     {files: []string{"a.parquet", strings.Repeat("x", 100)}, code: "bad-input", says: []string{"a.parquet", "magic bytes"}},
		"broken json":    {files: []string{"a.ndjson", "{\"id\": 1}\n{\"id\" 2}\n"}, code: "bad-input", says: []string{"a.ndjson", "Malformed"}},
		"which format?":  {files: []string{"a.dat", "id\n1\n"}, code: "unknown-format", says: []string{"a.dat", "format:"}},
		"no files, no columns": {
			code: "empty-input", says: []string{"input in has no rows", "columns:"},
		},
		"an unknown type": {
			files: []string{"a.csv", "id\n1\n"}, reader: twice.Reader{Columns: []twice.ReaderColumn{{Name: "id", Type: "nope"}}},
			code: "unknown-type", says: []string{"nope", "column id"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := attached(t, tc.reader, write(t, tc.files...)...)
			e := wantError(t, err, tc.code, tc.says...)
			if e.Place() != "pipelines/p.sql:7" {
				t.Errorf("place is %s", e.Place())
			}
			if n := strings.Count(e.Message, "\n"); n > 2 {
				t.Errorf("the message has %d lines:\n%s", n+1, e.Message)
			}
		})
	}
	_, err := attached(t, twice.Reader{}, "/nowhere/a.csv")
	wantError(t, err, "missing-input", "/nowhere/a.csv")
}

// A value that does not fit its type is found when it is read.
func TestReadingSaysWhatIsWrong(t *testing.T) {
	pinned := twice.Reader{Columns: []twice.ReaderColumn{{Name: "n", Type: "int"}}}
	for name, file := range map[string][]string{
		"csv":    {"a.csv", "n\n1\nq\n"},
		"ndjson": {"a.ndjson", "{\"n\": 1}\n{\"n\": \"q\"}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := attached(t, pinned, write(t, file...)...)
			if err != nil {
				t.Fatal(err)
			}
			var n int
			err = s.Row(t.Context(), "read", `SELECT max(n) FROM "in"`, &n)
			wantError(t, err, "bad-input", file[0], "q", "line")
		})
	}
	t.Run("parquet", func(t *testing.T) {
		d := openTest(t, Options{})
		s := session(t, d)
		path := filepath.Join(t.TempDir(), "a.parquet")
		exec1(t, s, "COPY (SELECT * FROM (VALUES ('1'), ('q')) AS t(n)) TO "+engine.Literal(path))
		if err := d.Attach(t.Context(), s, engine.Relation{Name: "in", Files: []string{path}, Reader: pinned}); err != nil {
			t.Fatal(err)
		}
		var n int
		err := s.Row(t.Context(), "read", `SELECT max(n) FROM "in"`, &n)
		wantError(t, err, "bad-input", path, "column n has q, which is no int")
	})
}

func TestAttachParquet(t *testing.T) {
	d := openTest(t, Options{})
	s := session(t, d)
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.parquet"), filepath.Join(dir, "day=1", "b.parquet")
	if err := os.Mkdir(filepath.Dir(b), 0o700); err != nil {
		t.Fatal(err)
	}
	exec1(t, s, "COPY (SELECT 1::INTEGER AS id, '2020-03-01' AS old) TO "+engine.Literal(a))
	exec1(t, s, "COPY (SELECT 2::BIGINT AS id, DATE '2020-03-02' AS d, 'x' AS note) TO "+engine.Literal(b))
	reader := twice.Reader{Columns: []twice.ReaderColumn{{Name: "d", Type: "date", Aliases: []string{"old"}}}}
	if err := d.Attach(t.Context(), s, engine.Relation{Name: "in", Files: []string{a, b}, Reader: reader}); err != nil {
		t.Fatal(err)
	}
	if got, want := columns(t, s), "id BIGINT, d DATE, note VARCHAR"; got != want {
		t.Errorf("columns are %s, want %s", got, want)
	}
	want := "{'id': 1, 'd': 2020-03-01, 'note': NULL}\n{'id': 2, 'd': 2020-03-02, 'note': x}"
	if diff := cmp.Diff(want, rows(t, s)); diff != "" {
		t.Error(diff)
	}
	cut, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{len(cut) - 20, len(cut) / 2, 3} {
		files := write(t, "cut.parquet", string(cut[:n]))
		err := d.Attach(t.Context(), s, engine.Relation{Name: "in", Files: files})
		wantError(t, err, "bad-input", "cut.parquet")
	}
}

func TestAttachAgainAndInsideTransaction(t *testing.T) {
	d := openTest(t, Options{})
	s := session(t, d)
	files := write(t, "a.csv", "id\n1\n", "b.csv", "id\n2\n", "bad.csv", "")
	exec1(t, s, "BEGIN")
	for i, want := range []string{"{'id': 1}", "{'id': 2}"} {
		if err := d.Attach(t.Context(), s, engine.Relation{Name: "in", Files: files[i : i+1]}); err != nil {
			t.Fatal(err)
		}
		if got := rows(t, s); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	exec1(t, s, "CREATE TABLE t (a int)")
	err := d.Attach(t.Context(), s, engine.Relation{Name: "in", Files: files[2:]})
	wantError(t, err, "empty-input")
	exec1(t, s, "COMMIT") // looking at a bad file did not end the transaction
	if cols, err := d.Columns(t.Context(), s, twice.Table{Name: "t"}); err != nil || len(cols) != 1 {
		t.Errorf("the transaction is gone: %v, %v", cols, err)
	}
}
