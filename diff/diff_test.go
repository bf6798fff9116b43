package diff_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/diff"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/engine/duckdb"
	"github.com/twice-data/twice/engine/postgres"
	"github.com/twice-data/twice/engine/postgres/pgtest"
)

var ctx = context.Background()

func duck(t testing.TB) *engine.Session {
	t.Helper()
	d, err := duckdb.Open(ctx, duckdb.Options{Path: filepath.Join(t.TempDir(), "w.duckdb")})
	return session(t, d, err)
}

func pg(t testing.TB) *engine.Session {
	t.Helper()
	d, err := postgres.Open(ctx, postgres.Options{URL: pgtest.Start(t).Database(t)})
	return session(t, d, err)
}

func session(t testing.TB, d engine.Driver, err error) *engine.Session {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	db := engine.Open(d, nil)
	s, err := db.Session(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); db.Close() })
	return s
}

func exec(t testing.TB, s *engine.Session, statements ...string) {
	t.Helper()
	for _, st := range statements {
		if _, err := s.Exec(ctx, "test", st); err != nil {
			t.Fatalf("%s: %v", st, err)
		}
	}
}

func table(t testing.TB, s *engine.Session, name string) diff.Side {
	t.Helper()
	cols, err := s.DB().Columns(ctx, s, twice.Table{Name: name})
	if err != nil || len(cols) == 0 {
		t.Fatalf("no table %s: %v", name, err)
	}
	return diff.Side{Session: s, Name: s.DB().Features().Name + " " + name, Relation: engine.Ident(name), Columns: cols}
}

