package diff

import (
	"context"
	"strings"

	"github.com/twice-data/twice"
)

// Options of a comparison. The zero value compares all columns, rows as a multiset, and shows nothing.
type Options struct {
	Key    []string // names a row; empty: the whole row does
	Except []string // columns to leave out
	Limit  int      // differences to show; the counts are exact whatever it is
}

// Result is what two relations do not have in common.
type Result struct {
	LeftRows, RightRows     int64
	Columns                 []TypeChange
	Added, Removed, Changed int64 // rows only in the right one, only in the left one, in both with the same key
	Shown                   []Difference

	Hashes int64 // row hashes that travelled
	Rows   int64 // rows that travelled
}

// Same says that there is no difference.
func (r *Result) Same() bool { return len(r.Columns) == 0 && r.Added+r.Removed+r.Changed == 0 }

// Change is how a row differs.
type Change string

// The changes, seen from the left side.
const (
	Added   Change = "added"
	Removed Change = "removed"
	Changed Change = "changed"
)

// Difference is one row that differs.
type Difference struct {
	Change Change
	Key    []Value // the whole row where nothing names it
	Cells  []Cell  // of a changed row those that differ, of others all that are not in the key
	Count  int64   // how many such rows; more than 1 only where rows are equal
}

// Value is a column's value as it is shown; nil is NULL.
type Value struct {
	Column string
	Text   *string
}

// Cell is a column's value on both sides; nil is NULL, and the value on a side that has no such row.
type Cell struct {
	Column      string
	Left, Right *string
}

// comparison is a comparison under way.
type comparison struct {
	left, right query
	fields      []field // of the left side; the right's have the same names and kinds
	keys        int     // so many of the fields, the first ones, are the key; 0: all
	result      *Result
}

// Tables compares the rows of two relations. Both sessions should be inside a Snapshot.
func Tables(ctx context.Context, left, right Side, opts Options) (*Result, error) {
	l, r, changes, err := match(left, right, opts.Except)
	if err != nil {
		return nil, err
	}
	c := &comparison{result: &Result{Columns: changes}, keys: len(opts.Key)}
	for i, k := range opts.Key {
		n := index(l, k)
		if n < 0 {
			return nil, twice.Errorf("missing-column", "the key has the column %s, which %s and %s do not share",
				k, left.Name, right.Name).
				WithNext("name other columns with --key").WithExit(twice.ExitProject)
		}
		l[i], l[n] = l[n], l[i]
		r[i], r[n] = r[n], r[i]
	}
	c.fields = l
	if c.left, err = newQuery(left, l, c.keys); err != nil {
		return nil, err
	}
	if c.right, err = newQuery(right, r, c.keys); err != nil {
		return nil, err
	}
	leaves, err := c.narrow(ctx)
	if err != nil {
		return nil, err
	}
	differing, err := c.count(ctx, leaves, opts.Limit)
	if err != nil || len(differing) == 0 {
		return c.result, err
	}
	return c.result, c.show(ctx, differing, opts.Limit)
}

func index(fields []field, name string) int {
	for i, f := range fields {
		if strings.EqualFold(f.name, name) {
			return i
		}
	}
	return -1
}
