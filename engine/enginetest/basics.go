package enginetest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

func sessionUTC(b *bench) {
	b.start(nil)
	b.want("SELECT CAST(TIMESTAMPTZ '2020-03-01 00:30:00+00' AS DATE)", "2020-03-01T00:00:00Z")
	b.want("SELECT CAST(CAST(TIMESTAMPTZ '2020-07-01 12:00:00+02' AS TIMESTAMP) AS VARCHAR)", "2020-07-01 10:00:00")
}

func errorLeavesNothing(b *bench) {
	b.start(nil)
	b.exec("CREATE TABLE t (id INTEGER)")
	err := b.s.Tx(b.ctx, func() error {
		b.exec("INSERT INTO t VALUES (1)")
		_, err := b.s.Exec(b.ctx, "test", "INSERT INTO nowhere VALUES (1)")
		return err
	})
	if twice.AsError(err).Code != "sql" {
		b.Errorf("error of a missing table is %v, want code sql", err)
	}
	b.want("SELECT count(*) FROM t", "0")
}

func describeAgrees(b *bench) {
	b.start(nil)
	query := `SELECT CAST(1 AS INTEGER) AS i, CAST(2 AS BIGINT) AS b, CAST('x' AS VARCHAR) AS s, CAST(1.5 AS DECIMAL(12,3)) AS d,
		DATE '2020-03-01' AS day, TIMESTAMP '2020-03-01 01:02:03' AS ts, TIMESTAMPTZ '2020-03-01 01:02:03+00' AS tz,
		TRUE AS ok, CAST(0.5 AS DOUBLE PRECISION) AS f`
	given, err := b.db.Describe(b.ctx, b.s, query)
	if err != nil {
		b.Fatal(err)
	}
	b.exec("CREATE TABLE t AS " + query)
	cols, err := b.db.Columns(b.ctx, b.s, twice.Table{Name: "t"})
	if err != nil {
		b.Fatal(err)
	}
	if len(given) != 9 || len(cols) != len(given) {
		b.Fatalf("described %d columns, the table has %d, want 9", len(given), len(cols))
	}
	for i := range cols {
		if cols[i].Name != given[i].Name || !b.db.SameType(cols[i].Type, given[i].Type) {
			b.Errorf("column %d is %v in the table and %v described", i, cols[i], given[i])
		}
	}
	for _, same := range [][2]string{{"bigint", "int8"}, {"varchar", "text"}, {"numeric(12,3)", "decimal(12,3)"}, {"timestamptz", "timestamp with time zone"}} {
		if same[0] == "varchar" && b.db.Features().SharedTarget {
			continue // where VARCHAR and TEXT are two types
		}
		if !b.db.SameType(same[0], same[1]) {
			b.Errorf("%s and %s are one type", same[0], same[1])
		}
	}
	if b.db.SameType("bigint", "integer") || b.db.SameType("decimal(12,3)", "decimal(12,2)") {
		b.Error("different types are taken for the same")
	}
	none, err := b.db.Columns(b.ctx, b.s, twice.Table{Schema: "nowhere", Name: "nothing"})
	if err != nil || len(none) != 0 {
		b.Errorf("a missing table has columns %v, error %v", none, err)
	}
}

func attachExactly(b *bench) {
	b.start(nil)
	dir := b.TempDir()
	var files []string
	for name, text := range map[string]string{"a.csv": "id,name\n1,one\n2,\n", "b.csv": "id,name\n3,three\n", "c.csv": "id,name\n4,four\n"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
		if name != "c.csv" {
			files = append(files, path)
		}
	}
	if err := b.db.Attach(b.ctx, b.s, engine.Relation{Name: "feed", Files: files}); err != nil {
		b.Fatal(err)
	}
	b.want("SELECT id, name FROM feed ORDER BY id", "1|one", "2|-", "3|three")
	if err := b.db.Attach(b.ctx, b.s, engine.Relation{Name: "feed", Files: files[:1]}); err != nil {
		b.Fatalf("attaching a name again: %v", err)
	}
}

