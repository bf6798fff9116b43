package enginetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"pgregory.net/rapid"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

func overwriteRepeat(b *bench) {
	b.start(nil)
	p := pipeline(twice.Overwrite, values("ts, id", "($start, 1)", "($start, 2)", "($start, 2)"), daily)
	first := b.write(p, day(1))
	for range 2 {
		again := b.write(p, day(1))
		if again.Windows[0].Fingerprint != first.Windows[0].Fingerprint || again.Windows[0].Fingerprint.Rows != 3 {
			b.Errorf("repeated, the fingerprint is %v, want %v of 3 rows", again.Windows[0].Fingerprint, first.Windows[0].Fingerprint)
		}
	}
	b.want("SELECT id FROM t ORDER BY id", "1", "2", "2")
}

func overwriteOthers(b *bench) {
	b.start(nil)
	p := pipeline(twice.Overwrite, values("ts, id", "($start, 1)"), daily)
	for n := 1; n <= 3; n++ {
		b.write(p, day(n))
	}
	p.SQL = values("ts, id", "($start, 7)")
	b.write(p, day(2))
	b.want("SELECT id FROM t ORDER BY ts", "1", "7", "1")
}

func overwriteOutside(b *bench) {
	b.start(nil)
	p := pipeline(twice.Overwrite, values("ts, id", "($start, 1)"), daily)
	b.write(p, day(1))
	for name, row := range map[string]string{
		"the end is not inside": "($end, 2)", "before the start": "($start - INTERVAL '1 microsecond', 2)", "null": "(CAST(NULL AS TIMESTAMP), 2)",
	} {
		p.SQL = values("ts, id", "($start, 1)", row)
		if e := b.refused("outside-window", p, day(1)); !strings.Contains(e.Message, "1 row") {
			b.Errorf("%s: the message does not count the rows: %s", name, e.Message)
		}
	}
}

func overwriteEmpty(b *bench) {
	b.start(nil)
	p := pipeline(twice.Overwrite, values("ts, id", "($start, 1)"), daily)
	full := p.SQL
	p.SQL = full + " WHERE id = 2"
	b.write(p, day(1)) // nothing over nothing is no loss
	p.SQL = full
	b.write(p, day(1))
	p.SQL = full + " WHERE id = 2"
	b.refused("empty-result", p, day(1))
	p.AllowEmpty = true
	b.write(p, day(1))
	b.want("SELECT count(*) FROM t", "0")
}

func overwriteBatch(b *bench) {
	b.start(nil)
	one := pipeline(twice.Overwrite, values("ts, id", "($start, 1)"), daily)
	alone := map[twice.Window]twice.Fingerprint{}
	for n := 1; n <= 3; n++ {
		alone[day(n)] = b.write(one, day(n)).Windows[0].Fingerprint
	}
	rows := []string{"(TIMESTAMP '2020-03-01 00:00:00', 1)", "(TIMESTAMP '2020-03-02 00:00:00', 1)", "(TIMESTAMP '2020-03-03 00:00:00', 1)"}
	many := pipeline(twice.Overwrite, values("ts, id", rows...)+" WHERE ts >= $start AND ts < $end", daily)
	o := b.write(many, day(1), day(2), day(3))
	if len(o.Windows) != 3 {
		b.Fatalf("a batch of 3 windows has %d outcomes", len(o.Windows))
	}
	for _, w := range o.Windows {
		if w.Fingerprint != alone[w.Window] {
			b.Errorf("window %s has fingerprint %v in a batch and %v alone", w.Window, w.Fingerprint, alone[w.Window])
		}
	}
}

