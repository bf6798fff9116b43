package run

import (
	"context"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/ledger"
)

// RolledBack is the reason of the receipt that a rollback leaves.
const RolledBack twice.Reason = "rollback"

// Rollback brings back the rows that p's last publish replaced. The receipt keeps the code and the inputs of what was
// rolled back: the rows stay as they are until one of these changes, or somebody forces a run.
func (r *Runner) Rollback(ctx context.Context, p *twice.Pipeline) (*twice.Receipt, error) {
	if p.Write != twice.Publish {
		return nil, twice.Errorf("nothing-to-roll-back", "%s is written by %s; only publish keeps the previous version", p.Name, p.How()).
			At(p.File, 1).WithExit(twice.ExitProject)
	}
	var receipt *twice.Receipt
	err := r.retry(ctx, func() error {
		s, err := r.DB.Session(ctx)
		if err != nil {
			return err
		}
		defer s.Close()
		last, err := r.last(ctx, s, p)
		if err != nil {
			return err
		}
		receipt, err = r.rollback(ctx, s, p, last)
		return err
	})
	return receipt, err
}

// last is the receipt of the window that was published last: the one whose previous rows are kept.
func (r *Runner) last(ctx context.Context, s *engine.Session, p *twice.Pipeline) (*twice.Receipt, error) {
	if ok, err := ledger.Exists(ctx, s); err != nil {
		return nil, err
	} else if ok {
		rs, err := ledger.History(ctx, s, p.Name, "", 1)
		if err != nil {
			return nil, err
		}
		if len(rs) == 1 {
			return rs[0], nil
		}
	}
	return nil, twice.Errorf("nothing-to-roll-back", "%s was never published", p.Name).WithNext("twice run %s", p.Name)
}

func (r *Runner) rollback(ctx context.Context, s *engine.Session, p *twice.Pipeline, last *twice.Receipt) (*twice.Receipt, error) {
	var lease ledger.Lease
	err := s.Tx(ctx, func() error {
		var err error
		lease, err = ledger.Acquire(ctx, s, ledger.Scope(p, last.Window), r.ID, r.Me, r.leaseTTL())
		return err
	})
	if err != nil {
		return nil, err
	}
	receipt := *last
	receipt.Reason, receipt.Run, receipt.CommittedAt = RolledBack, r.ID, time.Now()
	err = s.Rollback(ctx, p, last.Window, lease.Fence, func(ctx context.Context, s *engine.Session, fp twice.Fingerprint, columns []string) error {
		receipt.Fingerprint, receipt.Columns, receipt.Changed = fp, columns, fp.Rows
		if err := ledger.Commit(ctx, s, []*twice.Receipt{&receipt}); err != nil {
			return err
		}
		return lease.Release(ctx, s)
	})
	if err != nil {
		r.release(context.WithoutCancel(ctx), s, []ledger.Lease{lease})
		return nil, err
	}
	return &receipt, nil
}