func hashTellsApart(b *bench) {
	b.start(nil)
	fp := func(rows ...string) twice.Fingerprint {
		f, err := b.s.Fingerprint(b.ctx, "test", "("+values("a, b", rows...)+")", "", []twice.Column{{Name: "a"}, {Name: "b"}})
		if err != nil {
			b.Fatal(err)
		}
		return f
	}
	one, other := fp("('x','y')", "('y','x')"), fp("('y','x')", "('x','y')")
	if one != other {
		b.Error("the order of rows changes a fingerprint")
	}
	for _, differ := range [][2]twice.Fingerprint{
		{fp("('x','y')"), fp("('y','x')")},
		{fp("('x',NULL)"), fp("('x','')")},
		{fp("('x','y')"), fp("('x','y')", "('x','y')")},
		{fp("('ab','c')"), fp("('a','bc')")},
		{fp("(NULL,'x')"), fp("('x',NULL)")},
		{fp("('a','x')", "('b','y')"), fp("('a','y')", "('b','x')")}, // rows that exchange a column's values
	} {
		if differ[0] == differ[1] {
			b.Errorf("different rows have the fingerprint %v", differ[0])
		}
	}
	if empty, err := b.s.Fingerprint(b.ctx, "test", "("+values("a", "('x')")+")", "a = 'y'", []twice.Column{{Name: "a"}}); err != nil || empty != (twice.Fingerprint{}) {
		b.Errorf("no rows have the fingerprint %v, error %v", empty, err)
	}
}

func parseTables(b *bench) {
	b.start(nil)
	q, err := b.db.Parse(b.ctx, `WITH c AS (SELECT * FROM one) SELECT * FROM c JOIN mart.two ON TRUE
		WHERE EXISTS (SELECT 1 FROM three) AND $start < $end`)
	if err != nil {
		b.Fatal(err)
	}
	var names []string
	for _, t := range q.Tables {
		names = append(names, t.Table.String())
	}
	if got := strings.Join(names, " "); got != "one mart.two three" && got != "mart.two one three" && got != "mart.two three one" {
		b.Errorf("tables are %q, want one, mart.two and three", got)
	}
}

func parseSyntax(b *bench) {
	b.start(nil)
	_, err := b.db.Parse(b.ctx, "SELECT 1\nFROM x\nWHER y = 1 GROUP")
	var e *twice.Error
	if !errors.As(err, &e) || e.Code != "syntax" || e.Line != 3 {
		b.Errorf("error is %#v, want code syntax on line 3", err)
	}
}

func fenceLost(b *bench) {
	b.start(nil)
	p := pipeline(twice.Overwrite, values("id", "(1)"))
	b.write(p)
	p.SQL = values("id", "(2)")
	j := job(p)
	lost := twice.Errorf("lease-lost", "somebody else has it")
	j.Fence = func(context.Context, *engine.Session) error { return lost }
	if _, err := b.s.Write(b.ctx, j); !errors.Is(err, lost) {
		b.Fatalf("error is %v, want the fence's", err)
	}
	b.want("SELECT id FROM t", "1")
}

// fenceTwoWriters starts a second writer of the same empty window inside the first one's transaction. The fence makes it
// wait for the first one's end, so that its DELETE sees the first one's rows.
func fenceTwoWriters(b *bench) {
	b.start(nil)
	if !b.db.Features().ConcurrentWriters {
		b.Skip("one transaction writes at a time here")
	}
	b.exec("CREATE TABLE fence (n INTEGER)")
	b.exec("INSERT INTO fence VALUES (0)")
	p := pipeline(twice.Overwrite, values("ts, id", "($start, 1)"), daily)
	b.write(p, day(2))

	var finishing atomic.Bool
	started := make(chan struct{})
	second := make(chan error, 1)
	other := b.session()
	fence := func(ctx context.Context, s *engine.Session) error {
		if s == other {
			close(started)
		}
		_, err := s.Exec(ctx, "fence", "UPDATE fence SET n = n + 1")
		if s == other && !finishing.Load() {
			b.Error("the second writer passed the fence while the first was at work")
		}
		return err
	}
	j := job(p, day(1))
	j.Fence = fence
	j.Receipt = func(ctx context.Context, s *engine.Session, _ *engine.Outcome) error {
		go func() {
			k := job(p, day(1))
			k.Fence = fence
			_, err := other.Write(context.WithoutCancel(ctx), k)
			second <- err
		}()
		<-started
		for range 200 { // time for the second writer to go wrong
			if _, err := s.Exec(ctx, "round trip", "SELECT 1"); err != nil {
				return err
			}
		}
		finishing.Store(true)
		return nil
	}
	if _, err := b.s.Write(b.ctx, j); err != nil {
		b.Fatal(err)
	}
	if err := <-second; err != nil && twice.AsError(err).Code != "serialization" {
		b.Fatal(err)
	}
	b.want("SELECT id FROM t ORDER BY ts", "1", "1")
}
