package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/diff"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/ledger"
)

type diffOptions struct {
	rangeFlags
	against     string
	runs        []string
	key, except []string
	limit       int
}

func (a *app) diffCommand() *cobra.Command {
	var opts diffOptions
	c := &cobra.Command{
		Use:   "diff TABLE [OTHER_TABLE]",
		Short: "Show which rows differ between two tables, targets, runs, or a table and now",
		Long: "Show which rows were added, removed and changed, and in which columns: between two tables,\n" +
			"between one table in two targets (--against), or between a pipeline's table and what its windows\n" +
			"would give now, of which nothing is written. Rows are told apart by unique_key, a unique check, or\n" +
			"--key; without one they are compared as a whole.\n" +
			"With --run, compare the ledger's receipts of two runs, or of a run and of what is there now.\n" +
			"Exits 1 if there is a difference.",
		Example: "twice diff mart.daily --start 2020-03-01 --end 2020-03-08\n" +
			"twice diff mart.daily mart.daily_old --key id\n" +
			"twice diff mart.daily --target dev --against prod\ntwice diff mart.daily --run 20200301T120000-4f1c09ab",
		Args: cobra.RangeArgs(0, 2),
		RunE: func(c *cobra.Command, args []string) error {
			if err := opts.validate(args); err != nil {
				return err
			}
			o, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer o.Close()
			d := &differ{app: a, opened: o, opts: opts, began: time.Now()}
			switch {
			case len(opts.runs) > 0:
				return d.runs(c.Context(), args)
			case opts.against != "":
				return d.targets(c.Context(), args)
			case len(args) == 2:
				return d.tables(c.Context(), args)
			default:
				return d.now(c.Context(), args[0])
			}
		},
	}
	opts.register(c)
	f := c.Flags()
	f.StringVar(&opts.against, "against", "", "compare with the same table in this `TARGET`")
	f.StringArrayVar(&opts.runs, "run", nil, "compare the receipts of this `RUN`; give it twice for two runs")
	f.StringSliceVar(&opts.key, "key", nil, "the `COLUMNS` that name a row; default: unique_key, or a unique check")
	f.StringSliceVar(&opts.except, "except", nil, "leave these `COLUMNS` out")
	f.IntVar(&opts.limit, "limit", 20, "show this many differences; counts are exact whatever it is")
	return c
}

func (opts *diffOptions) validate(args []string) error {
	switch {
	case opts.limit < 0:
		return usage("--limit %d is less than 0", opts.limit)
	case len(opts.runs) > 2:
		return usage("--run was given %d times; two runs can be compared", len(opts.runs))
	case len(opts.runs) > 0 && (len(args) > 1 || opts.against != "" || opts.start != "" || opts.end != "" ||
		opts.key != nil || opts.except != nil):
		return usage("--run compares receipts, so that it takes one pipeline at most, and only --limit")
	case len(args) == 0 && len(opts.runs) == 0:
		return usage("diff needs a table").WithNext("twice diff --help")
	default:
		return nil
	}
}

// differ is a diff under way.
type differ struct {
	*app
	*opened
	opts  diffOptions
	began time.Time
}

// side is a table of a session's target.
func (d *differ) side(ctx context.Context, s *engine.Session, target, name string, w twice.Window) (
	diff.Side, *twice.Pipeline, error,
) {
	p, err := d.tableOf(name, w)
	if err != nil {
		return diff.Side{}, nil, err
	}
	cols, err := s.DB().Columns(ctx, s, p.Table)
	if err != nil {
		return diff.Side{}, nil, err
	}
	if len(cols) == 0 {
		return diff.Side{}, nil, usage("there is no table %s in target %s", p.Table, target).
			WithNext("twice status --target %s lists the pipelines and what they wrote", target)
	}
	side := diff.Side{Session: s, Name: p.Table.String(), Relation: s.DB().Name(p.Table), Columns: cols}
	if w.IsWhole() {
		return side, p, nil
	}
	col, ok := columnOf(cols, p.TimeColumn)
	if !ok {
		return side, nil, usage("table %s has no column %s, the time_column of %s", p.Table, p.TimeColumn, p.Name)
	}
	side.Where, err = engine.InWindow("t", col, w, p.Calendar.Zone)
	return side, p, err
}

