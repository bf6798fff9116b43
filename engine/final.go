package engine

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/twice-data/twice"
)

// collapse makes one row of a stream's staged rows that are equal, as a producer that sends again makes them, and of a
// key's rows keeps those of the largest version. Between batches the merge does the same, so that it does not matter where
// a batch is cut. What NULL has no answer to is left for the guards.
func (w *write) collapse(ctx context.Context) error {
	var err error
	if w.distinct, err = w.keysDiffer(ctx); w.distinct || err != nil {
		return err
	}
	key, conds := Idents("", w.Pipeline.UniqueKey), make([]string, len(w.Pipeline.UniqueKey))
	for i, k := range w.Pipeline.UniqueKey {
		conds[i] = Ident(k) + " IS NOT NULL"
	}
	given := strings.Join(conds, " AND ")
	id := w.s.db.Features().RowID
	if v := w.Pipeline.Version; v != "" {
		older := fmt.Sprintf("SELECT %s AS id, rank() OVER (PARTITION BY %s ORDER BY %s DESC) AS place FROM %s WHERE %s AND %s IS NOT NULL",
			id, key, Ident(v), stageTable, given, Ident(v))
		if err := w.thin(ctx, "collapse versions", id, older); err != nil {
			return err
		}
	}
	again := fmt.Sprintf("SELECT %s AS id, row_number() OVER (PARTITION BY %s, twice_new) AS place FROM %s", id, key, stageTable)
	return w.thin(ctx, "collapse", id, again)
}

// thin deletes the staged rows that query gives another place than the first.
func (w *write) thin(ctx context.Context, name, id, query string) error {
	n, err := w.s.Exec(ctx, name, fmt.Sprintf("DELETE FROM %s WHERE %s IN (SELECT id FROM (%s) AS q WHERE place > 1)", stageTable, id, query))
	w.thinned = w.thinned || n > 0
	return err
}

// keysDiffer says whether no key is staged twice.
func (w *write) keysDiffer(ctx context.Context) (bool, error) {
	if ok, err := w.distinctInts(ctx); ok || err != nil {
		return ok, err
	}
	var twice int64
	key := Idents("", w.Pipeline.UniqueKey)
	err := w.s.Row(ctx, "repeated keys", fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM %s GROUP BY %s HAVING count(*) > 1) AS q", stageTable, key), &twice)
	return twice == 0, err
}

// keyed is a Driver that keeps a table's keys unique by an index, and so can refuse the rows whose keys are there.
type keyed interface {
	// Key gives a table that this transaction has made a unique index of the columns, if they can have one.
	Key(ctx context.Context, s *Session, table twice.Table, columns []twice.Column) error

	// Keyed says whether a table has a unique index of exactly these columns.
	Keyed(ctx context.Context, s *Session, table twice.Table, columns []string) (bool, error)

	// Taken says whether a statement failed because a key is there already.
	Taken(err error) bool
}

// key makes the unique index of a stream's new table.
func (w *write) key(ctx context.Context) error {
	d, ok := w.s.db.Driver.(keyed)
	if !ok || !w.Final || len(w.Pipeline.UniqueKey) == 0 {
		return nil
	}
	columns := make([]twice.Column, len(w.Pipeline.UniqueKey))
	for i, name := range w.Pipeline.UniqueKey {
		columns[i], _ = find(w.columns, name)
	}
	return d.Key(ctx, w.s, w.Pipeline.Table, columns)
}

// fresh inserts a stream's rows without staging them and without looking for their keys, as they are new as a rule: the
// index knows better, and at half of the price. It is false, and has changed nothing, where a key is there already or comes
// twice, or the guards have something to say: then the rows go the long way.
func (w *write) fresh(ctx context.Context, o *Outcome) (done bool, err error) {
	d, ok := w.s.db.Driver.(keyed)
	if !ok || !w.Final || w.Repeats || len(w.Pipeline.Allow) > 0 { // a SELECT with a waiver may give other rows the second time
		return false, nil
	}
	if ok, err := d.Keyed(ctx, w.s, w.Pipeline.Table, w.Pipeline.UniqueKey); !ok || err != nil {
		return false, err
	}
	var nulls []string
	for _, name := range notEmpty(append(slices.Clone(w.Pipeline.UniqueKey), w.Pipeline.Version)...) {
		nulls = append(nulls, Ident(name)+" IS NULL")
	}
	var rows, null int64
	var sum sql.NullString
	weigh := fmt.Sprintf("SELECT count(*), CAST(sum(%s) AS VARCHAR), count(*) FILTER (WHERE %s) FROM (%s) AS s",
		w.hash("s"), strings.Join(nulls, " OR "), w.selectInto())
	if err := w.s.Row(ctx, "fingerprint", weigh, &rows, &sum, &null); err != nil || null > 0 {
		return false, place(err, w.Pipeline)
	}
	if ok, err := w.insertFresh(ctx, d, rows); !ok || err != nil {
		o.Repeats = true
		return false, err
	}
	if err := w.check(ctx, o, w.selectInto()); err != nil {
		return false, err
	}
	fp, err := twice.ParseFingerprint(rows, sum.String)
	if err != nil {
		return false, err
	}
	o.Windows = []WindowOutcome{{Window: w.Windows[0], Fingerprint: fp, Changed: rows}}
	return true, w.total(ctx, o, fp)
}

// insertFresh inserts so many rows, or none where one of their keys is taken.
func (w *write) insertFresh(ctx context.Context, d keyed, rows int64) (bool, error) {
	if _, err := w.s.Exec(ctx, "savepoint", "SAVEPOINT twice_fresh"); err != nil {
		return false, err
	}
	n, err := w.s.Exec(ctx, "insert", fmt.Sprintf("INSERT INTO %s (%s) %s",
		w.s.db.Name(w.Pipeline.Table), Idents("", names(w.columns)), w.selectInto()))
	switch {
	case d.Taken(err):
		_, err = w.s.Exec(ctx, "back to savepoint", "ROLLBACK TO SAVEPOINT twice_fresh")
		return false, err
	case err == nil && n != rows: // a trigger or a rule of the table's keeps rows out
		err = twice.Errorf("rows-lost", "%d rows were to be inserted into %s, and %d were", rows, w.Pipeline.Table, n)
	}
	return err == nil, place(err, w.Pipeline)
}

// found counts the rows of the table whose keys are staged.
func (w *write) found(ctx context.Context) (n int64, err error) {
	query := fmt.Sprintf("SELECT count(*) FROM %s AS t JOIN %s AS s ON %s", w.s.db.Name(w.Pipeline.Table), stageTable, w.on())
	err = w.s.Row(ctx, "found", query, &n)
	return n, err
}

// onlyStaged keeps of the table's rows those whose keys are staged, before they are hashed: a stream's keys are new, as a rule.
func (w *write) onlyStaged() string {
	if !w.Final {
		return ""
	}
	return fmt.Sprintf(" WHERE EXISTS (SELECT 1 FROM %s AS s WHERE %s)", stageTable, w.on())
}