func overwriteTimeTypes(b *bench) {
	b.start(nil)
	for _, kind := range []string{"DATE", "TIMESTAMP", "TIMESTAMPTZ"} {
		p := pipeline(twice.Overwrite, fmt.Sprintf("SELECT CAST($start AS %s) AS ts, 1 AS id", kind), daily)
		p.Table.Name = "t_" + strings.ToLower(kind)
		for _, n := range []int{1, 2, 1} {
			b.write(p, day(n))
		}
		b.want("SELECT count(*) FROM "+p.Table.Name, "2")
	}
	p := pipeline(twice.Overwrite, "SELECT 'x' AS ts", daily)
	p.Table.Name = "t_text"
	if _, err := b.try(p, day(1)); twice.AsError(err).Code != "time-column-type" {
		b.Errorf("a text as time_column gives %v, want time-column-type", err)
	}
}

func overwriteWhole(b *bench) {
	b.start(nil)
	p := pipeline(twice.Overwrite, values("id", "(1)", "(2)"))
	p.Table = twice.Table{Schema: "mart", Name: "t"}
	b.write(p)
	p.SQL = values("id", "(3)")
	b.write(p)
	b.write(p)
	b.want("SELECT id FROM mart.t", "3")
}

func mergeRepeat(b *bench) {
	b.start(nil)
	p := pipeline(twice.Merge, values("id, v, name", "(1, 1, 'one')", "(2, 1, 'two')"), keyed)
	if got := b.write(p).Windows[0].Changed; got != 2 {
		b.Errorf("the first run changed %d rows, want 2", got)
	}
	for range 2 {
		if got := b.write(p).Windows[0].Changed; got != 0 {
			b.Errorf("a repeated run changed %d rows, want 0", got)
		}
	}
	p.SQL = values("id, v, name", "(2, 2, 'zwei')", "(3, 1, 'three')")
	if got := b.write(p).Windows[0].Changed; got != 2 {
		b.Errorf("an update and an insert changed %d rows, want 2", got)
	}
	b.want("SELECT id, name FROM t ORDER BY id", "1|one", "2|zwei", "3|three")
}

func mergeNullKey(b *bench) {
	b.start(nil)
	p := pipeline(twice.Merge, values("id, name", "(1, 'one')"), keyed)
	b.write(p)
	p.SQL = values("id, name", "(2, 'two')", "(NULL, 'none')")
	if e := b.refused("null-key", p); !strings.Contains(e.Message, "none") {
		b.Errorf("the message shows no example: %s", e.Message)
	}
}

func mergeDuplicateKey(b *bench) {
	b.start(nil)
	p := pipeline(twice.Merge, values("id, name", "(1, 'one')"), keyed)
	b.write(p)
	for _, rows := range [][]string{{"(1, 'a')", "(1, 'b')"}, {"(2, 'a')", "(2, 'b')"}, {"(2, 'a')", "(2, 'a')"}} {
		p.SQL = values("id, name", rows...)
		b.refused("duplicate-key", p)
	}
}

// mergeTwiceInTable merges into a table to which somebody else has added a second row of a key.
func mergeTwiceInTable(b *bench) {
	b.start(nil)
	p := pipeline(twice.Merge, values("id, name", "(1, 'one')", "(2, 'two')"), keyed)
	b.write(p)
	b.exec("INSERT INTO t VALUES (1, 'other')")
	b.refused("duplicate-key-in-table", p)
}

// mergeNames merges rows whose columns have the names that the merge might use itself.
func mergeNames(b *bench) {
	b.start(nil)
	const columns = "absent, newer, differs, tied, pairs, t, s, g0"
	row := func(v int) string { return fmt.Sprintf("(1, %d, 3, 4, 5, 6, 7, 8)", v) }
	p := pipeline(twice.Merge, values(columns, row(2)), func(p *twice.Pipeline) {
		p.UniqueKey, p.Version = []string{"absent", "differs", "tied"}, "newer"
	})
	b.write(p)
	p.SQL = values(columns, row(3))
	if got := b.write(p).Windows[0].Changed; got != 1 {
		b.Errorf("a newer row changed %d rows, want 1", got)
	}
	b.want("SELECT newer FROM t", "3")
}

