package engine

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/twice-data/twice"
)

// byName sorts columns by name, so that a fingerprint does not depend on their order in the table.
func byName(cols []twice.Column) []twice.Column {
	sorted := append([]twice.Column(nil), cols...)
	sort.Slice(sorted, func(i, j int) bool { return strings.ToLower(sorted[i].Name) < strings.ToLower(sorted[j].Name) })
	return sorted
}

// Fingerprint computes the fingerprint of the rows of relation (a table's name or a query in parentheses, known as t in
// where) over the given columns.
func (s *Session) Fingerprint(ctx context.Context, name, relation, where string, cols []twice.Column) (twice.Fingerprint, error) {
	if where == "" {
		where = "TRUE"
	}
	query := fmt.Sprintf("SELECT count(*), CAST(sum(%s) AS VARCHAR) FROM %s AS t WHERE %s",
		s.db.RowHash("t", byName(cols)), relation, where)
	return s.sum(ctx, name, query)
}

// sum reads a fingerprint as a query gives it: the number of rows, and the sum of their hashes as text.
func (s *Session) sum(ctx context.Context, name, query string) (twice.Fingerprint, error) {
	var rows int64
	var sum sql.NullString
	if err := s.Row(ctx, name, query, &rows, &sum); err != nil {
		return twice.Fingerprint{}, err
	}
	return twice.ParseFingerprint(rows, sum.String)
}

// TableFingerprint computes the fingerprint of the rows of a table that lie in w by the time column, over the named
// columns, or over all when none are named. A table that does not exist has no rows; a named column that it has no
// more is an error.
func (s *Session) TableFingerprint(ctx context.Context, p *twice.Pipeline, w twice.Window, only []string) (twice.Fingerprint, error) {
	cols, err := s.db.Columns(ctx, s, p.Table)
	if err != nil || len(cols) == 0 {
		return twice.Fingerprint{}, err
	}
	where := "TRUE"
	if !w.IsWhole() {
		col, ok := find(cols, p.TimeColumn)
		if !ok {
			return twice.Fingerprint{}, twice.Errorf("missing-column", "table %s has no column %s", p.Table, p.TimeColumn)
		}
		if where, err = InWindow("t", col, w, p.Calendar.Zone); err != nil {
			return twice.Fingerprint{}, err
		}
	}
	if only != nil {
		if cols, err = pick(p.Table, cols, only); err != nil {
			return twice.Fingerprint{}, err
		}
	}
	return s.Fingerprint(ctx, "fingerprint", s.db.Name(p.Table), where, cols)
}

func pick(t twice.Table, cols []twice.Column, only []string) ([]twice.Column, error) {
	picked := make([]twice.Column, len(only))
	for i, name := range only {
		c, ok := find(cols, name)
		if !ok {
			return nil, twice.Errorf("missing-column", "table %s has no column %s any more", t, name)
		}
		picked[i] = c
	}
	return picked, nil
}

// WindowFingerprints computes the fingerprints of a table's rows in each of the windows, by Window.Key, over the named
// columns, or over all when none are named, in one pass over the rows between the first window's start and the last one's
// end. Windows without rows are not in the map, which means the zero fingerprint.
func (s *Session) WindowFingerprints(ctx context.Context, p *twice.Pipeline, ws []twice.Window, only []string) (
	map[string]twice.Fingerprint, error,
) {
	cols, err := s.db.Columns(ctx, s, p.Table)
	if err != nil || len(cols) == 0 || len(ws) == 0 {
		return map[string]twice.Fingerprint{}, err
	}
	col, _ := find(cols, p.TimeColumn)
	if only != nil {
		if cols, err = pick(p.Table, cols, only); err != nil {
			return nil, err
		}
	}
	hash := s.db.RowHash("t", byName(cols))
	if bucket, ok := bucketOf(col, ws); ok {
		return s.bucketed(ctx, p, ws, col, bucket, hash)
	}
	return s.oneByOne(ctx, p, ws, col, hash)
}

