package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/twice-data/twice"
)

// Job is one write: a pipeline's SELECT over adjoining windows and pinned relations.
type Job struct {
	Pipeline  *twice.Pipeline
	Windows   []twice.Window // one, or the adjoining ones of a batch, in order
	Relations []Relation     // the inputs that are not tables of the target

	// Reset empties the table first, in the same transaction: a full refresh begins with it.
	Reset bool

	// Final says that a key's row never changes, unless the pipeline has a version: a merge of a row that differs from the
	// one that is there is an error. Rows that are equal are one row, and of a key's rows those of the largest version
	// count. Streams need it, where which rows come together is chance. Their tables have a unique index of the key, where the engine's are fast.
	Final bool

	// Repeats says that keys which are there already, or come twice, are to be expected, as the write before had some. It
	// changes only what is tried first.
	Repeats bool

	// Fence proves, as the first statement of each transaction, that this run still may write, and makes any other
	// writer of the same rows wait or fail.
	Fence func(context.Context, *Session) error

	// Prepare makes what else the SELECT reads exist, after the relations and outside the transaction.
	Prepare func(context.Context, *Session) error

	// Superseded says, inside the transaction, whether a newer snapshot than this one has been merged already.
	Superseded func(context.Context, *Session) (bool, error)

	// Verify says whether the relations still are what the manifest says. It is asked after they have been read.
	Verify func(context.Context) error

	// Known are the columns on which the ledger keeps a merge table's fingerprint, or none: then Outcome.Table has the
	// fingerprint in full.
	Known []string

	// Receipt writes the receipts, as the last statements before COMMIT.
	Receipt func(context.Context, *Session, *Outcome) error
}

// Window is the whole span of the job's windows.
func (j *Job) Window() twice.Window {
	return twice.Window{Start: j.Windows[0].Start, End: j.Windows[len(j.Windows)-1].End}
}

// Outcome is what a write did, for the receipts.
type Outcome struct {
	Windows  []WindowOutcome // one for each of the job's windows
	Columns  []string        // on which the fingerprints are computed
	Table    *TableOutcome   // merge only
	Warnings []Violation     // of checks that warn
	Repeats  bool            // of a Final job: keys were there already, or came twice
}

// WindowOutcome is what a write did to one window.
type WindowOutcome struct {
	Window      twice.Window
	Fingerprint twice.Fingerprint // of the window's rows; for a merge, of the rows that the SELECT gave
	Changed     int64             // rows that a merge inserted, updated or deleted; for the others, rows written
}

// TableOutcome is how a merge changed its table's fingerprint.
type TableOutcome struct {
	Delta twice.Fingerprint  // what to add to the ledger's fingerprint
	Full  *twice.Fingerprint // the fingerprint in full, where the ledger had none on these columns
}

// write is a Job under way: what the three writes share.
type write struct {
	*Job
	s       *Session
	query   string         // the SELECT, bound
	given   []twice.Column // what it returns
	old     []twice.Column // the table's columns before; none: it does not exist
	columns []twice.Column // the table's columns after

	// Of a merge.
	staged    twice.Fingerprint // of all staged rows
	countKeys string            // an aggregate that counts the distinct keys of staged rows s; empty: there is no fast one
	distinct  bool              // no key is staged twice
	thinned   bool              // of keys that were staged twice, rows were taken out
}

// Write carries job out. Everything that becomes visible, and the receipt, commits in one transaction; on any error the
// table is as it was. See Session.Tx for the errors of the commit itself.
func (s *Session) Write(ctx context.Context, job *Job) (*Outcome, error) {
	w, err := s.prepare(ctx, job)
	if err != nil {
		return nil, err
	}
	switch job.Pipeline.Write {
	case twice.Overwrite:
		return w.overwrite(ctx)
	case twice.Merge:
		if len(job.Pipeline.UniqueKey) == 0 {
			return w.add(ctx)
		}
		return w.merge(ctx)
	case twice.Publish:
		return w.publish(ctx)
	default:
		return nil, fmt.Errorf("unknown write %q", job.Pipeline.Write)
	}
}

// Look finds the Views of relations beside other work, and closes the channel when it has ended. What fails is left to
// Attach, which says why.
func (db *DB) Look(ctx context.Context, rels []Relation) <-chan struct{} {
	done := make(chan struct{})
	l, ok := db.Driver.(Looker)
	if !ok {
		close(done)
		return done
	}
	go func() {
		defer close(done)
		for i := range rels {
			if rel := &rels[i]; rel.View == "" && len(rel.Files) > 0 {
				rel.View, _ = l.Look(ctx, *rel)
			}
		}
	}()
	return done
}

// attach makes a relation readable under its name, which for a table of that name it is already.
func (s *Session) attach(ctx context.Context, rel Relation) error {
	switch {
	case rel.Table.Name == "":
		return s.db.Attach(ctx, s, rel)
	case rel.Table.Schema == "" && strings.EqualFold(rel.Table.Name, rel.Name):
		return nil
	}
	_, err := s.Exec(ctx, "attach "+rel.Name, fmt.Sprintf("CREATE OR REPLACE TEMPORARY VIEW %s AS SELECT * FROM %s",
		Ident(strings.ToLower(rel.Name)), s.db.Name(rel.Table)))
	return err
}

