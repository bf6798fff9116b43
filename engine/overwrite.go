package engine

import (
	"context"
	"fmt"

	"github.com/twice-data/twice"
)

// overwrite deletes the windows' rows and inserts the SELECT's, in place, in one transaction. The rows are audited where
// they are going to be visible, before COMMIT.
func (w *write) overwrite(ctx context.Context) (*Outcome, error) {
	o := new(Outcome)
	err := w.s.Tx(ctx, func() error {
		if err := w.Fence(ctx, w.s); err != nil {
			return err
		}
		if err := w.table(ctx); err != nil {
			return err
		}
		where, err := w.inWindow("", w.Window())
		if err != nil {
			return err
		}
		table := w.s.db.Name(w.Pipeline.Table)
		deleted, err := w.s.Exec(ctx, "delete", fmt.Sprintf("DELETE FROM %s WHERE %s", table, where))
		if err != nil {
			return err
		}
		inserted, err := w.s.Exec(ctx, "insert",
			fmt.Sprintf("INSERT INTO %s (%s) %s", table, Idents("", names(w.columns)), w.selectInto()))
		if err != nil {
			return place(err, w.Pipeline)
		}
		if err := w.notEmptied(inserted, deleted); err != nil {
			return err
		}
		w.s.written() // they go to the disk while they are read back
		if err := w.fingerprints(ctx, o, table, inserted); err != nil {
			return err
		}
		if err := w.check(ctx, o, fmt.Sprintf("SELECT * FROM %s WHERE %s", table, where)); err != nil {
			return err
		}
		return w.finish(ctx, o)
	})
	return o, err
}

// fingerprints computes each window's fingerprint from the rows that relation holds of it. All written rows must be
// found that way: one that lies in no window would stay behind when the window is written again.
func (w *write) fingerprints(ctx context.Context, o *Outcome, relation string, written int64) error {
	inside := int64(0)
	for _, win := range w.Windows {
		where, err := w.inWindow("t", win)
		if err != nil {
			return err
		}
		fp, err := w.s.Fingerprint(ctx, "fingerprint", relation, where, w.columns)
		if err != nil {
			return err
		}
		inside += fp.Rows
		o.Windows = append(o.Windows, WindowOutcome{Window: win, Fingerprint: fp, Changed: fp.Rows})
	}
	if inside != written && !planted("no-window-guard") {
		return w.outside(ctx, written-inside)
	}
	return nil
}

// outside tells which rows of the SELECT lie in no window of the job.
func (w *write) outside(ctx context.Context, n int64) error {
	where, err := w.inWindow("q", w.Window())
	if err != nil {
		return err
	}
	examples, err := w.s.examples(ctx, fmt.Sprintf("SELECT * FROM (%s) AS q WHERE (%s) IS NOT TRUE", w.selectInto(), where))
	if err != nil {
		return err
	}
	p := w.Pipeline
	return twice.Errorf("outside-window", "the SELECT gives %s outside the window %s by %s, for example\n%s",
		count(n, "row"), w.Window(), p.TimeColumn, examples).At(p.File, p.Line).
		WithNext("filter the SELECT by the window: where %s >= $start and %s < $end", p.TimeColumn, p.TimeColumn)
}

// notEmptied refuses to replace rows by none.
func (w *write) notEmptied(now, before int64) error {
	if now > 0 || before == 0 || w.Pipeline.AllowEmpty {
		return nil
	}
	return twice.Errorf("empty-result", "the SELECT gives no rows for %s, where %s holds %s now; nothing was changed",
		w.Window(), w.Pipeline.Table, count(before, "row")).At(w.Pipeline.File, w.Pipeline.Line).
		WithNext("look at the input; if no rows is right, set allow_empty: true in the header")
}

// count is "1 row", "12 rows".
func count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