// oneByOne asks of each row which window it is in, in one pass over the table for every few hundred windows.
func (s *Session) oneByOne(ctx context.Context, p *twice.Pipeline, ws []twice.Window, col twice.Column, hash string) (
	map[string]twice.Fingerprint, error,
) {
	const atATime = 500
	fps := map[string]twice.Fingerprint{}
	for len(ws) > 0 {
		n := min(len(ws), atATime)
		var selects []string
		for i, w := range ws[:n] {
			where, err := InWindow("t", col, w, p.Calendar.Zone)
			if err != nil {
				return nil, err
			}
			selects = append(selects, fmt.Sprintf("WHEN %s THEN %d", where, i))
		}
		query := fmt.Sprintf("SELECT w, count(*), CAST(sum(h) AS VARCHAR) FROM (SELECT CASE %s END AS w, %s AS h FROM %s AS t) AS x "+
			"WHERE w IS NOT NULL GROUP BY w", strings.Join(selects, " "), hash, s.db.Name(p.Table))
		err := s.Query(ctx, "window fingerprints", query, func(rows *sql.Rows) error {
			var i int
			var count int64
			var sum sql.NullString
			if err := rows.Scan(&i, &count, &sum); err != nil {
				return err
			}
			fp, err := twice.ParseFingerprint(count, sum.String)
			fps[ws[i].Key()] = fp
			return err
		})
		if err != nil {
			return nil, err
		}
		ws = ws[n:]
	}
	return fps, nil
}

// bucketOf is an expression by which rows can be summed up first, as no window begins or ends inside of one of its values:
// the hour. It is false where that is not so: of windows that begin within an hour, as those of a zone with half hours do.
func bucketOf(col twice.Column, ws []twice.Window) (string, bool) {
	switch kind := kindOf(col.Type); {
	case kind != naiveKind && kind != instantKind, strings.Contains(col.Type, "_"): // date_trunc may round what is finer than microseconds
		return "", false
	}
	for _, w := range ws {
		if w.IsWhole() || !w.Start.Truncate(time.Hour).Equal(w.Start) || !w.End.Truncate(time.Hour).Equal(w.End) {
			return "", false
		}
	}
	return "date_trunc('hour', " + column("t", col.Name) + ")", true
}

// bucketed sums up the rows by bucket, and the buckets by window.
func (s *Session) bucketed(ctx context.Context, p *twice.Pipeline, ws []twice.Window, col twice.Column, bucket, hash string) (
	map[string]twice.Fingerprint, error,
) {
	sorted := slices.Clone(ws)
	slices.SortFunc(sorted, func(a, b twice.Window) int { return a.Start.Compare(b.Start) })
	span := sorted[0]
	for _, w := range sorted {
		if w.End.After(span.End) {
			span.End = w.End
		}
	}
	where, err := InWindow("t", col, span, p.Calendar.Zone)
	if err != nil {
		return nil, err
	}
	fps := map[string]twice.Fingerprint{}
	query := fmt.Sprintf("SELECT %s AS b, count(*), CAST(sum(%s) AS VARCHAR) FROM %s AS t WHERE %s GROUP BY b",
		bucket, hash, s.db.Name(p.Table), where)
	err = s.Query(ctx, "window fingerprints", query, func(rows *sql.Rows) error {
		var at time.Time
		var count int64
		var sum sql.NullString
		if err := rows.Scan(&at, &count, &sum); err != nil {
			return err
		}
		fp, err := twice.ParseFingerprint(count, sum.String)
		if err != nil {
			return err
		}
		first, _ := slices.BinarySearchFunc(sorted, at, func(w twice.Window, at time.Time) int {
			if w.End.After(at) {
				return 1
			}
			return -1
		})
		for _, w := range sorted[first:] {
			if w.Start.After(at) {
				break
			}
			fps[w.Key()] = fps[w.Key()].Add(fp)
		}
		return nil
	})
	return fps, err
}
