package engine

import (
	"context"
	"fmt"

	"github.com/twice-data/twice"
)

// add inserts the SELECT's rows, for a merge without a key. Only a stream writes so: its fence moves the offsets at which
// the rows begin, and a write that is repeated does not find them there.
func (w *write) add(ctx context.Context) (*Outcome, error) {
	if !w.Final {
		return nil, twice.Errorf("no-key", "a merge without unique_key would add its rows again and again").At(w.Pipeline.File, 0).
			WithNext("name the columns that identify a row: unique_key: [id]")
	}
	o := new(Outcome)
	err := w.s.Tx(ctx, func() error {
		if err := w.Fence(ctx, w.s); err != nil {
			return err
		}
		if err := w.table(ctx); err != nil {
			return err
		}
		if err := w.stage(ctx, o); err != nil {
			return err
		}
		if err := w.check(ctx, o, fmt.Sprintf("SELECT %s FROM %s", Idents("", names(w.columns)), stageTable)); err != nil {
			return err
		}
		if err := w.addStaged(ctx, o); err != nil {
			return err
		}
		if _, err := w.s.Exec(ctx, "drop stage", "DROP TABLE "+stageTable); err != nil {
			return err
		}
		return w.finish(ctx, o)
	})
	return o, err
}

// addStaged inserts the staged rows, of which the table has none.
func (w *write) addStaged(ctx context.Context, o *Outcome) error {
	columns := Idents("", names(w.columns))
	n, err := w.s.Exec(ctx, "insert", fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s",
		w.s.db.Name(w.Pipeline.Table), columns, columns, stageTable))
	if err != nil {
		return err
	}
	o.Windows[len(o.Windows)-1].Changed = n
	return w.total(ctx, o, w.staged)
}
