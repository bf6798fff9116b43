package engine

import (
	"context"
	"fmt"

	"github.com/twice-data/twice"
)

// Rollback exchanges a published table's rows in win with those of the version before. Doing it twice brings the newer
// version back. fence and receipt are as in Job. It answers with the fingerprint of the rows that are visible after it.
func (s *Session) Rollback(ctx context.Context, p *twice.Pipeline, win twice.Window,
	fence func(context.Context, *Session) error,
	receipt func(context.Context, *Session, twice.Fingerprint, []string) error,
) error {
	t, previous, aside := p.Table, p.Table.Beside("previous"), p.Table.Beside("staging")
	cols, err := s.db.Columns(ctx, s, previous)
	if err != nil {
		return err
	}
	if len(cols) == 0 {
		return twice.Errorf("nothing-to-roll-back", "table %s has no previous version", t).
			WithNext("twice history %s shows what was published", p.Name)
	}
	return s.Tx(ctx, func() error {
		if err := fence(ctx, s); err != nil {
			return err
		}
		if err := s.exchange(ctx, p, win, cols, t, previous, aside); err != nil {
			return err
		}
		fp, err := s.TableFingerprint(ctx, p, win, names(cols))
		if err != nil {
			return err
		}
		return receipt(ctx, s, fp, names(byName(cols)))
	})
}

func (s *Session) exchange(ctx context.Context, p *twice.Pipeline, win twice.Window, cols []twice.Column,
	t, previous, aside twice.Table,
) error {
	if _, err := s.Exec(ctx, "drop staging", "DROP TABLE IF EXISTS "+s.db.Name(aside)); err != nil {
		return err
	}
	if win.IsWhole() && s.db.Features().RenameSwap {
		for _, r := range [][2]twice.Table{{t, aside}, {previous, t}, {aside, previous}} {
			if err := s.rename(ctx, r[0], r[1]); err != nil {
				return err
			}
		}
		return nil
	}
	w := &write{Job: &Job{Pipeline: p}, s: s, columns: cols}
	where, err := w.inWindow("", win)
	if err != nil {
		return err
	}
	list := Idents("", names(cols))
	for _, st := range []struct{ name, sql string }{
		{"stage", fmt.Sprintf("CREATE TABLE %s AS SELECT * FROM %s WHERE %s", s.db.Name(aside), s.db.Name(t), where)},
		{"delete", fmt.Sprintf("DELETE FROM %s WHERE %s", s.db.Name(t), where)},
		{"insert", fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s", s.db.Name(t), list, list, s.db.Name(previous))},
		{"drop previous", "DROP TABLE " + s.db.Name(previous)},
		{"rename", fmt.Sprintf("ALTER TABLE %s RENAME TO %s", s.db.Name(aside), Ident(previous.Name))},
	} {
		if _, err := s.Exec(ctx, st.name, st.sql); err != nil {
			return err
		}
	}
	return nil
}
