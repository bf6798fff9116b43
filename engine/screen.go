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
