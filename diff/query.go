package diff

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"github.com/twice-data/twice"
)

// hashBits is the width of a hash.
const hashBits = 60

// query asks one side for sums, hashes and rows.
type query struct {
	side     Side
	fields   []field
	key, row string // SQL for the hashes of the key and of the whole row
}

func newQuery(s Side, fields []field, keys int) (query, error) {
	d, err := s.dialect()
	if err != nil {
		return query{}, err
	}
	q := query{side: s, fields: fields, row: d.CanonicalHash(rowText(fields))}
	q.key = q.row
	if keys > 0 {
		q.key = d.CanonicalHash(rowText(fields[:keys]))
	}
	return q, nil
}

// hashes is the side as a relation of the hashes k and r; of equal columns only one is computed.
func (q query) hashes() string {
	if q.key == q.row {
		return fmt.Sprintf("(SELECT k, k AS r FROM (SELECT %s AS k FROM %s) AS y) AS x", q.key, q.side.from())
	}
	return fmt.Sprintf("(SELECT %s AS k, %s AS r FROM %s) AS x", q.key, q.row, q.side.from())
}

// within is the condition that a key's hash lies in one of the segments, which are of one depth.
func within(segments []segment) string {
	if len(segments) == 0 || segments[0].bits == 0 {
		return "TRUE"
	}
	prefixes := join(segments, func(s segment) int64 { return s.prefix })
	return fmt.Sprintf("(k >> %d) IN (%s)", hashBits-segments[0].bits, prefixes)
}

// sums sums up the segments with so many bits, inside the given ones.
func (q query) sums(ctx context.Context, inside []segment, bits int) (map[int64]twice.Fingerprint, error) {
	found := map[int64]twice.Fingerprint{}
	text := fmt.Sprintf("SELECT k >> %d, count(*), CAST(sum(r) AS VARCHAR) FROM %s WHERE %s GROUP BY 1",
		hashBits-bits, q.hashes(), within(inside))
	err := q.side.Session.Query(ctx, "segments", text, func(rows *sql.Rows) error {
		var prefix, count int64
		var sum string
		if err := rows.Scan(&prefix, &count, &sum); err != nil {
			return err
		}
		fp, err := twice.ParseFingerprint(count, sum)
		found[prefix] = fp
		return err
	})
	return found, err
}

// pairs calls each for the hashes of the rows in the segments, with the number of rows that share them.
func (q query) pairs(ctx context.Context, inside []segment, each func(key, row, count int64)) error {
	text := fmt.Sprintf("SELECT k, r, count(*) FROM %s WHERE %s GROUP BY k, r", q.hashes(), within(inside))
	return q.side.Session.Query(ctx, "row hashes", text, func(rows *sql.Rows) error {
		var key, row, count int64
		if err := rows.Scan(&key, &row, &count); err != nil {
			return err
		}
		each(key, row, count)
		return nil
	})
}

// rows reads the rows whose key's hash is one of the given, as texts; equal rows come once, with their number.
func (q query) rows(ctx context.Context, keys []int64, each func(texts []*string, count int64)) error {
	names, exprs := make([]string, len(q.fields)), make([]string, len(q.fields))
	for i, f := range q.fields {
		names[i] = "c" + strconv.Itoa(i)
		exprs[i] = fmt.Sprintf("%s AS %s", f.text, names[i])
	}
	list := strings.Join(names, ", ")
	wanted := join(keys, func(k int64) int64 { return k })
	text := fmt.Sprintf("SELECT %s, count(*) FROM (SELECT %s AS k, %s FROM %s) AS x "+
		"WHERE k IN (%s) GROUP BY %s ORDER BY %s",
		list, q.key, strings.Join(exprs, ", "), q.side.from(), wanted, list, list)
	return q.side.Session.Query(ctx, "differing rows", text, func(rows *sql.Rows) error {
		texts := make([]*string, len(q.fields))
		dest := make([]any, 0, len(texts)+1)
		for i := range texts {
			dest = append(dest, &texts[i])
		}
		var count int64
		if err := rows.Scan(append(dest, &count)...); err != nil {
			return err
		}
		each(texts, count)
		return nil
	})
}

func join[T any](items []T, number func(T) int64) string {
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = strconv.FormatInt(number(item), 10)
	}
	return strings.Join(texts, ", ")
}
