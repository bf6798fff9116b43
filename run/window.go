package run

import (
	"context"
	"errors"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/ledger"
)

// tries is how often a window is begun again from its manifest when the engine says that it lost a race, or the
// connection is cut.
const tries = 8

// batch writes the windows of adjoining steps, in one statement and one transaction, and says how they ended.
func (r *Runner) batch(ctx context.Context, p *twice.Pipeline, steps []Step, reset bool) []Event {
	began := time.Now()
	var receipts []*twice.Receipt
	var warnings []engine.Violation
	var err error
	if failed := r.withTemp(p, steps, func() { receipts, warnings, err = r.commit(ctx, p, steps, reset) }); failed != nil {
		err = failed
	}
	took := time.Since(began) / time.Duration(len(steps))
	events := make([]Event, len(steps))
	for i, st := range steps {
		e := st.event()
		e.Took = took
		switch {
		case err != nil:
			e.Err = r.relative(twice.AsError(err))
			e.Status = twice.Failed
			if e.Err.Blocked {
				e.Status = twice.Blocked
			}
		default:
			got := receipts[i]
			e.Status, e.Rows, e.Changed, e.Fingerprint = twice.Committed, got.Fingerprint.Rows, got.Changed, got.Fingerprint
			if got.Run != r.ID {
				e.Status = twice.Unchanged // somebody else wrote it from the same inputs while this run waited
			}
		}
		if i == 0 {
			e.Warnings = warnings
		}
		events[i] = e
	}
	return events
}

// relative names files the way the project does, not by where it happens to lie.
func (r *Runner) relative(e *twice.Error) *twice.Error {
	short := *e
	short.Message = strings.ReplaceAll(e.Message, r.Dir+string(filepath.Separator), "")
	return &short
}

// commit tries until the windows are committed or cannot be. Whether a commit whose answer was lost took place is asked
// of the ledger.
func (r *Runner) commit(ctx context.Context, p *twice.Pipeline, steps []Step, reset bool) (
	receipts []*twice.Receipt, warnings []engine.Violation, err error,
) {
	err = r.retry(ctx, func() error {
		s, err := r.DB.Session(ctx)
		if err != nil {
			return err
		}
		defer s.Close()
		if receipts, err = r.present(ctx, s, steps); err != nil || receipts != nil {
			return err
		}
		if err := r.capture(ctx, p, steps); err != nil {
			return err
		}
		warnings, err = r.attempt(ctx, s, p, steps, reset)
		if err != nil {
			return err
		}
		if receipts, err = r.present(ctx, s, steps); err == nil && receipts == nil {
			err = twice.Errorf("commit-lost", "the engine answered COMMIT without an error, but the receipt is not there").
				WithNext("run again; if it happens again, look at the target's own log")
		}
		return err
	})
	if err == nil {
		r.mu.Lock()
		for _, rc := range receipts {
			r.state.Put(rc)
		}
		r.mu.Unlock()
	}
	return receipts, warnings, err
}

// present reads the steps' receipts when all of them are there and came about in this run, or, unless this run redoes
// windows anyway, in another run since the plan, from the same inputs and code. Otherwise it is nil.
func (r *Runner) present(ctx context.Context, s *engine.Session, steps []Step) ([]*twice.Receipt, error) {
	rs := make([]*twice.Receipt, len(steps))
	for i, st := range steps {
		got, err := ledger.Find(ctx, s, st.Pipeline.Name, st.Window)
		if err != nil {
			return nil, err
		}
		fresh := got != nil && (got.Run == r.ID || (st.Receipt == nil || got.Run != st.Receipt.Run) && !r.Force && !r.FullRefresh)
		if !fresh || got.Code != st.Code {
			return nil, nil
		}
		if same, err := r.equal(ctx, s, st, got); err != nil || !same {
			return nil, err
		}
		rs[i] = got
	}
	return rs, nil
}

