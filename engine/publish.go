package engine

import (
	"context"
	"fmt"

	"github.com/twice-data/twice"
)

// publish builds the rows in a durable table next to the target, audits them there, and only then swaps them in. The
// fence is taken at both transactions: nobody else can have staged between them.
func (w *write) publish(ctx context.Context) (*Outcome, error) {
	o := new(Outcome)
	staging := w.Pipeline.Table.Beside("staging")
	var staged int64
	err := w.s.Tx(ctx, func() error {
		if err := w.Fence(ctx, w.s); err != nil {
			return err
		}
		if err := w.schema(ctx); err != nil {
			return err
		}
		if _, err := w.s.Exec(ctx, "drop staging", "DROP TABLE IF EXISTS "+w.s.db.Name(staging)); err != nil {
			return err
		}
		_, err := w.s.Exec(ctx, "stage", fmt.Sprintf("CREATE TABLE %s AS %s", w.s.db.Name(staging), w.selectInto()))
		if err != nil {
			return place(err, w.Pipeline)
		}
		if err := w.reread(ctx, staging); err != nil {
			return err
		}
		// This commit need not be told how large it is: if it is torn, the next run stages again.
		return w.s.Row(ctx, "staged rows", "SELECT count(*) FROM "+w.s.db.Name(staging), &staged)
	})
	if err != nil {
		return nil, err
	}
	if err := w.audit(ctx, o, staging, staged); err != nil {
		return o, err
	}
	err = w.s.Tx(ctx, func() error {
		if err := w.Fence(ctx, w.s); err != nil {
			return err
		}
		if err := w.swap(ctx, staging); err != nil {
			return err
		}
		return w.finish(ctx, o)
	})
	return o, err
}

// audit holds the staged rows against the window, the rows that they are going to replace, and the checks.
func (w *write) audit(ctx context.Context, o *Outcome, staging twice.Table, staged int64) error {
	where, err := w.inWindow("", w.Window())
	if err != nil {
		return err
	}
	var before int64
	if staged == 0 && len(w.old) > 0 {
		query := fmt.Sprintf("SELECT count(*) FROM %s WHERE %s", w.s.db.Name(w.Pipeline.Table), where)
		if err := w.s.Row(ctx, "rows before", query, &before); err != nil {
			return err
		}
	}
	if err := w.notEmptied(staged, before); err != nil {
		return err
	}
	if err := w.fingerprints(ctx, o, w.s.db.Name(staging), staged); err != nil {
		return err
	}
	return w.check(ctx, o, "SELECT * FROM "+w.s.db.Name(staging))
}

// swap makes the staged rows the visible ones and keeps the ones before in the table "__previous".
func (w *write) swap(ctx context.Context, staging twice.Table) error {
	t := w.Pipeline.Table
	previous := t.Beside("previous")
	if _, err := w.s.Exec(ctx, "drop previous", "DROP TABLE IF EXISTS "+w.s.db.Name(previous)); err != nil {
		return err
	}
	if !w.Pipeline.Windowed() && w.s.db.Features().RenameSwap {
		if len(w.old) > 0 {
			if err := w.s.rename(ctx, t, previous); err != nil {
				return err
			}
		}
		return w.s.rename(ctx, staging, t)
	}
	if err := w.table(ctx); err != nil {
		return err
	}
	where, err := w.inWindow("", w.Window())
	if err != nil {
		return err
	}
	cols := Idents("", names(w.columns))
	for _, st := range []struct{ name, sql string }{
		{"keep previous", fmt.Sprintf("CREATE TABLE %s AS SELECT * FROM %s WHERE %s", w.s.db.Name(previous), w.s.db.Name(t), where)},
		{"delete", fmt.Sprintf("DELETE FROM %s WHERE %s", w.s.db.Name(t), where)},
		{"insert", fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s", w.s.db.Name(t), cols, cols, w.s.db.Name(staging))},
		{"drop staging", "DROP TABLE " + w.s.db.Name(staging)},
	} {
		if _, err := w.s.Exec(ctx, st.name, st.sql); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) rename(ctx context.Context, from, to twice.Table) error {
	_, err := s.Exec(ctx, "rename "+from.Name, fmt.Sprintf("ALTER TABLE %s RENAME TO %s", s.db.Name(from), Ident(to.Name)))
	return err
}
