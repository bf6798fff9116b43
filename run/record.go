package run

import (
	"context"
	"errors"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/ledger"
)

// recorded keeps the run's own row in the ledger around work: the first of its transactions that commits puts it there, and
// one that is all of the work ends it.
func (r *Runner) recorded(ctx context.Context, sum *Summary, work func() error) error {
	if !r.known {
		if err := r.onSession(ctx, func(s *engine.Session) error { return ledger.Create(ctx, s) }); err != nil {
			return err
		}
	}
	r.tried, r.started, r.ended = false, false, false
	stop := r.heartbeat(ctx)
	err := work()
	stop()
	if r.ended {
		return err
	}
	row := r.endOf(sum.Counts)
	if err != nil {
		row.Status = "failed"
	}
	ctx = context.WithoutCancel(ctx)
	return errors.Join(err, r.onSession(ctx, func(s *engine.Session) error {
		return r.ledgerTx(ctx, s, func() error { return ledger.EndRun(ctx, s, row) })
	}))
}

// row is the run's in the ledger, as it begins.
func (r *Runner) row() ledger.Run {
	return ledger.Run{ID: r.ID, Command: r.Command, StartedAt: r.Now, Host: r.Me.Host, PID: r.Me.PID, Version: r.Version}
}

// endOf is the run's row when its windows have ended like that.
func (r *Runner) endOf(counts map[twice.Status]int) ledger.Run {
	row := r.row()
	row.FinishedAt, row.Status = time.Now(), "done"
	row.Committed = int64(counts[twice.Committed])
	row.Failed = int64(counts[twice.Failed] + counts[twice.Blocked] + counts[twice.Skipped])
	if row.Failed > 0 {
		row.Status = "failed"
	}
	return row
}

// all says whether steps are all of the plan's work, so that their transaction may end the run.
func (r *Runner) all(steps []Step) bool { return len(steps) == r.hoped[twice.Committed] }

// ledgerTx is a transaction of the ledger alone, before the work or behind it. The first of a run that commits also puts
// the run's row into the ledger, so that whatever a run leaves is some run's, and no transaction is for the row alone.
func (r *Runner) ledgerTx(ctx context.Context, s *engine.Session, f func() error) error {
	r.starting.Lock()
	if r.started {
		r.starting.Unlock()
		return s.Tx(ctx, f)
	}
	defer r.starting.Unlock() // the next one waits to see whether this one commits
	err := s.Tx(ctx, func() error {
		if err := ledger.StartRun(ctx, s, r.row(), r.tried); err != nil {
			return err
		}
		return f()
	})
	r.tried, r.started = true, err == nil
	return err
}

// onSession tries f, which may be tried twice, each time on a session of its own: the one before may have been cut.
func (r *Runner) onSession(ctx context.Context, f func(*engine.Session) error) error {
	return r.retry(ctx, func() error {
		s, err := r.DB.Session(ctx)
		if err != nil {
			return err
		}
		defer s.Close()
		return f(s)
	})
}

// heartbeat renews this run's leases while it works, where other processes could take them over.
func (r *Runner) heartbeat(ctx context.Context) (stop func()) {
	if !r.DB.Features().SharedTarget {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(r.leaseTTL() / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				r.renew(ctx)
			}
		}
	}()
	return func() { cancel(); <-done }
}

// renew may fail: then the lease runs out, and the fence says so. Its statements are not the run's: they come when they
// come, and no Tap counts them.
func (r *Runner) renew(ctx context.Context) {
	s, err := engine.Open(r.DB.Driver, nil).Session(ctx)
	if err != nil {
		return
	}
	defer s.Close()
	_ = ledger.Renew(ctx, s, r.ID, r.leaseTTL())
}

func (r *Runner) leaseTTL() time.Duration {
	if r.LeaseTTL == 0 {
		return time.Minute
	}
	return r.LeaseTTL
}