// attempt is the story of one write: lease and manifest, then the write with its receipts.
func (r *Runner) attempt(ctx context.Context, s *engine.Session, p *twice.Pipeline, steps []Step, reset bool) ([]engine.Violation, error) {
	leases, err := r.begin(ctx, s, p, steps)
	if err != nil {
		return nil, err
	}
	job, err := r.job(ctx, s, p, steps, leases, reset)
	if err == nil {
		var o *engine.Outcome
		if o, err = s.Write(ctx, job); err == nil {
			return o.Warnings, nil
		}
	}
	if twice.AsError(err).Code != "commit-unknown" { // then the lease may be in use, or free already
		r.release(context.WithoutCancel(ctx), s, leases)
	}
	return nil, err
}

// begin takes the leases and records the manifests, in one transaction before the work.
func (r *Runner) begin(ctx context.Context, s *engine.Session, p *twice.Pipeline, steps []Step) ([]ledger.Lease, error) {
	var leases []ledger.Lease
	err := s.Tx(ctx, func() error {
		leases = nil
		for _, scope := range scopes(p, steps) {
			l, err := ledger.Acquire(ctx, s, scope, r.ID, r.Me, r.leaseTTL())
			if err != nil {
				return err
			}
			leases = append(leases, l)
		}
		for _, st := range steps {
			if err := ledger.Record(ctx, s, r.ID, p.Name, []twice.Window{st.Window}, st.Manifest); err != nil {
				return err
			}
		}
		return ledger.PutFiles(ctx, s, r.unknown(steps))
	})
	return leases, err
}

// scopes lists what the steps' leases are on, in one order for all runs, so that two of them cannot wait for each other.
func scopes(p *twice.Pipeline, steps []Step) []string {
	seen := map[string]bool{}
	var ss []string
	for _, st := range steps {
		if scope := ledger.Scope(p, st.Window); !seen[scope] {
			seen[scope] = true
			ss = append(ss, scope)
		}
	}
	sort.Strings(ss)
	return ss
}

// unknown lists the files of the steps whose hash the ledger does not have yet.
func (r *Runner) unknown(steps []Step) []twice.File {
	var files []twice.File
	seen := map[string]bool{}
	for _, st := range steps {
		for _, pin := range st.Manifest.Inputs {
			for _, f := range pin.Files {
				if seen[f.Path] {
					continue
				}
				seen[f.Path] = true
				if r.hashes[f.Path] == f {
					continue
				}
				files = append(files, f)
			}
		}
	}
	return files
}

// job makes the engine's job of the steps.
func (r *Runner) job(ctx context.Context, s *engine.Session, p *twice.Pipeline, steps []Step, leases []ledger.Lease, reset bool) (*engine.Job, error) {
	job, err := r.reading(ctx, p, steps)
	if err != nil {
		return nil, err
	}
	job.Reset = reset
	job.Fence = func(ctx context.Context, s *engine.Session) error {
		for _, l := range leases {
			if err := l.Fence(ctx, s); err != nil {
				return err
			}
		}
		if reset {
			return ledger.Forget(ctx, s, p.Name)
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
			return nil, err
		}
		if total != nil {
			job.Known = total.Columns
		}
	}
	job.Receipt = func(ctx context.Context, s *engine.Session, o *engine.Outcome) error {
		return r.receipts(ctx, s, p, steps, leases, o)
	}
	return job, nil
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

// receipts writes the receipts, the table's total and the leases' release, as the last statements before COMMIT.
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
	for _, l := range leases {
		if err := l.Release(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// release frees leases after a failure. If that fails too, they run out by themselves.
func (r *Runner) release(ctx context.Context, s *engine.Session, leases []ledger.Lease) {
	for _, l := range leases {
		if l.Release(ctx, s) != nil {
			return
		}
	}
}

// retry calls f again while its error says that trying again from the start may help: lost races, cut connections, a
// COMMIT without an answer. A window that somebody else holds is waited for as long as Options.Wait.
func (r *Runner) retry(ctx context.Context, f func() error) error {
	deadline := time.Now().Add(r.Wait)
	for n := 1; ; n++ {
		err := f()
		if err == nil {
			return nil
		}
		pause := time.Duration(n) * 20 * time.Millisecond
		switch twice.AsError(err).Code {
		case "serialization", "connection-lost", "commit-unknown", "commit-lost":
			if n == tries {
				return err
			}
		case "window-held", "target-held":
			if time.Now().Add(pause).After(deadline) {
				return err
			}
			pause = min(pause, 200*time.Millisecond)
		default:
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}
