package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/twice-data/twice"
)

// rowsView is the name under which a check's SQL sees the rows about to become visible.
const rowsView = "twice_rows"

// Violation is a check that did not hold.
type Violation struct {
	Check    twice.Check
	Rows     int64  // that violate it
	Examples string // up to five of them, as a small table
}

// check holds the rows of query against the pipeline's checks. Every check is tried; those that block make one error.
func (w *write) check(ctx context.Context, o *Outcome, query string) error {
	if len(w.Pipeline.Checks) == 0 {
		return nil
	}
	if _, err := w.s.Exec(ctx, "rows view", "DROP VIEW IF EXISTS "+rowsView); err != nil {
		return err
	}
	if _, err := w.s.Exec(ctx, "rows view", "CREATE TEMPORARY VIEW "+rowsView+" AS "+query); err != nil {
		return err
	}
	holds, err := w.rowChecks(ctx)
	if err != nil {
		return err
	}
	var blocking []Violation
	for i, c := range w.Pipeline.Checks {
		if holds[i] {
			continue
		}
		v, err := w.s.violation(ctx, c)
		if err != nil {
			return checkFailed(err, w.Pipeline, c)
		}
		switch {
		case v == nil:
		case c.Warn:
			o.Warnings = append(o.Warnings, *v)
		default:
			blocking = append(blocking, *v)
		}
	}
	if _, err := w.s.Exec(ctx, "rows view", "DROP VIEW "+rowsView); err != nil {
		return err
	}
	if len(blocking) > 0 {
		return blocked(w.Pipeline, w.Window(), blocking)
	}
	return nil
}

// rowChecks tries all checks that look at one row at a time in one pass, and says by their place which of them hold. One of
// a column that is not there is left to its own statement, which says so.
func (w *write) rowChecks(ctx context.Context) (map[int]bool, error) {
	var places []int
	var counts []string
	for i, c := range w.Pipeline.Checks {
		if cond, columns := against(c); cond != "" && !slices.ContainsFunc(columns, w.lacks) {
			places = append(places, i)
			counts = append(counts, "count(CASE WHEN "+cond+" THEN 1 END)")
		}
	}
	if len(places) < 2 {
		return nil, nil
	}
	found, dest := make([]int64, len(places)), make([]any, len(places))
	for i := range found {
		dest[i] = &found[i]
	}
	if err := w.s.Row(ctx, "checks of rows", "SELECT "+strings.Join(counts, ", ")+" FROM "+rowsView, dest...); err != nil {
		return nil, err
	}
	holds := map[int]bool{}
	for i, n := range found {
		holds[places[i]] = n == 0
	}
	return holds, nil
}

// lacks says whether the table has no column of exactly this name.
func (w *write) lacks(column string) bool { return !slices.Contains(names(w.columns), column) }

// against is the condition that a row is against a check, and the columns that it reads; none: it takes more than a row.
func against(c twice.Check) (cond string, columns []string) {
	switch {
	case c.NotNull != nil:
		conds := make([]string, len(c.NotNull))
		for i, col := range c.NotNull {
			conds[i] = Ident(col) + " IS NULL"
		}
		return strings.Join(conds, " OR "), c.NotNull
	case c.AcceptedValues != nil:
		values := make([]string, len(c.AcceptedValues.Values))
		for i, v := range c.AcceptedValues.Values {
			values[i] = Literal(v)
		}
		col := Ident(c.AcceptedValues.Column)
		return fmt.Sprintf("%s IS NOT NULL AND CAST(%s AS VARCHAR) NOT IN (%s)", col, col, strings.Join(values, ", ")),
			[]string{c.AcceptedValues.Column}
	default:
		return "", nil
	}
}

// checkFailed places an error of the check's own SQL at the check.
func checkFailed(err error, p *twice.Pipeline, c twice.Check) error {
	e := *twice.AsError(err)
	if e.Code == "sql" {
		e.Message = fmt.Sprintf("check %s does not run: %s", c.Name, e.Message)
		e.File, e.Line = p.File, c.Line
	}
	return &e
}

func blocked(p *twice.Pipeline, win twice.Window, vs []Violation) error {
	texts := make([]string, len(vs))
	for i, v := range vs {
		texts[i] = fmt.Sprintf("check %s: %s", v.Check.Name, v.Text())
	}
	e := twice.Errorf("check-failed", "%s", strings.Join(texts, "\n")).At(p.File, vs[0].Check.Line).
		WithNext("mend the input or the SELECT and run again; %s of %s is as it was", win, p.Table)
	if p.Write == twice.Publish {
		e.Next += fmt.Sprintf(". The rows are in %s to be looked at", p.Table.Beside("staging"))
	}
	e.Blocked = true
	return e
}

// Text is "3 rows violate it, for example" and the examples.
func (v Violation) Text() string {
	if v.Check.Rows != nil {
		return v.Examples
	}
	return fmt.Sprintf("%s against it, for example\n%s", count(v.Rows, "row"), v.Examples)
}

// violation tries one check on rowsView; nil means that it holds.
func (s *Session) violation(ctx context.Context, c twice.Check) (*Violation, error) {
	name := "check " + c.Name
	if c.Rows != nil {
		var n int64
		if err := s.Row(ctx, name, "SELECT count(*) FROM "+rowsView, &n); err != nil {
			return nil, err
		}
		return bounds(c, n), nil
	}
	query := s.violations(c)
	var n int64
	if err := s.Row(ctx, name, fmt.Sprintf("SELECT count(*) FROM (\n%s\n) AS v", query), &n); err != nil || n == 0 {
		return nil, err
	}
	examples, err := s.examples(ctx, query)
	return &Violation{Check: c, Rows: n, Examples: examples}, err
}

func bounds(c twice.Check, n int64) *Violation {
	switch r := c.Rows; {
	case r.Min != nil && n < *r.Min:
		return &Violation{Check: c, Rows: n, Examples: fmt.Sprintf("%s, fewer than %d", count(n, "row"), *r.Min)}
	case r.Max != nil && n > *r.Max:
		return &Violation{Check: c, Rows: n, Examples: fmt.Sprintf("%s, more than %d", count(n, "row"), *r.Max)}
	default:
		return nil
	}
}

// violations is the SELECT whose rows are against the check. In unique, NULLs count as equal, as in a PRIMARY KEY they
// could not be there at all; in accepted_values and relationships NULL passes, as in a CHECK or a FOREIGN KEY.
func (s *Session) violations(c twice.Check) string {
	cond, _ := against(c)
	switch {
	case cond != "":
		return fmt.Sprintf("SELECT * FROM %s WHERE %s", rowsView, cond)
	case c.Unique != nil:
		cols := Idents("", c.Unique)
		return fmt.Sprintf("SELECT %s, count(*) AS rows FROM %s GROUP BY %s HAVING count(*) > 1", cols, rowsView, cols)
	case c.Relationships != nil:
		r := c.Relationships
		return fmt.Sprintf("SELECT r.* FROM %s AS r WHERE r.%s IS NOT NULL AND NOT EXISTS (SELECT 1 FROM %s AS o WHERE o.%s = r.%s)",
			rowsView, Ident(r.Column), s.db.Name(r.To), Ident(r.ToColumn), Ident(r.Column))
	default:
		return strings.TrimRight(strings.ReplaceAll(c.SQL, "{rows}", rowsView), "; \t\r\n")
	}
}