func mergeVersion(b *bench) {
	b.start(nil)
	p := pipeline(twice.Merge, "", keyed, versioned)
	for _, row := range []string{"(1, 2, 'new')", "(1, 1, 'old')", "(1, 2, 'new')"} {
		p.SQL = values("id, v, name", row)
		b.write(p)
		b.want("SELECT v, name FROM t", "2|new")
	}
	p.SQL = values("id, v, name", "(1, 3, 'newer')")
	b.write(p)
	b.want("SELECT v, name FROM t", "3|newer")
}

func mergeTie(b *bench) {
	b.start(nil)
	p := pipeline(twice.Merge, values("id, v, name", "(1, 2, 'this')"), keyed, versioned)
	b.write(p)
	p.SQL = values("id, v, name", "(1, 2, 'that')")
	if e := b.refused("version-tie", p); !strings.Contains(e.Message, "that") {
		b.Errorf("the message shows no example: %s", e.Message)
	}
}

func mergeNullVersion(b *bench) {
	b.start(nil)
	p := pipeline(twice.Merge, values("id, v", "(1, 2)"), keyed, versioned)
	b.write(p)
	p.SQL = values("id, v", "(1, CAST(NULL AS INTEGER))")
	b.refused("null-version", p)
}

func mergeMissing(b *bench) {
	b.start(nil)
	p := pipeline(twice.Merge, values("id, name", "(1, 'one')", "(2, 'two')", "(3, 'three')"), keyed)
	p.WhenMissing = "delete"
	b.write(p)
	full := p.SQL
	p.SQL = values("id, name", "(1, 'one')", "(4, 'four')")
	if got := b.write(p).Windows[0].Changed; got != 3 {
		b.Errorf("two deleted and one added are %d changes, want 3", got)
	}
	b.want("SELECT id FROM t ORDER BY id", "1", "4")
	p.SQL = full + " WHERE id = 9"
	b.refused("empty-result", p)
}

func mergeSuperseded(b *bench) {
	b.start(nil)
	p := pipeline(twice.Merge, values("id, name", "(1, 'new')"), keyed)
	p.WhenMissing = "delete"
	b.write(p)
	j := job(p)
	q := *p
	q.SQL = values("id, name", "(1, 'old')", "(2, 'gone')")
	j.Pipeline = &q
	j.Superseded = func(context.Context, *engine.Session) (bool, error) { return true, nil }
	o, err := b.s.Write(b.ctx, j)
	if err != nil {
		b.Fatal(err)
	}
	if o.Windows[0].Changed != 0 || o.Windows[0].Fingerprint.Rows != 2 {
		b.Errorf("an older snapshot changed %d rows of its %d, want 0 of 2", o.Windows[0].Changed, o.Windows[0].Fingerprint.Rows)
	}
	b.want("SELECT id, name FROM t", "1|new")
}

func mergeNulls(b *bench) {
	b.start(nil)
	p := pipeline(twice.Merge, values("id, name", "(1, CAST(NULL AS VARCHAR))", "(2, 'two')"), keyed)
	b.write(p)
	if got := b.write(p).Windows[0].Changed; got != 0 {
		b.Errorf("a repeated NULL changed %d rows, want 0", got)
	}
	p.SQL = values("id, name", "(1, 'one')", "(2, CAST(NULL AS VARCHAR))")
	if got := b.write(p).Windows[0].Changed; got != 2 {
		b.Errorf("NULL to value and value to NULL are %d changes, want 2", got)
	}
	b.want("SELECT id, name FROM t ORDER BY id", "1|one", "2|-")
}

