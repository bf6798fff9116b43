package diff

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// Side is one of the two relations that are compared.
type Side struct {
	Session  *engine.Session
	Name     string         // as it is shown
	Relation string         // a quoted table's name, or a query in parentheses
	Where    string         // which of its rows, known as t; empty: all
	Columns  []twice.Column // of the relation
}

// dialect is what comparing needs of a driver beyond engine.Driver.
type dialect interface {
	// Canonical gives the kind of a type, and an SQL expression for the text of expr, which is not NULL.
	Canonical(expr, typeName string) (kind, sql string)

	// CanonicalHash gives an SQL expression for the first 60 bits of the MD5 of a text, as a BIGINT.
	CanonicalHash(text string) string

	// Snapshot lists the statements that a transaction must begin with to see one state throughout.
	Snapshot() []string
}

func (s Side) dialect() (dialect, error) {
	d, ok := s.Session.DB().Driver.(dialect)
	if !ok {
		return nil, twice.Errorf("unsupported", "tables of %s cannot be compared", s.Session.DB().Features().Name)
	}
	return d, nil
}

// errDone ends a transaction that must leave nothing behind.
var errDone = errors.New("done")

// Snapshot calls f inside a transaction of s that sees one state throughout, and rolls it back.
func Snapshot(ctx context.Context, s *engine.Session, f func() error) error {
	err := s.Tx(ctx, func() error {
		if d, ok := s.DB().Driver.(dialect); ok {
			for _, st := range d.Snapshot() {
				if _, err := s.Exec(ctx, "snapshot", st); err != nil {
					return err
				}
			}
		}
		if err := f(); err != nil {
			return err
		}
		return errDone
	})
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

// from is the FROM and WHERE of the side.
func (s Side) from() string {
	where := s.Where
	if where == "" {
		where = "TRUE"
	}
	return fmt.Sprintf("%s AS t WHERE %s", s.Relation, where)
}

// field is a column of both sides as one of them writes it.
type field struct {
	name string // the left side's
	kind string
	text string // SQL for the value's text, NULL for NULL
}

// rowText is SQL for the text of all fields: NULL is told from every value, and no two lists of values share a text.
func rowText(fields []field) string {
	parts := make([]string, len(fields))
	for i, f := range fields {
		parts[i] = fmt.Sprintf("coalesce(%s, '-') || ','", f.text)
	}
	if len(parts) == 0 {
		return "''"
	}
	return strings.Join(parts, " || ")
}

// TypeChange is a column that only one side has, or whose types cannot hold the same values.
type TypeChange struct {
	Column      string
	Left, Right string // type names; empty: there is no such column
}

// match pairs the columns of both sides by name, without regard to case. Columns that cannot be compared row by row are
// changes; those in except are left out.
func match(left, right Side, except []string) (l, r []field, changes []TypeChange, err error) {
	ld, err := left.dialect()
	if err != nil {
		return nil, nil, nil, err
	}
	rd, err := right.dialect()
	if err != nil {
		return nil, nil, nil, err
	}
	for _, c := range left.Columns {
		if has(except, c.Name) {
			continue
		}
		o, ok := column(right.Columns, c.Name)
		if !ok {
			changes = append(changes, TypeChange{Column: c.Name, Left: c.Type})
			continue
		}
		lf, rf := fieldOf(ld, c, c.Name), fieldOf(rd, o, c.Name)
		switch same, err := comparable(left, right, c, o, lf, rf); {
		case err != nil:
			return nil, nil, nil, err
		case same:
			l, r = append(l, lf), append(r, rf)
		default:
			changes = append(changes, TypeChange{c.Name, c.Type, o.Type})
		}
	}
	for _, o := range right.Columns {
		if _, ok := column(left.Columns, o.Name); !ok && !has(except, o.Name) {
			changes = append(changes, TypeChange{Column: o.Name, Right: o.Type})
		}
	}
	return l, r, changes, nil
}

func fieldOf(d dialect, c twice.Column, name string) field {
	value := "t." + engine.Ident(c.Name)
	kind, text := d.Canonical(value, c.Type)
	return field{name, kind, fmt.Sprintf("CASE WHEN %s IS NULL THEN NULL ELSE %s END", value, text)}
}

// comparable says whether two columns can hold the same values. Types that only mean something to their own engine are
// an error where the other side is another engine: nobody can say whether their values are the same.
func comparable(left, right Side, l, r twice.Column, lf, rf field) (bool, error) {
	ldb, rdb := left.Session.DB(), right.Session.DB()
	switch own := lf.kind == "own" || rf.kind == "own"; {
	case !own:
		return lf.kind == rf.kind, nil
	case ldb.Features().Name != rdb.Features().Name:
		return false, twice.Errorf("incomparable-type",
			"column %s is %s in %s and %s in %s, and there is no text that both write alike",
			l.Name, l.Type, left.Name, r.Type, right.Name).
			WithNext("leave it out with --except %s", l.Name).WithExit(twice.ExitProject)
	default:
		return ldb.SameType(l.Type, r.Type), nil
	}
}

func column(cols []twice.Column, name string) (twice.Column, bool) {
	for _, c := range cols {
		if strings.EqualFold(c.Name, name) {
			return c, true
		}
	}
	return twice.Column{}, false
}

func has(names []string, name string) bool {
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}
