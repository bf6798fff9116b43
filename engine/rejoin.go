package engine

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/twice-data/twice"
)

// keyCounter is a Driver that counts the distinct values of a column of some types on the side, in a scan that is made
// anyway, faster than it groups by them.
type keyCounter interface {
	// CountKeys is an SQL aggregate over expr, which holds no NULL; empty when the type does not suit it.
	CountKeys(expr, typeName string) string
}

// screen asks in one scan what the guards of a merge ask one by one, and sums up the stage. Rows that are not clean are for
// the guards to find and to show. A driver that gains nothing by it never says clean.
func (w *write) screen(ctx context.Context) (clean bool, all twice.Fingerprint, err error) {
	counter, ok := w.s.db.Driver.(keyCounter)
	if !ok || len(w.Pipeline.UniqueKey) != 1 {
		return false, all, nil
	}
	key, _ := find(w.columns, w.Pipeline.UniqueKey[0])
	distinct := counter.CountKeys(Ident(key.Name), key.Type)
	if distinct == "" {
		return false, all, nil
	}
	counts := []string{distinct}
	for _, name := range notEmpty(key.Name, w.Pipeline.Version) {
		counts = append(counts, "count("+Ident(name)+")")
	}
	query := fmt.Sprintf("SELECT count(*), CAST(sum(twice_new) AS VARCHAR), count(*) = least(%s) FROM %s",
		strings.Join(counts, ", "), stageTable)
	var rows int64
	var sum sql.NullString
	if err := w.s.Row(ctx, "screen", query, &rows, &sum, &clean); err != nil {
		return false, all, err
	}
	all, err = twice.ParseFingerprint(rows, sum.String)
	return clean, all, err
}

// rejoined applies the staged rows by looking up the rows of their keys once to weigh what they change, and again to
// change it. It answers as listed does.
func (w *write) rejoined(ctx context.Context, staged int64) (int64, twice.Fingerprint, error) {
	var pairs, inserts, updates, ties int64
	var added, removed sql.NullString
	query := fmt.Sprintf("SELECT count(*), count(*) FILTER (WHERE NOT twice_found), count(*) FILTER (WHERE twice_differs), "+
		"count(*) FILTER (WHERE twice_differs AND twice_tie), CAST(sum(twice_new) FILTER (WHERE NOT twice_found OR twice_differs) AS VARCHAR), "+
		"CAST(sum(twice_old) FILTER (WHERE twice_differs) AS VARCHAR) FROM (%s) AS c", w.matched())
	var delta twice.Fingerprint
	if err := w.s.Row(ctx, "weigh", query, &pairs, &inserts, &updates, &ties, &added, &removed); err != nil {
		return 0, delta, err
	}
	if pairs != staged {
		return 0, delta, w.twiceInTable()
	}
	if ties > 0 || w.Final && updates > 0 {
		if err := w.noTie(ctx, fmt.Sprintf("(SELECT * FROM (%s) AS c WHERE twice_differs)", w.matched())); err != nil {
			return 0, delta, err
		}
	}
	plus, err := twice.ParseFingerprint(inserts+updates, added.String)
	if err != nil {
		return 0, delta, err
	}
	minus, err := twice.ParseFingerprint(updates, removed.String)
	if err != nil {
		return 0, delta, err
	}
	return inserts + updates, plus.Sub(minus), w.reupsert(ctx, staged, inserts, updates)
}

// reupsert updates and inserts so many of the staged rows, and finds them by the conditions by which they were weighed.
func (w *write) reupsert(ctx context.Context, staged, inserts, updates int64) error {
	table := w.s.db.Name(w.Pipeline.Table)
	if updates > 0 {
		where := w.on()
		if updates < staged {
			where += fmt.Sprintf(" AND %s <> s.twice_new%s", w.hash("t"), w.notOlder())
		}
		n, err := w.s.Exec(ctx, "update", fmt.Sprintf("UPDATE %s AS t SET %s FROM %s AS s WHERE %s", table, w.sets(), stageTable, where))
		if err != nil {
			return err
		}
		if n != updates {
			return w.overtaken(updates, n)
		}
	}
	if inserts > 0 {
		where := "TRUE"
		if inserts < staged {
			where = fmt.Sprintf("NOT EXISTS (SELECT 1 FROM %s AS t WHERE %s)", table, w.on())
		}
		n, err := w.s.Exec(ctx, "insert", fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s AS s WHERE %s",
			table, Idents("", names(w.columns)), Idents("s", names(w.columns)), stageTable, where))
		if err != nil {
			return err
		}
		if n != inserts {
			return w.overtaken(inserts, n)
		}
	}
	return nil
}

// overtaken is the error of rows that somebody who holds no lease has changed since they were weighed. The fence keeps
// other runs out; against everybody else a new try helps, which weighs again.
func (w *write) overtaken(weighed, found int64) error {
	return twice.Errorf("serialization", "%s was written by somebody else during the merge: %d rows were to change, and %d did",
		w.Pipeline.Table, weighed, found)
}