// mergeModel merges random batches and holds the table, the number of changes and the fingerprint's delta against a
// model in memory.
func mergeModel(b *bench) {
	type row struct {
		v    int
		name string
	}
	b.start(nil)
	rounds := 0
	rapid.Check(b.T, func(rt *rapid.T) {
		rounds++
		p := pipeline(twice.Merge, "", keyed, versioned)
		p.Table.Name = fmt.Sprintf("model_%d", rounds)
		p.SQL = values("id, v, name", "(-1, 0, CAST('x' AS VARCHAR))")
		model := map[int]row{-1: {0, "x"}}
		total := *b.write(p).Table.Full
		known := []string{"id", "name", "v"}
		for range rapid.IntRange(1, 4).Draw(rt, "batches") {
			batch := rapid.MapOfN(rapid.IntRange(0, 6), rapid.IntRange(0, 4), 1, 6).Draw(rt, "batch")
			var rows []string
			changes := int64(0)
			for id, v := range batch {
				now := row{v, fmt.Sprintf("name %d", v)} // a version says what the row is: no ties
				rows = append(rows, fmt.Sprintf("(%d, %d, CAST('%s' AS VARCHAR))", id, v, now.name))
				if old, ok := model[id]; !ok || v > old.v {
					model[id] = now
					changes++
				}
			}
			p.SQL = values("id, v, name", rows...)
			j := job(p)
			j.Known = known
			o, err := b.s.Write(b.ctx, j)
			if err != nil {
				rt.Fatal(err)
			}
			if o.Windows[0].Changed != changes {
				rt.Fatalf("changed %d rows, want %d", o.Windows[0].Changed, changes)
			}
			total = total.Add(o.Table.Delta)
		}
		var want []string
		for id, r := range model {
			want = append(want, fmt.Sprintf("%d|%d|%s", id, r.v, r.name))
		}
		sort.Strings(want)
		if got := b.rows("SELECT id, v, name FROM " + p.Table.Name + " ORDER BY id"); strings.Join(got, " ") != strings.Join(want, " ") {
			rt.Fatalf("table is %v, want %v", got, want)
		}
		if full := b.fingerprint(p); full != total {
			rt.Fatalf("fingerprint kept up to date is %v, in full it is %v", total, full)
		}
	})
}

// mergeMany merges so many rows that a driver which looks at a sample first does so. What the sample cannot tell must be
// found all the same.
func mergeMany(b *bench) {
	const n = 60_000
	for _, key := range []string{"i", "CAST(i AS VARCHAR)"} {
		b.start(nil)
		rows := func(v, kind string, more int) string {
			return fmt.Sprintf("SELECT %s AS id, %s AS v, CAST(%s AS VARCHAR) AS kind, CAST('n' AS VARCHAR) AS name "+
				"FROM generate_series(1, %d) AS g(i)", key, v, kind, n+more)
		}
		p := pipeline(twice.Merge, rows("1", "'a'", 0), keyed)
		total := *b.write(p).Table.Full
		for _, step := range []struct {
			what    string
			query   string
			changed int64
		}{
			{"one column of all rows", rows("2", "'a'", 0), n},
			{"another one of a single row as well", rows("3", fmt.Sprintf("CASE WHEN i = %d THEN 'b' ELSE 'a' END", n-7), 0), n},
			{"of every other row, and new rows", rows("CASE WHEN i % 2 = 0 THEN 4 ELSE 3 END",
				fmt.Sprintf("CASE WHEN i = %d THEN 'b' ELSE 'a' END", n-7), 10), n/2 + 10},
			{"a single row", rows("CASE WHEN i % 2 = 0 OR i > 60000 THEN 4 ELSE 3 END", "'a'", 10), 6},
			{"nothing", rows("CASE WHEN i % 2 = 0 OR i > 60000 THEN 4 ELSE 3 END", "'a'", 10), 0},
		} {
			p.SQL = step.query
			j := job(p)
			j.Known = []string{"id", "kind", "name", "v"}
			o, err := b.s.Write(b.ctx, j)
			if err != nil {
				b.Fatalf("%s: %v", step.what, err)
			}
			if got := o.Windows[0].Changed; got != step.changed {
				b.Errorf("%s: changed %d rows, want %d", step.what, got, step.changed)
			}
			if total = total.Add(o.Table.Delta); total != o.Windows[0].Fingerprint {
				b.Errorf("%s: the fingerprint kept up to date is %v, want that of the rows given, %v", step.what, total, o.Windows[0].Fingerprint)
			}
			if full := b.fingerprint(p); full != total {
				b.Errorf("%s: the table's fingerprint is %v, want %v", step.what, full, total)
			}
		}
	}
}