func compare(t testing.TB, left, right diff.Side, opts diff.Options) *diff.Result {
	t.Helper()
	r, err := diff.Tables(ctx, left, right, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// pairs are the engines that are compared with each other.
var pairs = []struct {
	name        string
	left, right func(testing.TB) *engine.Session
}{
	{"duckdb and duckdb", duck, duck},
	{"duckdb and postgres", duck, pg},
	{"postgres and postgres", pg, pg},
}

// describe makes a result's shown differences readable.
func describe(r *diff.Result) string {
	text := func(v *string) string {
		if v == nil {
			return "NULL"
		}
		return *v
	}
	var lines []string
	for _, d := range r.Shown {
		line := fmt.Sprintf("%s x%d", d.Change, d.Count)
		for _, k := range d.Key {
			line += fmt.Sprintf(" %s=%s", k.Column, text(k.Text))
		}
		for _, c := range d.Cells {
			line += fmt.Sprintf(" %s:%s|%s", c.Column, text(c.Left), text(c.Right))
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestOneCellOfManyIsNamedAndLittleTravels(t *testing.T) {
	for _, pair := range pairs {
		t.Run(pair.name, func(t *testing.T) {
			sides := make([]diff.Side, 2)
			for i, open := range []func(testing.TB) *engine.Session{pair.left, pair.right} {
				s := open(t)
				exec(t, s, "CREATE TABLE big (id BIGINT, name VARCHAR(40), amount DECIMAL(12,2), moment TIMESTAMP)",
					`INSERT INTO big SELECT i, 'name ' || i, i / 100.0, TIMESTAMP '2020-01-01 00:00:00' + i * INTERVAL '1 second'
					 FROM generate_series(1, 100000) AS g(i)`)
				sides[i] = table(t, s, "big")
			}
			if r := compare(t, sides[0], sides[1], diff.Options{Key: []string{"id"}, Limit: 20}); !r.Same() || r.LeftRows != 100000 || r.Hashes != 0 {
				t.Fatalf("equal tables: %+v", r)
			}
			exec(t, sides[1].Session, "UPDATE big SET amount = amount + 0.01 WHERE id = 77777")
			r := compare(t, sides[0], sides[1], diff.Options{Key: []string{"ID"}, Limit: 20})
			if got, want := describe(r), "changed x1 id=77777 amount:777.77|777.78"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if r.Changed != 1 || r.Added+r.Removed != 0 {
				t.Errorf("counts: %+v", r)
			}
			t.Logf("%d rows and %d row hashes travelled", r.Rows, r.Hashes)
			if r.Rows != 2 || r.Hashes > 600 {
				t.Errorf("%d rows and %d hashes travelled", r.Rows, r.Hashes)
			}
			r = compare(t, sides[0], sides[1], diff.Options{Limit: 20})
			if r.Added != 1 || r.Removed != 1 || r.Rows != 2 || r.Hashes > 900 {
				t.Errorf("without a key: %+v", r)
			}
		})
	}
}

// allTypes lists types that both engines have: their names, two values as both write them, and the first as it is shown.
var allTypes = []struct{ name, duck, pg, one, two, shown string }{
	{"flag", "BOOLEAN", "boolean", "TRUE", "FALSE", "true"},
	{"small", "SMALLINT", "smallint", "-7", "8", "-7"},
	{"int", "INTEGER", "integer", "2147483647", "0", "2147483647"},
	{"big", "BIGINT", "bigint", "-9223372036854775808", "1", "-9223372036854775808"},
	{"huge", "HUGEINT", "numeric(38)", "99999999999999999999999999999999999999", "100", "99999999999999999999999999999999999999"},
	{"money", "DECIMAL(18,4)", "numeric", "-0.5000", "-0.5001", "-0.5"},
	{"cents", "DECIMAL(18,2)", "numeric(20,5)", "1200.00", "1200.01", "1200"},
	{"f4", "FLOAT", "real", "0.1", "0.2", "0.1"},
	{"f8", "DOUBLE", "double precision", "0.1", "0.30000000000000004", "0.1"},
	{"nan", "DOUBLE", "double precision", "CAST('nan' AS double precision)", "CAST('infinity' AS double precision)", "nan"},
	{"zero", "DOUBLE", "double precision", "CAST('-0' AS double precision)", "1e-300", "0"},
	{"txt", "VARCHAR", "text", "'naïve, ''quoted'' 1:2,'", "''", "naïve, 'quoted' 1:2,"},
	{"chars", "VARCHAR", "character varying(10)", "' a '", "' a'", " a "},
	{"blob", "BLOB", "bytea", `'\x00\xFF'`, `'\x01'`, "00ff"},
	{"day", "DATE", "date", "'0044-03-15'", "'infinity'", "0044-03-15"},
	{"tod", "TIME", "time", "'23:59:59.000001'", "'00:00:00'", "23:59:59.000001"},
	{"ts", "TIMESTAMP", "timestamp", "'1969-12-31 23:59:59.123456'", "'-infinity'", "1969-12-31 23:59:59.123456"},
	{"ms", "TIMESTAMP_MS", "timestamp(3)", "'2020-02-29 12:00:00.5'", "'2020-02-29 12:00:00.501'", "2020-02-29 12:00:00.5"},
	{"tz", "TIMESTAMPTZ", "timestamptz", "'2020-06-01 02:00:00+02'", "'2020-06-01 02:00:00+00'", "2020-06-01 00:00:00Z"},
	{"uid", "UUID", "uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
	{"ints", "INTEGER[]", "bigint[]", "ARRAY[1, NULL, 3]", "ARRAY[1, 3]", "[1, NULL, 3]"},
	{"texts", "VARCHAR[]", "text[]", "ARRAY['a,b', '']", "ARRAY['a', 'b,']", "[a,b, ]"},
	{"enum", "ENUM('x', 'y')", "text", "'x'", "'y'", "x"},
}

func createAllTypes(t *testing.T, s *engine.Session) {
	t.Helper()
	isDuck := s.DB().Features().Name == "duckdb"
	names, ones, twos, nulls := []string{"id integer"}, []string{"1"}, []string{"2"}, []string{"3"}
	for _, typ := range allTypes {
		name, one, two := typ.pg, typ.one, typ.two
		if isDuck {
			name = typ.duck
		}
		if typ.duck == "BLOB" && !isDuck { // the same bytes, as PostgreSQL writes them
			one, two = `'\x00ff'`, `'\x01'`
		}
		names = append(names, typ.name+" "+name)
		ones, twos, nulls = append(ones, one), append(twos, two), append(nulls, "NULL")
	}
	exec(t, s, "CREATE TABLE wide ("+strings.Join(names, ", ")+")")
	for _, values := range [][]string{ones, twos, nulls} {
		exec(t, s, "INSERT INTO wide VALUES ("+strings.Join(values, ", ")+")")
	}
}

func TestEveryTypeIsEqualAndToldApartAcrossEngines(t *testing.T) {
	for _, pair := range pairs {
		t.Run(pair.name, func(t *testing.T) {
			l, r := pair.left(t), pair.right(t)
			createAllTypes(t, l)
			createAllTypes(t, r)
			left, right := table(t, l, "wide"), table(t, r, "wide")
			opts := diff.Options{Key: []string{"id"}, Limit: 100}
			if found := compare(t, left, right, opts); !found.Same() {
				t.Fatalf("equal tables differ: %v\n%s", found.Columns, describe(found))
			}
			for _, typ := range allTypes {
				exec(t, r, fmt.Sprintf("UPDATE wide SET %s = (SELECT %s FROM wide WHERE id = 2) WHERE id = 1", typ.name, typ.name))
				found := compare(t, left, right, opts)
				if len(found.Shown) != 1 || len(found.Shown[0].Cells) != 1 {
					t.Fatalf("%s: %d shown:\n%s", typ.name, len(found.Shown), describe(found))
				}
				if c := found.Shown[0].Cells[0]; c.Column != typ.name || *c.Left != typ.shown {
					t.Errorf("%s: column %s, left %q, want %q", typ.name, c.Column, *c.Left, typ.shown)
				}
				exec(t, r, fmt.Sprintf("UPDATE wide SET %s = NULL WHERE id = 1", typ.name))
				if found := compare(t, left, right, opts); found.Changed != 1 || found.Shown[0].Cells[0].Right != nil {
					t.Errorf("%s: NULL is not told from a value: %s", typ.name, describe(found))
				}
				value := typ.one
				if typ.duck == "BLOB" && r.DB().Features().Name != "duckdb" {
					value = `'\x00ff'`
				}
				exec(t, r, fmt.Sprintf("UPDATE wide SET %s = %s WHERE id = 1", typ.name, value))
			}
		})
	}
}

func TestTypesWithoutACommonText(t *testing.T) {
	l, r := duck(t), pg(t)
	exec(t, l, "CREATE TABLE docs (id INTEGER, doc JSON)", `INSERT INTO docs VALUES (1, '{"a": 1}')`)
	exec(t, r, "CREATE TABLE docs (id INTEGER, doc JSONB)", `INSERT INTO docs VALUES (1, '{"a": 1}')`)
	left, right := table(t, l, "docs"), table(t, r, "docs")
	_, err := diff.Tables(ctx, left, right, diff.Options{})
	var e *twice.Error
	if !errors.As(err, &e) || e.Code != "incomparable-type" || e.Exit != twice.ExitProject || !strings.Contains(e.Message, "doc is JSON in duckdb docs and jsonb") {
		t.Fatalf("got %v", err)
	}
	if !compare(t, left, right, diff.Options{Except: []string{"doc"}}).Same() {
		t.Error("--except does not leave the column out")
	}
	exec(t, l, "CREATE TABLE same AS SELECT * FROM docs", `UPDATE same SET doc = '{"a": 2}'`)
	if got := describe(compare(t, left, table(t, l, "same"), diff.Options{Key: []string{"id"}, Limit: 5})); got != `changed x1 id=1 doc:{"a": 1}|{"a": 2}` {
		t.Errorf("in one engine: %s", got)
	}
}

func TestColumnsWithoutACounterpartAreDifferences(t *testing.T) {
	s := duck(t)
	exec(t, s, "CREATE TABLE a (id INTEGER, x INTEGER, gone TEXT)", "CREATE TABLE b (X VARCHAR, ID BIGINT, fresh DATE)",
		"INSERT INTO a VALUES (1, 1, 'g')", "INSERT INTO b VALUES ('1', 1, NULL)")
	r := compare(t, table(t, s, "a"), table(t, s, "b"), diff.Options{Key: []string{"id"}})
	want := []diff.TypeChange{{Column: "x", Left: "INTEGER", Right: "VARCHAR"}, {Column: "gone", Left: "VARCHAR"}, {Column: "fresh", Right: "DATE"}}
	if !slices.Equal(r.Columns, want) || r.Same() || r.Changed+r.Added+r.Removed != 0 {
		t.Errorf("got %+v", r)
	}
}

func TestCountsAreExactWhateverIsShown(t *testing.T) {
	l, r := duck(t), duck(t)
	exec(t, l, "CREATE TABLE n AS SELECT i AS id, i AS v FROM range(0, 30000) AS g(i)")
	exec(t, r, "CREATE TABLE n AS SELECT i AS id, i + (i % 2) AS v FROM range(1000, 31000) AS g(i)")
	found := compare(t, table(t, l, "n"), table(t, r, "n"), diff.Options{Key: []string{"id"}, Limit: 3})
	if found.Removed != 1000 || found.Added != 1000 || found.Changed != 14500 || len(found.Shown) != 3 || found.Rows > 6 {
		t.Errorf("%d removed, %d added, %d changed, %d shown, %d rows travelled", found.Removed, found.Added, found.Changed,
			len(found.Shown), found.Rows)
	}
	if found = compare(t, table(t, l, "n"), table(t, r, "n"), diff.Options{Key: []string{"id"}}); found.Rows != 0 || found.Changed != 14500 {
		t.Errorf("without a limit: %+v", found)
	}
}

// TestAgainstAnOracle compares small random tables, with NULL and repeated keys, with what a count of equal rows says.
func TestAgainstAnOracle(t *testing.T) {
	s := duck(t)
	exec(t, s, "CREATE TABLE l (k INTEGER, v VARCHAR)", "CREATE TABLE r (k INTEGER, v VARCHAR)")
	left, right := table(t, s, "l"), table(t, s, "r")
	type pair struct{ k, v string }
	rows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) pair {
		return pair{rapid.SampledFrom([]string{"NULL", "-1", "0", "1", "2"}).Draw(t, "k"),
			rapid.SampledFrom([]string{"NULL", "''", "'-'", "'a'"}).Draw(t, "v")}
	}), 0, 6)
	rapid.Check(t, func(rt *rapid.T) {
		more := map[pair]int64{}
		exec(t, s, "DELETE FROM l", "DELETE FROM r")
		for name, sign := range map[string]int64{"l": 1, "r": -1} {
			for _, p := range rows.Draw(rt, name) {
				more[p] += sign
				exec(t, s, fmt.Sprintf("INSERT INTO %s VALUES (%s, %s)", name, p.k, p.v))
			}
		}
		var removed, added int64
		byKey := map[string][2]int64{}
		for p, n := range more {
			k := byKey[p.k]
			k[0] += max(n, 0)
			k[1] += max(-n, 0)
			byKey[p.k] = k
			removed += max(n, 0)
			added += max(-n, 0)
		}
		var changed int64
		for _, k := range byKey {
			if k == [2]int64{1, 1} {
				changed++
			}
		}
		got := compare(t, left, right, diff.Options{Limit: 100})
		if got.Removed != removed || got.Added != added || got.Changed != 0 {
			rt.Fatalf("as multisets: %+v, want %d removed, %d added", got, removed, added)
		}
		checkShown(rt, got)
		got = compare(t, left, right, diff.Options{Key: []string{"k"}, Limit: 100})
		if got.Changed != changed || got.Removed != removed-changed || got.Added != added-changed {
			rt.Fatalf("by key: %+v, want %d changed", got, changed)
		}
		checkShown(rt, got)
	})
}

// checkShown holds what is shown, where all is, against the counts.
func checkShown(t *rapid.T, r *diff.Result) {
	counts := map[diff.Change]int64{}
	for _, d := range r.Shown {
		counts[d.Change] += d.Count
	}
	if counts[diff.Added] != r.Added || counts[diff.Removed] != r.Removed || counts[diff.Changed] != r.Changed {
		t.Fatalf("shown %v, counted %+v", counts, r)
	}
}

func TestSnapshotLeavesNothing(t *testing.T) {
	for _, s := range []*engine.Session{duck(t), pg(t)} {
		exec(t, s, "CREATE TABLE t (id INTEGER)")
		err := diff.Snapshot(ctx, s, func() error {
			exec(t, s, "INSERT INTO t VALUES (1)", "CREATE TEMPORARY TABLE left_over (id INTEGER)")
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		var n int
		if err := s.Row(ctx, "test", "SELECT count(*) FROM t", &n); err != nil || n != 0 {
			t.Errorf("%d rows stayed: %v", n, err)
		}
		exec(t, s, "CREATE TEMPORARY TABLE left_over (id INTEGER)")
	}
}
