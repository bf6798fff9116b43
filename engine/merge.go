package engine

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/twice-data/twice"
)

// stageTable is the temporary table of a merge's rows, each with its hash as twice_new. It exists only while the merge does.
const stageTable = "twice_stage"

// merge matches the SELECT's rows with the table's on the unique key. The rows are staged and guarded first; then only
// those that really change something touch the table, which makes a second run change nothing, and is the fastest way.
func (w *write) merge(ctx context.Context) (*Outcome, error) {
	o := new(Outcome)
	early := w.stagesEarly()
	if early {
		if err := w.stage(ctx, o); err != nil {
			return nil, err
		}
	}
	err := w.s.Tx(ctx, func() error {
		if err := w.Fence(ctx, w.s); err != nil {
			return err
		}
		if err := w.table(ctx); err != nil {
			return err
		}
		if done, err := w.fresh(ctx, o); err != nil {
			return err
		} else if done {
			return w.finish(ctx, o)
		}
		if !early {
			if err := w.stage(ctx, o); err != nil {
				return err
			}
		}
		if err := w.check(ctx, o, fmt.Sprintf("SELECT %s FROM %s", Idents("", names(w.columns)), stageTable)); err != nil {
			return err
		}
		if err := w.apply(ctx, o); err != nil {
			return err
		}
		if _, err := w.s.Exec(ctx, "drop stage", "DROP TABLE "+stageTable); err != nil {
			return err
		}
		return w.finish(ctx, o)
	})
	return o, err
}

// stagesEarly says whether the rows are staged before the transaction begins. Where nobody else can write in the meantime
// that makes no difference, except that the engine knows more of a table that is committed, and joins it faster. The rows
// of a table that is not there yet can only be hashed once it is: see reread.
func (w *write) stagesEarly() bool {
	return !w.s.db.Features().ConcurrentWriters && !w.Reset && len(w.old) == len(w.columns)
}

// stage materializes the SELECT and refuses rows that cannot be merged the same way twice.
func (w *write) stage(ctx context.Context, o *Outcome) error {
	if _, err := w.s.Exec(ctx, "drop stage", "DROP TABLE IF EXISTS "+stageTable); err != nil {
		return err
	}
	stage := fmt.Sprintf("CREATE TEMPORARY TABLE %s AS SELECT s.*, %s AS twice_new FROM (%s) AS s",
		stageTable, w.hash("s"), w.selectInto())
	if _, err := w.s.Exec(ctx, "stage", stage); err != nil {
		return place(err, w.Pipeline)
	}
	clean, all, err := w.screen(ctx)
	if err != nil {
		return err
	}
	if !clean && len(w.Pipeline.UniqueKey) > 0 {
		if w.Final {
			if err := w.collapse(ctx); err != nil {
				return err
			}
		}
		for _, guard := range []func(context.Context) error{w.noNullKey, w.noNullVersion, w.noDuplicateKey} {
			if err := guard(ctx); err != nil {
				return err
			}
		}
	}
	for _, win := range w.Windows {
		if clean && len(w.Windows) == 1 {
			o.Windows, w.staged = append(o.Windows, WindowOutcome{Window: win, Fingerprint: all}), all
			continue
		}
		where := "TRUE"
		if w.Pipeline.TimeColumn != "" && len(w.Windows) > 1 {
			var err error
			if where, err = w.inWindow("s", win); err != nil {
				return err
			}
		}
		fp, err := w.s.sum(ctx, "fingerprint", fmt.Sprintf("SELECT count(*), CAST(sum(twice_new) AS VARCHAR) FROM %s AS s WHERE %s",
			stageTable, where))
		if err != nil {
			return err
		}
		o.Windows = append(o.Windows, WindowOutcome{Window: win, Fingerprint: fp})
		w.staged = fp
	}
	if len(w.Windows) > 1 { // a merge may give rows that lie in none of its windows
		w.staged, err = w.s.sum(ctx, "staged rows", "SELECT count(*), CAST(sum(twice_new) AS VARCHAR) FROM "+stageTable)
	}
	return err
}