func publishRepeat(b *bench) {
	b.start(nil)
	p := pipeline(twice.Publish, values("id", "(1)", "(2)"))
	first := b.write(p).Windows[0].Fingerprint
	for range 2 {
		if again := b.write(p).Windows[0].Fingerprint; again != first {
			b.Errorf("repeated, the fingerprint is %v, want %v", again, first)
		}
	}
	b.want("SELECT id FROM t ORDER BY id", "1", "2")
	b.none("t__staging")
}

func (b *bench) none(table string) {
	b.Helper()
	cols, err := b.db.Columns(b.ctx, b.s, twice.Table{Name: table})
	if err != nil {
		b.Fatal(err)
	}
	if len(cols) > 0 {
		b.Errorf("table %s is left over", table)
	}
}

func publishBlocked(b *bench) {
	b.start(nil)
	p := pipeline(twice.Publish, values("id", "(1)"))
	p.Checks = []twice.Check{{Name: "unique(id)", Unique: []string{"id"}}}
	b.write(p)
	p.SQL = values("id", "(2)", "(2)")
	if e := b.refused("check-failed", p); !e.Blocked {
		b.Error("the error of a check does not say that it blocked")
	}
	b.want("SELECT id FROM t__staging", "2", "2")
	p.SQL = values("id", "(3)")
	b.write(p)
	b.want("SELECT id FROM t", "3")
	b.none("t__staging")
}

func publishWindow(b *bench) {
	b.start(nil)
	p := pipeline(twice.Publish, values("ts, id", "($start, 1)"), daily)
	for _, n := range []int{1, 2, 1} {
		b.write(p, day(n))
	}
	p.SQL = values("ts, id", "($start, 5)")
	b.write(p, day(2))
	b.want("SELECT id FROM t ORDER BY ts", "1", "5")
	p.SQL = values("ts, id", "($end, 5)")
	b.refused("outside-window", p, day(2))
}

func publishRollback(b *bench) {
	for _, c := range []struct {
		name   string
		p      *twice.Pipeline
		window twice.Window
	}{
		{"whole", pipeline(twice.Publish, values("id", "(1)")), twice.Window{}},
		{"window", pipeline(twice.Publish, values("ts, id", "($start, 1)"), daily), day(1)},
	} {
		b.start(nil)
		b.write(c.p, c.window)
		c.p.SQL = strings.ReplaceAll(c.p.SQL, "1)", "2)")
		b.write(c.p, c.window)
		for _, want := range []string{"1", "2", "1"} {
			err := b.s.Rollback(b.ctx, c.p, c.window,
				func(context.Context, *engine.Session) error { return nil },
				func(_ context.Context, _ *engine.Session, fp twice.Fingerprint, _ []string) error {
					if fp != b.fingerprint(c.p) {
						b.Errorf("%s: the receipt has fingerprint %v, the table %v", c.name, fp, b.fingerprint(c.p))
					}
					return nil
				})
			if err != nil {
				b.Fatal(err)
			}
			b.want("SELECT id FROM t", want)
		}
		b.none("t__staging")
	}
}

// inputNamedLikeTable writes a table from an input of the same name: the most natural name for it.
func inputNamedLikeTable(b *bench) {
	for _, write := range twice.Writes {
		b.start(nil)
		file := filepath.Join(b.TempDir(), "t.csv")
		if err := os.WriteFile(file, []byte("id,n\n1,1\n"), 0o644); err != nil {
			b.Fatal(err)
		}
		p := pipeline(write, "SELECT id, n FROM t")
		if write == twice.Merge {
			p.UniqueKey = []string{"id"}
		}
		for range 2 {
			j := job(p)
			j.Relations = []engine.Relation{{Name: "t", Files: []string{file}}}
			s := b.session()
			if _, err := s.Write(b.ctx, j); err != nil {
				b.Fatalf("%s: %v", write, err)
			}
			s.Close()
		}
		b.want("SELECT id FROM t", "1")
	}
}
