package run

import (
	"context"
	"fmt"
	"strings"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/ledger"
)

// nowTable holds what the windows would give now.
const nowTable = "twice_now"

// Preview is what a pipeline's windows would give now, in a temporary table of a session, and what it stands against.
type Preview struct {
	Windows []twice.Window
	Table   string         // quoted name of the temporary table
	Columns []twice.Column // of the temporary table
	Before  []twice.Column // of the pipeline's table; none: it does not exist
	Where   string         // which rows of the pipeline's table, known as t, the windows' rows would replace
}

// Preview runs the SELECT for every window that the options select, whether it is stale or not, and leaves the rows in
// a temporary table of s. A merge's rows are merged with each other, and give way to newer versions in the table. The
// guards and checks of a write are not asked, so that rows which a run would refuse can be looked at. Nothing else is
// written. Call it inside a transaction of s that is rolled back.
func (r *Runner) Preview(ctx context.Context, s *engine.Session, p *twice.Pipeline) (*Preview, error) {
	if in := p.Stream(); in != nil {
		return nil, twice.Errorf("stream-preview", "what a stream would give now is not known without reading its topic").
			At(p.File, in.Line).WithNext("fill another table from it, and compare the two: twice diff A B").WithExit(twice.ExitProject)
	}
	steps, err := r.previewed(ctx, s, p)
	if err != nil {
		return nil, err
	}
	pv := &Preview{Table: engine.Ident(nowTable)}
	if pv.Before, err = s.DB().Columns(ctx, s, p.Table); err != nil {
		return nil, err
	}
	var conds []string
	for _, st := range steps {
		pv.Windows = append(pv.Windows, st.Window)
		if err := r.previewWindow(ctx, s, pv, st); err != nil {
			return nil, err
		}
		if len(pv.Before) == 0 || p.Write == twice.Merge {
			continue
		}
		cond, err := engine.InWindow("t", timeColumn(p, pv.Before), st.Window, p.Calendar.Zone)
		if err != nil {
			return nil, err
		}
		conds = append(conds, "("+cond+")")
	}
	pv.Where = strings.Join(conds, " OR ")
	if p.Write == twice.Merge {
		return pv, r.previewMerge(ctx, s, pv, p)
	}
	return pv, nil
}

// previewed plans the windows. One whose inputs are not there is left out where it is only waiting.
func (r *Runner) previewed(ctx context.Context, s *engine.Session, p *twice.Pipeline) ([]Step, error) {
	plan, err := r.plan(ctx, s, []*twice.Pipeline{p})
	if err != nil {
		return nil, err
	}
	var steps []Step
	for _, st := range plan.Steps {
		switch {
		case st.Status == twice.Waiting:
		case st.Err != nil:
			return nil, st.Err
		default:
			steps = append(steps, st)
		}
	}
	if len(steps) == 0 {
		return nil, twice.Errorf("no-window", "no window of %s is in range with its inputs there", p.Name).
			WithNext("twice plan %s", p.Name).WithExit(twice.ExitProject)
	}
	return steps, nil
}

func (r *Runner) previewWindow(ctx context.Context, s *engine.Session, pv *Preview, st Step) error {
	p := st.Pipeline
	job, err := r.reading(ctx, p, []Step{st})
	if err != nil {
		return err
	}
	query, columns, err := s.Preview(ctx, job)
	if err != nil {
		return err
	}
	list := engine.Idents("", columnNames(columns))
	if pv.Columns == nil {
		pv.Columns = columns
		empty := fmt.Sprintf("CREATE TEMPORARY TABLE %s AS SELECT * FROM (%s) AS q WHERE FALSE", pv.Table, query)
		if _, err := s.Exec(ctx, "preview table", empty); err != nil {
			return err
		}
	}
	into := fmt.Sprintf("INSERT INTO %s (%s)", pv.Table, list)
	statements := []string{into + " " + query}
	if p.Write == twice.Merge {
		statements = mergeNow(p, pv.Table, into, list, query)
	}
	for _, text := range statements {
		if _, err := s.Exec(ctx, "preview", text); err != nil {
			return err
		}
	}
	return job.Verify(ctx)
}