// hash is the row hash of the relation alias, which has the table's columns.
func (w *write) hash(alias string) string { return w.s.db.RowHash(alias, byName(w.columns)) }

// refuse makes an error of the rows that query returns, if there are any. what reads "%s have …".
func (w *write) refuse(ctx context.Context, code, query, what, next string) error {
	var n int64
	if err := w.s.Row(ctx, "guard "+code, fmt.Sprintf("SELECT count(*) FROM (%s) AS g", query), &n); err != nil || n == 0 {
		return err
	}
	return w.complain(ctx, n, code, query, what, next)
}

// complain is refuse of n rows that are known to be there.
func (w *write) complain(ctx context.Context, n int64, code, query, what, next string) error {
	examples, err := w.s.examples(ctx, query)
	if err != nil {
		return err
	}
	return twice.Errorf(code, "%s, for example\n%s", fmt.Sprintf(what, n), examples).
		At(w.Pipeline.File, w.Pipeline.Line).WithNext("%s", next)
}

func (w *write) noNullKey(ctx context.Context) error {
	conds := make([]string, len(w.Pipeline.UniqueKey))
	for i, k := range w.Pipeline.UniqueKey {
		conds[i] = Ident(k) + " IS NULL"
	}
	key := strings.Join(w.Pipeline.UniqueKey, ", ")
	return w.refuse(ctx, "null-key",
		fmt.Sprintf("SELECT * FROM %s WHERE %s", stageTable, strings.Join(conds, " OR ")),
		"NULL in the unique_key ("+key+") in %d of the SELECT's rows",
		"a NULL matches nothing, so such a row would be added again by every run: filter it out, or give it a key")
}

func (w *write) noNullVersion(ctx context.Context) error {
	if w.Pipeline.Version == "" {
		return nil
	}
	return w.refuse(ctx, "null-version",
		fmt.Sprintf("SELECT * FROM %s WHERE %s IS NULL", stageTable, Ident(w.Pipeline.Version)),
		"NULL in the version ("+w.Pipeline.Version+") in %d of the SELECT's rows",
		"a row without a version can neither replace nor be replaced: filter it out, or give it one")
}

func (w *write) noDuplicateKey(ctx context.Context) error {
	if w.distinct {
		return nil
	}
	if ok, err := w.distinctInts(ctx); ok || err != nil {
		return err
	}
	key := Idents("", w.Pipeline.UniqueKey)
	return w.refuse(ctx, "duplicate-key",
		fmt.Sprintf("SELECT %s, count(*) AS times FROM %s GROUP BY %s HAVING count(*) > 1", key, stageTable, key),
		"the SELECT gives more than one row for %d of its keys by the unique_key ("+strings.Join(w.Pipeline.UniqueKey, ", ")+")",
		"which of the rows wins would be chance: keep one a key, with row_number() over a total order or an aggregate")
}

// apply finds what the staged rows change and changes it.
func (w *write) apply(ctx context.Context, o *Outcome) error {
	if w.Superseded != nil {
		old, err := w.Superseded(ctx, w.s)
		if err != nil {
			return err
		}
		if old {
			return w.total(ctx, o, twice.Fingerprint{})
		}
	}
	if w.Final {
		found, err := w.found(ctx)
		if err != nil {
			return err
		}
		o.Repeats = w.thinned || found > 0
		if found == 0 {
			return w.addStaged(ctx, o)
		}
	}
	missing, deleted, err := w.missing(ctx, o)
	if err != nil {
		return err
	}
	c, err := w.weighed(ctx)
	if err != nil {
		return err
	}
	o.Windows[len(o.Windows)-1].Changed = c.inserts + c.updates + deleted
	return w.total(ctx, o, c.delta.Sub(missing))
}