// tables compares two tables of the target.
func (d *differ) tables(ctx context.Context, args []string) error {
	w, err := d.opts.window()
	if err != nil {
		return err
	}
	s, err := d.DB.Session(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	var r *diff.Result
	var left, right diff.Side
	err = diff.Snapshot(ctx, s, func() error {
		var p, q *twice.Pipeline
		if left, p, err = d.side(ctx, s, d.Target.Name, args[0], w); err != nil {
			return err
		}
		if right, q, err = d.side(ctx, s, d.Target.Name, args[1], w); err != nil {
			return err
		}
		r, err = d.compare(ctx, left, right, p, q)
		return err
	})
	if err != nil {
		return err
	}
	return d.report(r, left.Name, right.Name)
}

// targets compares a table of the target with one of another target, by default the same one.
func (d *differ) targets(ctx context.Context, args []string) error {
	w, err := d.opts.window()
	if err != nil {
		return err
	}
	other, err := d.Project.Target(d.opts.against)
	if err != nil {
		return err
	}
	if other.Name == d.Target.Name {
		return usage("--against %s is the target itself", other.Name).
			WithNext("choose two targets: --target dev --against prod")
	}
	db, err := d.openTarget(ctx, other)
	if err != nil {
		return err
	}
	defer db.Close()
	s, err := d.DB.Session(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	os, err := db.Session(ctx)
	if err != nil {
		return err
	}
	defer os.Close()
	var r *diff.Result
	var left, right diff.Side
	err = diff.Snapshot(ctx, s, func() error {
		return diff.Snapshot(ctx, os, func() error {
			var p, q *twice.Pipeline
			if left, p, err = d.side(ctx, s, d.Target.Name, args[0], w); err != nil {
				return err
			}
			if right, q, err = d.side(ctx, os, other.Name, args[len(args)-1], w); err != nil {
				return err
			}
			left.Name, right.Name = d.Target.Name+" "+left.Name, other.Name+" "+right.Name
			r, err = d.compare(ctx, left, right, p, q)
			return err
		})
	})
	if err != nil {
		return err
	}
	return d.report(r, left.Name, right.Name)
}

// now compares a pipeline's table with what its windows would give now.
func (d *differ) now(ctx context.Context, name string) error {
	ps, err := d.Select([]string{name})
	if err != nil {
		return err
	}
	if len(ps) != 1 {
		return usage("diff takes one pipeline; %s selects %d", name, len(ps))
	}
	p := ps[0]
	w, err := d.opts.window()
	if err != nil {
		return err
	}
	r, done, err := d.runner(d.opened)
	if err != nil {
		return err
	}
	defer done()
	if !w.IsWhole() {
		if d.opts.start != "" {
			r.Start = w.Start
		}
		if d.opts.end != "" {
			r.End = w.End
		}
	}
	s, err := d.DB.Session(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	var result *diff.Result
	err = diff.Snapshot(ctx, s, func() error {
		pv, err := r.Preview(ctx, s, p)
		if err != nil {
			return err
		}
		left := diff.Side{
			Session: s, Name: p.Table.String(), Relation: s.DB().Name(p.Table), Where: pv.Where,
			Columns: pv.Before,
		}
		right := diff.Side{Session: s, Name: "now", Relation: pv.Table, Columns: pv.Columns}
		if len(pv.Before) == 0 {
			left.Relation, left.Where, left.Columns = pv.Table, "FALSE", pv.Columns
		}
		result, err = d.compare(ctx, left, right, p, p)
		return err
	})
	if err != nil {
		return err
	}
	return d.report(result, p.Table.String(), "now")
}

func (d *differ) compare(ctx context.Context, left, right diff.Side, p, q *twice.Pipeline) (*diff.Result, error) {
	for _, name := range d.opts.except {
		_, inLeft := columnOf(left.Columns, name)
		if _, inRight := columnOf(right.Columns, name); !inLeft && !inRight {
			return nil, usage("--except %s: neither %s nor %s has such a column", name, left.Name, right.Name)
		}
	}
	key := d.opts.key
	for _, p := range []*twice.Pipeline{p, q} {
		if key == nil && allIn(keyOf(p), left.Columns, right.Columns) {
			key = keyOf(p)
		}
	}
	return diff.Tables(ctx, left, right, diff.Options{Key: key, Except: d.opts.except, Limit: d.opts.limit})
}

// keyOf is what names a row of a pipeline's table: its unique_key, or the columns of a check that blocks duplicates.
func keyOf(p *twice.Pipeline) []string {
	if len(p.UniqueKey) > 0 {
		return p.UniqueKey
	}
	for _, c := range p.Checks {
		if c.Unique != nil && !c.Warn {
			return c.Unique
		}
	}
	return nil
}

func allIn(names []string, tables ...[]twice.Column) bool {
	for _, cols := range tables {
		for _, name := range names {
			if _, ok := columnOf(cols, name); !ok {
				return false
			}
		}
	}
	return len(names) > 0
}

func columnOf(cols []twice.Column, name string) (twice.Column, bool) {
	for _, c := range cols {
		if strings.EqualFold(c.Name, name) {
			return c, true
		}
	}
	return twice.Column{}, false
}

// runs compares the receipts of two runs, or of a run and of what the ledger says is there now.
func (d *differ) runs(ctx context.Context, args []string) error {
	pipeline := ""
	if len(args) == 1 {
		ps, err := d.Select(args)
		if err != nil {
			return err
		}
		if len(ps) != 1 {
			return usage("diff takes one pipeline; %s selects %d", args[0], len(ps))
		}
		pipeline = ps[0].Name
	}
	s, err := d.DB.Session(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	left, err := d.receiptsOf(ctx, s, pipeline, d.opts.runs[0])
	if err != nil {
		return err
	}
	if len(d.opts.runs) == 2 {
		right, err := d.receiptsOf(ctx, s, pipeline, d.opts.runs[1])
		if err != nil {
			return err
		}
		return d.reportReceipts(left, right, d.opts.runs[0], d.opts.runs[1])
	}
	state, err := ledger.Load(ctx, s, nil)
	if err != nil {
		return err
	}
	var right []*twice.Receipt
	for _, r := range left {
		if now := state.Receipt(r.Pipeline, r.Window); now != nil {
			right = append(right, now)
		}
	}
	return d.reportReceipts(left, right, d.opts.runs[0], "now")
}

func (d *differ) receiptsOf(ctx context.Context, s *engine.Session, pipeline, run string) ([]*twice.Receipt, error) {
	none := usage("run %s committed nothing in target %s", run, d.Target.Name).WithNext("twice history lists the runs")
	if pipeline != "" {
		none.Message = fmt.Sprintf("run %s committed nothing of %s in target %s", run, pipeline, d.Target.Name)
	}
	ok, err := ledger.Exists(ctx, s)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, none
	}
	rs, err := ledger.History(ctx, s, pipeline, run, 0)
	if err == nil && len(rs) == 0 {
		err = none
	}
	return rs, err
}
