package engine

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/twice-data/twice"
)

// The temporary tables of a merge. They exist only inside its transaction.
const (
	stageTable   = "twice_stage"   // the SELECT's rows
	changesTable = "twice_changes" // those of them that change the table, with what they replace
)

// merge matches the SELECT's rows with the table's on the unique key. The rows are staged and guarded first; then only
// those that really change something touch the table, which makes a second run change nothing, and is the fastest way.
func (w *write) merge(ctx context.Context) (*Outcome, error) {
	o := new(Outcome)
	err := w.s.Tx(ctx, func() error {
		if err := w.Fence(ctx, w.s); err != nil {
			return err
		}
		if err := w.table(ctx); err != nil {
			return err
		}
		if err := w.stage(ctx, o); err != nil {
			return err
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
		for _, guard := range []func(context.Context) error{w.noNullKey, w.noNullVersion, w.noDuplicateKey} {
			if err := guard(ctx); err != nil {
				return err
			}
		}
	}
	for _, win := range w.Windows {
		if clean && len(w.Windows) == 1 {
			o.Windows = append(o.Windows, WindowOutcome{Window: win, Fingerprint: all})
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
	}
	return nil
}

// hash is the row hash of the relation alias, which has the table's columns.
func (w *write) hash(alias string) string { return w.s.db.RowHash(alias, byName(w.columns)) }

// refuse makes an error of the rows that query returns, if there are any. what reads "%s have …".
func (w *write) refuse(ctx context.Context, code, query, what, next string) error {
	var n int64
	if err := w.s.Row(ctx, "guard "+code, fmt.Sprintf("SELECT count(*) FROM (%s) AS g", query), &n); err != nil || n == 0 {
		return err
	}
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
	missing, deleted, err := w.missing(ctx, o)
	if err != nil {
		return err
	}
	staged := int64(0)
	for _, win := range o.Windows {
		staged += win.Fingerprint.Rows
	}
	put := w.listed
	if w.s.db.Features().Rejoin {
		put = w.rejoined
	}
	changed, delta, err := put(ctx, staged)
	if err != nil {
		return err
	}
	o.Windows[len(o.Windows)-1].Changed = changed + deleted
	return w.total(ctx, o, delta.Sub(missing))
}

// listed lists the changes in a table of their own and applies them. It answers with the number of changed rows, and with
// what they do to the table's fingerprint.
func (w *write) listed(ctx context.Context, staged int64) (int64, twice.Fingerprint, error) {
	var delta twice.Fingerprint
	if err := w.changes(ctx); err != nil {
		return 0, delta, err
	}
	if err := w.noTie(ctx, changesTable); err != nil {
		return 0, delta, err
	}
	inserts, updates, delta, err := w.weigh(ctx)
	if err != nil {
		return 0, delta, err
	}
	if err := w.upsert(ctx, staged, inserts, updates); err != nil {
		return 0, delta, err
	}
	_, err = w.s.Exec(ctx, "drop changes", "DROP TABLE "+changesTable)
	return inserts + updates, delta, err
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
	count := counter.CountInts(Ident(key.Name), key.Type, lo.Int64, hi.Int64)
	if count == "" {
		return false, nil
	}
	var distinct int64
	err := w.s.Row(ctx, "distinct keys", fmt.Sprintf("SELECT %s FROM %s", count, stageTable), &distinct)
	return distinct == rows, err
}

// changes lists the keys of staged rows that are new, or differ from the row that they match and are not older. Whether
// two rows differ is told by their 64-bit hashes, which are needed for the fingerprint anyway.
func (w *write) changes(ctx context.Context) error {
	if _, err := w.s.Exec(ctx, "drop changes", "DROP TABLE IF EXISTS "+changesTable); err != nil {
		return err
	}
	_, err := w.s.Exec(ctx, "changes", fmt.Sprintf("CREATE TEMPORARY TABLE %s AS SELECT %s, twice_new, twice_old, twice_found, "+
		"twice_tie FROM (%s) AS c WHERE NOT twice_found OR twice_differs", changesTable, Idents("", w.Pipeline.UniqueKey), w.matched()))
	return err
}

// matched holds each staged row against the row of its key: the key, both hashes, whether there is such a row, whether it
// is to be replaced, and whether that is so although their versions are the same.
func (w *write) matched() string {
	first := "t." + Ident(w.Pipeline.UniqueKey[0])
	differs, tie, version := "t.twice_old <> s.twice_new", "FALSE", ""
	if v := Ident(w.Pipeline.Version); w.Pipeline.Version != "" {
		version = ", t." + v
		differs += w.notOlder()
		tie = fmt.Sprintf("%s IS NOT NULL AND s.%s = t.%s", first, v, v)
	}
	return fmt.Sprintf("SELECT %s, s.twice_new, t.twice_old, %s IS NOT NULL AS twice_found, "+
		"%[2]s IS NOT NULL AND %s AS twice_differs, (%s) AS twice_tie "+
		"FROM %s AS s LEFT JOIN (SELECT %s%s, %s AS twice_old FROM %s AS t) AS t ON %s",
		Idents("s", w.Pipeline.UniqueKey), first, differs, tie,
		stageTable, Idents("t", w.Pipeline.UniqueKey), version, w.hash("t"), w.s.db.Name(w.Pipeline.Table), w.on())
}

// notOlder is the condition that a staged row may replace the table's by its version.
func (w *write) notOlder() string {
	if w.Pipeline.Version == "" {
		return ""
	}
	v := Ident(w.Pipeline.Version)
	return fmt.Sprintf(" AND (t.%s IS NULL OR s.%s >= t.%s)", v, v, v)
}

func (w *write) isKey(name string) bool {
	for _, k := range w.Pipeline.UniqueKey {
		if strings.EqualFold(k, name) {
			return true
		}
	}
	return false
}

// noTie refuses changes that the order would decide; those under consideration are in the relation changes.
func (w *write) noTie(ctx context.Context, changes string) error {
	if w.Pipeline.Version == "" && w.Final {
		return w.refuse(ctx, "key-changed",
			fmt.Sprintf("SELECT %s FROM %s", Idents("s", names(w.columns)), w.changed(changes, "t.twice_found")),
			"%d rows of the SELECT differ from the table's row of the same key ("+strings.Join(w.Pipeline.UniqueKey, ", ")+")",
			"which one stays would depend on the order: name a column that grows with each change in version:")
	}
	if w.Pipeline.Version == "" {
		return nil
	}
	return w.refuse(ctx, "version-tie",
		fmt.Sprintf("SELECT %s FROM %s", Idents("s", names(w.columns)), w.changed(changes, "t.twice_tie")),
		"%d rows of the SELECT differ from the table's row of the same key and the same version ("+w.Pipeline.Version+")",
		"neither is newer, so which one stays would depend on the order: take a finer version, or correct the source")
}

// weigh counts the changes and sums up what they do to the table's fingerprint.
func (w *write) weigh(ctx context.Context) (inserts, updates int64, delta twice.Fingerprint, err error) {
	var added, removed sql.NullString
	query := "SELECT count(*) FILTER (WHERE NOT twice_found), count(*) FILTER (WHERE twice_found), " +
		"CAST(sum(twice_new) AS VARCHAR), CAST(sum(twice_old) FILTER (WHERE twice_found) AS VARCHAR) FROM " + changesTable
	if err = w.s.Row(ctx, "weigh", query, &inserts, &updates, &added, &removed); err != nil {
		return
	}
	plus, err := twice.ParseFingerprint(inserts+updates, added.String)
	if err != nil {
		return
	}
	minus, err := twice.ParseFingerprint(updates, removed.String)
	return inserts, updates, plus.Sub(minus), err
}

// changed is the staged rows, as s, that the relation changes, as t, lists under a condition.
func (w *write) changed(changes, cond string) string {
	return fmt.Sprintf("%s AS s JOIN %s AS t ON %s WHERE %s", stageTable, changes, w.on(), cond)
}

// upsert applies the changes. The key columns are never set: they are equal, and setting them makes engines rebuild
// their index entries.
func (w *write) upsert(ctx context.Context, staged, inserts, updates int64) error {
	table := w.s.db.Name(w.Pipeline.Table)
	if updates > 0 {
		from := stageTable
		if updates < staged {
			from = fmt.Sprintf("(SELECT s.* FROM %s)", w.changed(changesTable, "t.twice_found"))
		}
		n, err := w.s.Exec(ctx, "update", fmt.Sprintf("UPDATE %s AS t SET %s FROM %s AS s WHERE %s", table, w.sets(), from, w.on()))
		if err != nil {
			return err
		}
		if n != updates {
			return w.twiceInTable()
		}
	}
	if inserts > 0 {
		from := stageTable + " AS s"
		if inserts < staged {
			from = w.changed(changesTable, "NOT t.twice_found")
		}
		_, err := w.s.Exec(ctx, "insert", fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s",
			table, Idents("", names(w.columns)), Idents("s", names(w.columns)), from))
		return err
	}
	return nil
}

func (w *write) twiceInTable() error {
	return twice.Errorf("duplicate-key-in-table", "%s holds a key of the unique_key (%s) more than once",
		w.Pipeline.Table, strings.Join(w.Pipeline.UniqueKey, ", ")).
		WithNext("twice never adds a second row to a key: remove the rows that came from elsewhere, or twice run --full-refresh")
}

func (w *write) sets() string {
	var sets []string
	for _, c := range w.columns {
		if !w.isKey(c.Name) {
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