// prepare makes the inputs readable and holds what the SELECT gives against the contract and the table.
func (s *Session) prepare(ctx context.Context, job *Job) (*write, error) {
	p := job.Pipeline
	w := &write{Job: job, s: s}
	var err error
	if w.query, err = twice.Bind(p.SQL, job.Window()); err != nil {
		return nil, err
	}
	for _, rel := range job.Relations {
		if err := s.attach(ctx, rel); err != nil {
			return nil, err
		}
	}
	if job.Prepare != nil {
		if err := job.Prepare(ctx, s); err != nil {
			return nil, err
		}
	}
	if w.given, err = s.db.Describe(ctx, s, w.query); err != nil {
		return nil, place(err, p)
	}
	if w.old, err = s.db.Columns(ctx, s, p.Table); err != nil {
		return nil, err
	}
	if w.columns, err = s.reconcile(p, w.given, w.old); err != nil {
		return nil, err
	}
	for _, name := range append(append([]string(nil), p.UniqueKey...), notEmpty(p.TimeColumn, p.Version)...) {
		if _, ok := find(w.columns, name); !ok {
			return nil, twice.Errorf("missing-column", "the SELECT gives no column %s, which the header names; it gives %s",
				name, strings.Join(names(w.given), ", ")).At(p.File, p.Line)
		}
	}
	return w, nil
}

// place moves an error's line from the SELECT to the file.
func place(err error, p *twice.Pipeline) error {
	if err == nil {
		return nil
	}
	e := *twice.AsError(err)
	if e.File == "" && e.Code == "sql" || e.Code == "syntax" {
		if e.Line > 0 {
			e.Line += p.Line - 1
		} else {
			e.Line = p.Line
		}
		e.File = p.File
		return &e
	}
	return err
}

func notEmpty(ss ...string) []string {
	var kept []string
	for _, s := range ss {
		if s != "" {
			kept = append(kept, s)
		}
	}
	return kept
}

// selectInto is the SELECT with exactly the table's columns, in the table's order, in the table's types; a column that
// it does not give is NULL.
func (w *write) selectInto() string {
	exprs := make([]string, len(w.columns))
	for i, c := range w.columns {
		switch given, ok := find(w.given, c.Name); {
		case !ok:
			exprs[i] = fmt.Sprintf("CAST(NULL AS %s) AS %s", c.Type, Ident(c.Name))
		case w.s.db.SameType(given.Type, c.Type):
			exprs[i] = fmt.Sprintf("%s AS %s", Ident(given.Name), Ident(c.Name))
		default:
			exprs[i] = fmt.Sprintf("CAST(%s AS %s) AS %s", Ident(given.Name), c.Type, Ident(c.Name))
		}
	}
	return fmt.Sprintf("SELECT %s FROM (\n%s\n) AS q", strings.Join(exprs, ", "), w.query)
}

// schema makes the schema of the target table exist.
func (w *write) schema(ctx context.Context) error {
	if w.Pipeline.Table.Schema == "" || len(w.old) > 0 {
		return nil
	}
	return w.s.Schema(ctx, w.Pipeline.Table.Schema)
}

// table makes the target table exist with w.columns, and empties it for a full refresh.
func (w *write) table(ctx context.Context) error {
	name := w.s.db.Name(w.Pipeline.Table)
	if len(w.old) == 0 {
		if err := w.schema(ctx); err != nil {
			return err
		}
		defs := make([]string, len(w.columns))
		for i, c := range w.columns {
			defs[i] = Ident(c.Name) + " " + c.Type
		}
		if _, err := w.s.Exec(ctx, "create table", fmt.Sprintf("CREATE TABLE %s (%s)", name, strings.Join(defs, ", "))); err != nil {
			return err
		}
		if err := w.reread(ctx, w.Pipeline.Table); err != nil {
			return err
		}
		return w.key(ctx)
	}
	for _, c := range w.columns {
		if _, ok := find(w.old, c.Name); ok {
			continue
		}
		add := fmt.Sprintf("ALTER TABLE %s ADD COLUMN IF NOT EXISTS %s %s", name, Ident(c.Name), c.Type)
		if _, err := w.s.Exec(ctx, "add column", add); err != nil {
			return err
		}
	}
	if len(w.columns) > len(w.old) {
		if err := w.reread(ctx, w.Pipeline.Table); err != nil {
			return err
		}
	}
	if w.Reset {
		_, err := w.s.Exec(ctx, "reset", "DELETE FROM "+name)
		return err
	}
	return nil
}

// reread takes the columns' types from a table that this write has just made: the row hash may depend on how the engine
// itself spells them, which a contract need not know.
func (w *write) reread(ctx context.Context, t twice.Table) error {
	cols, err := w.s.db.Columns(ctx, w.s, t)
	if err == nil {
		w.columns = cols
	}
	return err
}

// inWindow is the condition that a row of alias lies in win.
func (w *write) inWindow(alias string, win twice.Window) (string, error) {
	if win.IsWhole() {
		return "TRUE", nil
	}
	col, _ := find(w.columns, w.Pipeline.TimeColumn)
	cond, err := InWindow(alias, col, win, w.Pipeline.Calendar.Zone)
	if err != nil {
		return "", twice.AsError(err).At(w.Pipeline.File, w.Pipeline.Line)
	}
	return cond, nil
}

// finish is the end that all three writes share, inside the transaction: the inputs are still the pinned ones, and the
// receipts are written.
func (w *write) finish(ctx context.Context, o *Outcome) error {
	if w.Verify != nil {
		if err := w.Verify(ctx); err != nil {
			return err
		}
	}
	o.Columns = names(byName(w.columns))
	return w.Receipt(ctx, w.s, o)
}
