package run

import (
	"context"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/ledger"
)

// complete adds to a job that can read what it needs to write, under the leases.
func (r *Runner) complete(ctx context.Context, s *engine.Session, p *twice.Pipeline, steps []Step, leases []ledger.Lease, job *engine.Job) error {
	job.Fence = func(ctx context.Context, s *engine.Session) error {
		for _, l := range leases {
			if err := l.Fence(ctx, s); err != nil {
				return err
			}
		}
		return nil
	}
	if p.WhenMissing == "delete" && p.Windowed() {
		job.Superseded = func(ctx context.Context, s *engine.Session) (bool, error) {
			return ledger.Newer(ctx, s, p.Name, job.Window())
		}
	}
	if p.Write == twice.Merge {
		total, err := ledger.TotalOf(ctx, s, p.Table)
		if err != nil {
			return err
		}
		if total != nil {
			job.Known = total.Columns
		}
	}
	job.Receipt = func(ctx context.Context, s *engine.Session, o *engine.Outcome) error {
		if job.Reset {
			// Only now: what another run commits after the rows were deleted keeps its rows, and may lose its receipt, but
			// no receipt outlives its rows.
			if err := ledger.Forget(ctx, s, p.Name); err != nil {
				return err
			}
		}
		return r.receipts(ctx, s, p, steps, leases, o)
	}
	return nil
}

// reading is the part of a job that reads: the steps' windows, and their inputs as the manifests pin them.
func (r *Runner) reading(ctx context.Context, p *twice.Pipeline, steps []Step) (*engine.Job, error) {
	if err := r.capture(ctx, p, steps); err != nil {
		return nil, err
	}
	job := &engine.Job{Pipeline: p}
	pins := map[string]twice.Pin{}
	for _, st := range steps {
		job.Windows = append(job.Windows, st.Window)
		for _, pin := range st.Manifest.Inputs {
			pins[pin.Name] = join(pins[pin.Name], pin)
		}
	}
	for i := range p.Inputs {
		in := &p.Inputs[i]
		var rel engine.Relation
		var err error
		switch {
		case in.Files != nil:
			rel, err = r.filesOf(p).Relation(ctx, in, pins[in.Name], r.Temp)
		case in.Table != "":
			rel = engine.Relation{Name: in.Name, Table: tableNamed(in.Table), File: p.File, Line: in.Line}
		case in.Captured():
			rel, err = r.captured(ctx, p, in, steps)
		default:
			continue
		}
		if err != nil {
			return nil, err
		}
		job.Relations = append(job.Relations, rel)
	}
	job.Verify = func(ctx context.Context) error {
		for _, pin := range pins {
			if len(pin.Files) > 0 {
				if err := r.filesOf(p).Check(ctx, pin); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return job, nil
}

// join puts the files of several windows' pins together, each file once.
func join(a, b twice.Pin) twice.Pin {
	if a.Name == "" {
		return b
	}
	seen := map[string]bool{}
	for _, f := range a.Files {
		seen[f.Path] = true
	}
	a.Files = append([]twice.File(nil), a.Files...)
	for _, f := range b.Files {
		if !seen[f.Path] {
			a.Files = append(a.Files, f)
		}
	}
	return a
}

// receipts writes the receipts, the table's total, the run's end if there is nothing more to do in it, and the leases'
// release, as the last statements before COMMIT.
func (r *Runner) receipts(ctx context.Context, s *engine.Session, p *twice.Pipeline, steps []Step, leases []ledger.Lease, o *engine.Outcome) error {
	rs := make([]*twice.Receipt, len(steps))
	for i, st := range steps {
		w := o.Windows[i]
		if p.Write != twice.Merge && st.Receipt != nil && st.Receipt.Fingerprint == w.Fingerprint {
			w.Changed = 0
		}
		rs[i] = &twice.Receipt{
			Pipeline: p.Name, Table: p.Table, Window: st.Window, Code: st.Code, Manifest: st.Manifest.Digest(),
			Changed: w.Changed, Fingerprint: w.Fingerprint, Columns: o.Columns, Reason: st.Reason, Run: r.ID,
			CommittedAt: time.Now(),
		}
	}
	if err := ledger.Commit(ctx, s, rs); err != nil {
		return err
	}
	if o.Table != nil {
		total := ledger.Total{Columns: o.Columns}
		if o.Table.Full != nil {
			total.Fingerprint = *o.Table.Full
		} else {
			before, err := ledger.TotalOf(ctx, s, p.Table)
			if err != nil {
				return err
			}
			total.Fingerprint = before.Fingerprint.Add(o.Table.Delta)
		}
		if err := ledger.PutTotal(ctx, s, p.Table, total, r.ID); err != nil {
			return err
		}
	}
	if r.all(steps) {
		if err := ledger.EndRun(ctx, s, r.endOf(r.hoped)); err != nil {
			return err
		}
	}
	if steps[0].keep {
		return nil
	}
	for _, l := range leases {
		if err := l.Release(ctx, s); err != nil {
			return err
		}
	}
	return nil
}