// on matches s with t by the unique key. Neither side holds a NULL there: the guard keeps them out.
func (w *write) on() string {
	conds := make([]string, len(w.Pipeline.UniqueKey))
	for i, k := range w.Pipeline.UniqueKey {
		conds[i] = fmt.Sprintf("t.%s = s.%s", Ident(k), Ident(k))
	}
	return strings.Join(conds, " AND ")
}

// missing deletes the rows whose key a full snapshot does not have, and answers with their fingerprint and number.
func (w *write) missing(ctx context.Context, o *Outcome) (twice.Fingerprint, int64, error) {
	if w.Pipeline.WhenMissing != "delete" {
		return twice.Fingerprint{}, 0, nil
	}
	table := w.s.db.Name(w.Pipeline.Table)
	where := fmt.Sprintf("NOT EXISTS (SELECT 1 FROM %s AS s WHERE %s)", stageTable, w.on())
	gone, err := w.s.Fingerprint(ctx, "missing", table, where, w.columns)
	if err != nil || gone.Rows == 0 {
		return gone, 0, err
	}
	if err := w.notEmptied(o.Windows[len(o.Windows)-1].Fingerprint.Rows, gone.Rows); err != nil {
		return gone, 0, err
	}
	n, err := w.s.Exec(ctx, "delete missing", fmt.Sprintf("DELETE FROM %s AS t WHERE %s", table, where))
	return gone, n, err
}

// intCounter is a Driver with a faster way than a hash table to count the distinct values of a column of whole numbers
// in [lo, hi].
type intCounter interface {
	// CountInts is an SQL aggregate over expr; empty when the range or the type does not suit it.
	CountInts(expr, typeName string, lo, hi int64) string
}

// distinctInts says whether the key is a single column of whole numbers that is found to be unique.
func (w *write) distinctInts(ctx context.Context) (bool, error) {
	counter, ok := w.s.db.Driver.(intCounter)
	if !ok || len(w.Pipeline.UniqueKey) != 1 {
		return false, nil
	}
	key, _ := find(w.columns, w.Pipeline.UniqueKey[0])
	if counter.CountInts(Ident(key.Name), key.Type, 0, 0) == "" {
		return false, nil
	}
	var rows int64
	var lo, hi sql.NullInt64
	bounds := fmt.Sprintf("SELECT count(*), min(%s), max(%s) FROM %s", Ident(key.Name), Ident(key.Name), stageTable)
	if err := w.s.Row(ctx, "key bounds", bounds, &rows, &lo, &hi); err != nil || !lo.Valid {
		return false, err
	}
	w.countKeys = counter.CountInts("s."+Ident(key.Name), key.Type, lo.Int64, hi.Int64)
	if w.countKeys == "" {
		return false, nil
	}
	var distinct int64
	err := w.s.Row(ctx, "distinct keys", fmt.Sprintf("SELECT %s FROM %s AS s", w.countKeys, stageTable), &distinct)
	return distinct == rows, err
}

func (w *write) isKey(name string) bool {
	for _, k := range w.Pipeline.UniqueKey {
		if strings.EqualFold(k, name) {
			return true
		}
	}
	return false
}

// sets lists what an update sets: all columns but those in same, and but the key's, which are equal, and setting which
// makes engines rebuild their index entries.
func (w *write) sets(same []string) string {
	var sets []string
	for _, c := range w.columns {
		if !w.isKey(c.Name) && !slices.Contains(same, c.Name) {
			sets = append(sets, fmt.Sprintf("%s = s.%s", Ident(c.Name), Ident(c.Name)))
		}
	}
	return strings.Join(sets, ", ")
}

// total reports how the table's fingerprint changed, or what it is where the ledger does not know it on these columns.
func (w *write) total(ctx context.Context, o *Outcome, delta twice.Fingerprint) error {
	o.Table = &TableOutcome{Delta: delta}
	if sameNames(w.Known, names(byName(w.columns))) && !w.Reset {
		return nil
	}
	full, err := w.s.Fingerprint(ctx, "table fingerprint", w.s.db.Name(w.Pipeline.Table), "", w.columns)
	o.Table.Full = &full
	return err
}

func sameNames(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