// mergeNow merges a window's rows into those of the windows before it.
func mergeNow(p *twice.Pipeline, table, into, list, query string) []string {
	if p.WhenMissing == "delete" && p.Version == "" {
		return []string{"DELETE FROM " + table, into + " " + query}
	}
	step := engine.Ident("twice_step")
	newer := ""
	if v := engine.Ident(p.Version); p.Version != "" {
		newer = fmt.Sprintf(" AND s.%s > t.%s", v, v)
	}
	statements := []string{fmt.Sprintf("CREATE TEMPORARY TABLE %s AS %s", step, query)}
	if p.WhenMissing == "delete" {
		statements = append(statements,
			fmt.Sprintf("DELETE FROM %s AS t WHERE NOT EXISTS (SELECT 1 FROM %s AS s WHERE %s)", table, step, onKey(p)))
	}
	return append(statements,
		fmt.Sprintf("DELETE FROM %s AS t WHERE EXISTS (SELECT 1 FROM %s AS s WHERE %s%s)",
			table, step, onKey(p), newer),
		fmt.Sprintf("%s SELECT %s FROM %s AS s WHERE NOT EXISTS (SELECT 1 FROM %s AS t WHERE %s)",
			into, list, step, table, onKey(p)),
		"DROP TABLE "+step)
}

// previewMerge holds the merged rows against the table: a newer version in it stays, and rows of other keys go only
// where a full snapshot lacks them.
func (r *Runner) previewMerge(ctx context.Context, s *engine.Session, pv *Preview, p *twice.Pipeline) error {
	if p.WhenMissing != "delete" {
		pv.Where = fmt.Sprintf("EXISTS (SELECT 1 FROM %s AS s WHERE %s)", pv.Table, onKey(p))
	} else if last := pv.Windows[len(pv.Windows)-1]; p.Windowed() {
		switch newer, err := r.superseded(ctx, s, p, last); {
		case err != nil:
			return err
		case newer:
			return twice.Errorf("superseded",
				"a newer snapshot than %s has been merged into %s, so that one would change nothing", last, p.Table).WithNext("take a later --end, or none").WithExit(twice.ExitProject)
		}
	}
	if p.Version == "" || len(pv.Before) == 0 {
		return nil
	}
	v, table, newer := engine.Ident(p.Version), s.DB().Name(p.Table), engine.Ident("twice_newer")
	var kept []string
	for _, c := range pv.Columns {
		if has(pv.Before, c.Name) {
			kept = append(kept, c.Name)
		}
	}
	list, from := engine.Idents("", kept), engine.Idents("t", kept)
	older := fmt.Sprintf("%s AND t.%s > s.%s", onKey(p), v, v)
	for _, text := range []string{
		fmt.Sprintf("CREATE TEMPORARY TABLE %s AS SELECT %s FROM %s AS t WHERE EXISTS (SELECT 1 FROM %s AS s WHERE %s)",
			newer, from, table, pv.Table, older),
		fmt.Sprintf("DELETE FROM %s AS s WHERE EXISTS (SELECT 1 FROM %s AS t WHERE %s)", pv.Table, newer, onKey(p)),
		fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s", pv.Table, list, list, newer),
	} {
		if _, err := s.Exec(ctx, "preview", text); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runner) superseded(ctx context.Context, s *engine.Session, p *twice.Pipeline, w twice.Window) (bool, error) {
	if ok, err := ledger.Exists(ctx, s); err != nil || !ok {
		return false, err
	}
	return ledger.Newer(ctx, s, p.Name, w)
}

// onKey matches t with s by the unique key.
func onKey(p *twice.Pipeline) string {
	conds := make([]string, len(p.UniqueKey))
	for i, k := range p.UniqueKey {
		conds[i] = fmt.Sprintf("t.%s = s.%s", engine.Ident(k), engine.Ident(k))
	}
	return strings.Join(conds, " AND ")
}

func timeColumn(p *twice.Pipeline, cols []twice.Column) twice.Column {
	for _, c := range cols {
		if strings.EqualFold(c.Name, p.TimeColumn) {
			return c
		}
	}
	return twice.Column{Name: p.TimeColumn}
}

func has(cols []twice.Column, name string) bool {
	for _, c := range cols {
		if strings.EqualFold(c.Name, name) {
			return true
		}
	}
	return false
}

func columnNames(cols []twice.Column) []string {
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = c.Name
	}
	return names
}
