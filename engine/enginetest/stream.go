package enginetest

import (
	"slices"
	"strings"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// tries writes batches of a stream one after the other, each with what the one before has said.
type tries struct {
	*bench
	p     *twice.Pipeline
	last  *engine.Outcome
	names []string // of the statements of the last write
}

func startTries(b *bench, p *twice.Pipeline) *tries {
	t := &tries{bench: b, p: p}
	b.start(func(at engine.Point) error {
		if !at.After {
			t.names = append(t.names, at.Name)
		}
		return nil
	})
	return t
}

func (t *tries) try(sql string) (*engine.Outcome, error) {
	t.Helper()
	j := job(t.p)
	j.Final = true
	if t.p.SQL = sql; t.last != nil {
		j.Known, j.Repeats = t.last.Columns, t.last.Repeats
	}
	t.names = nil
	return t.s.Write(t.ctx, j)
}

// write says how many rows there were and changed, and holds the table's fingerprint against the sum of what changed.
func (t *tries) write(sql string, rows, changed int64) {
	t.Helper()
	before := t.fingerprint(t.p)
	o, err := t.try(sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	t.last = o
	if w := o.Windows[0]; w.Fingerprint.Rows != rows || w.Changed != changed {
		t.Errorf("%s: %d rows, of which %d changed something; want %d and %d", sql, w.Fingerprint.Rows, w.Changed, rows, changed)
	}
	if after := t.fingerprint(t.p); after != before.Add(o.Table.Delta) {
		t.Errorf("%s: the table's fingerprint went from %v to %v, and the write says by %v", sql, before, after, o.Table.Delta)
	}
}

func (t *tries) refused(code, sql string) {
	t.Helper()
	before := t.fingerprint(t.p)
	_, err := t.try(sql)
	if err == nil || twice.AsError(err).Code != code {
		t.Fatalf("%s: error is %v, want one with code %s", sql, err, code)
	}
	if after := t.fingerprint(t.p); after != before {
		t.Errorf("%s: the refused write changed the table from %v to %v", sql, before, after)
	}
}

// staged says whether the last write went the long way.
func (t *tries) staged() bool { return slices.Contains(t.names, "stage") }

// mergeFinal writes batches whose keys are new, there already, both, and twice in one batch, as producers that send again
// make them.
func mergeFinal(b *bench) {
	t := startTries(b, pipeline(twice.Merge, "", keyed))
	row := func(ids ...string) string {
		var rows []string
		for _, id := range ids {
			rows = append(rows, "("+id+", 'row "+id+"')")
		}
		return values("id, name", rows...)
	}
	t.write(row("1", "2", "3"), 3, 3)
	t.write(row("4", "5"), 2, 2)
	short := !t.staged() // the engine has a shorter way for new keys
	t.write(row("5", "6"), 2, 1)
	if !t.last.Repeats {
		t.Error("a key was there already, and the outcome does not say so")
	}
	t.write(row("4", "5", "6"), 3, 0)
	t.write(row("7", "8"), 2, 2)
	if !t.staged() || t.last.Repeats {
		t.Errorf("after a batch with repeated keys new ones were tried blindly, or are said to be repeated: %v", t.names)
	}
	t.write(row("9", "9", "10"), 2, 2)
	if !t.last.Repeats {
		t.Error("a key came twice, and the outcome does not say so")
	}
	t.write(row("11"), 1, 1)
	t.write(row("12"), 1, 1)
	if t.staged() == short {
		t.Errorf("after batches of new keys: %v", t.names)
	}
	t.refused("null-key", values("id, name", "(20, 'twenty')", "(NULL, 'none')"))
	t.refused("key-changed", values("id, name", "(20, 'twenty')", "(1, 'other')"))
	t.refused("duplicate-key", values("id, name", "(20, 'twenty')", "(20, 'other')"))
	t.want("SELECT count(*), count(DISTINCT id), count(CASE WHEN name = 'row ' || CAST(id AS VARCHAR) THEN 1 END) FROM t", "12|12|12")
}

// mergeFinalVersion is mergeFinal of keys whose rows may change.
func mergeFinalVersion(b *bench) {
	t := startTries(b, pipeline(twice.Merge, "", keyed, versioned))
	t.write(values("id, v, name", "(1, 1, 'a')"), 1, 1)
	t.write(values("id, v, name", "(2, 2, 'b')", "(3, 1, 'c')"), 2, 2)
	t.write(values("id, v, name", "(2, 1, 'older')", "(3, 2, 'newer')", "(4, 1, 'd')"), 3, 2)
	t.write(values("id, v, name", "(5, 1, 'older')", "(5, 2, 'newer')"), 1, 1)
	t.write(values("id, v, name", "(6, 1, 'f')"), 1, 1)
	t.refused("null-version", values("id, v, name", "(7, 1, 'g')", "(8, NULL, 'h')"))
	t.refused("version-tie", values("id, v, name", "(7, 1, 'g')", "(1, 1, 'other')"))
	t.want("SELECT id, v, name FROM t ORDER BY id", "1|1|a", "2|2|b", "3|2|newer", "4|1|d", "5|2|newer", "6|1|f")
}

// mergeFinalChecks holds a stream's rows against checks, whichever way they go.
func mergeFinalChecks(b *bench) {
	t := startTries(b, pipeline(twice.Merge, "", keyed))
	low, high := twice.Check{Name: "low", SQL: "select * from {rows} where n < 0"}, twice.Check{Name: "high", SQL: "select * from {rows} where n > 9", Warn: true}
	t.p.Checks = []twice.Check{low, high, {Name: "unique(id)", Unique: []string{"id"}}}
	t.write(values("id, n", "(1, 1)", "(1, 1)"), 1, 1)
	t.write(values("id, n", "(2, 1)"), 1, 1)
	t.write(values("id, n", "(3, 1)", "(4, 10)"), 2, 2)
	if got := t.last.Warnings; len(got) != 1 || got[0].Rows != 1 {
		t.Errorf("warnings are %+v, want one of one row", got)
	}
	t.refused("check-failed", values("id, n", "(5, 1)", "(6, -1)"))
	t.write(values("id, n", "(4, 10)", "(5, 11)"), 2, 1)
	if got := t.last.Warnings; len(got) != 1 || got[0].Rows != 2 || strings.Count(got[0].Examples, "\n") < 1 {
		t.Errorf("warnings are %+v, want one of two rows", got)
	}
}
