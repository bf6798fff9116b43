package run

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/ledger"
)

// A window is begun again from its manifest when the engine says that it lost a race, or the connection is cut: so many
// times, with pauses that grow from firstPause to lastPause and are random, so that those who met once do not meet again.
const (
	tries      = 20
	firstPause = 10 * time.Millisecond
	lastPause  = time.Second
)

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
	var leases []ledger.Lease            // of the try before, if its connection was cut
	var reading *engine.Job              // the part of the job that is the same at each try
	look := r.DB.Features().SharedTarget // whether somebody, or a try before, may have committed since the plan
	err = r.retry(ctx, func() error {
		s, err := r.DB.Session(ctx)
		if err != nil {
			return err
		}
		defer s.Close()
		if look {
			receipts, err = r.present(ctx, s, steps)
		}
		look = true
		if len(leases) > 0 && !r.own(receipts) {
			if lost := r.stillOurs(ctx, s, leases); lost != nil {
				return lost
			}
		}
		if err != nil || receipts != nil {
			return err
		}
		if reading == nil {
			if reading, err = r.reading(ctx, p, steps); err != nil {
				return err
			}
			reading.Reset = reset
		}
		leases, receipts, warnings, err = r.attempt(ctx, s, p, steps, *reading)
		if err != nil || receipts != nil {
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
		r.ended = r.all(steps) && r.own(receipts)
		r.mu.Unlock()
	}
	return receipts, warnings, err
}

// own says whether receipts are there and all of this run.
func (r *Runner) own(receipts []*twice.Receipt) bool {
	for _, rc := range receipts {
		if rc.Run != r.ID {
			return false
		}
	}
	return len(receipts) > 0
}

// stillOurs refuses to begin again where another run has taken over: this one was away for longer than its lease.
func (r *Runner) stillOurs(ctx context.Context, s *engine.Session, leases []ledger.Lease) error {
	for _, l := range leases {
		if err := l.Check(ctx, s, r.ID); err != nil {
			return err
		}
	}
	return nil
}

// present reads the steps' receipts when all of them are there and came about in this run, or, unless this run redoes
// windows anyway, in another run since the plan, from the same inputs and code. Otherwise it is nil. What another run has
// committed since the plan from other inputs or by other code is not overwritten: it may be newer than the plan, and if it
// is not, the next run finds that out.
func (r *Runner) present(ctx context.Context, s *engine.Session, steps []Step) ([]*twice.Receipt, error) {
	rs := make([]*twice.Receipt, len(steps))
	for i, st := range steps {
		got, err := ledger.Find(ctx, s, st.Pipeline.Name, st.Window)
		if err != nil {
			return nil, err
		}
		if got == nil {
			return nil, nil
		}
		same := got.Code == st.Code
		if same {
			if same, err = r.equal(ctx, s, st, got); err != nil {
				return nil, err
			}
		}
		others := got.Run != r.ID && (st.Receipt == nil || got.Run != st.Receipt.Run)
		switch {
		case others && !same:
			return nil, twice.Errorf("window-changed", "%s was committed by run %s since this run planned it, from other inputs or "+
				"by other code", part(st.Pipeline.Name, st.Window), got.Run).
				WithNext("run again: it looks at the inputs as they are now").WithExit(twice.ExitHeld)
		case !same || got.Run != r.ID && !others || others && (r.Force || r.FullRefresh):
			return nil, nil
		}
		rs[i] = got
	}
	return rs, nil
}

// attempt is the story of one write: lease and manifest, while the input files are looked at, then the write with its
// receipts. It answers with receipts only when others have committed the windows by the time that it holds the leases, and
// with leases only when the connection was cut while it held them.
func (r *Runner) attempt(ctx context.Context, s *engine.Session, p *twice.Pipeline, steps []Step, job engine.Job) (
	[]ledger.Lease, []*twice.Receipt, []engine.Violation, error,
) {
	looked := s.DB().Look(ctx, job.Relations)
	leases, receipts, err := r.begin(ctx, s, p, steps)
	<-looked
	if err != nil || receipts != nil {
		return nil, receipts, nil, err
	}
	if err = r.complete(ctx, s, p, steps, leases, &job); err == nil {
		var o *engine.Outcome
		if o, err = s.Write(ctx, &job); err == nil {
			return nil, nil, o.Warnings, nil
		}
	}
	switch twice.AsError(err).Code {
	case "commit-unknown", "connection-lost": // the lease may be in use, free or another's; there is no session to ask on
		return leases, nil, nil, err
	}
	if !steps[0].keep {
		r.release(context.WithoutCancel(ctx), s, leases)
	}
	return nil, nil, nil, err
}

// errPresent ends the transaction that takes a lease on windows that others have committed while it waited for it.
var errPresent = errors.New("present")

// begin takes the leases and records the manifests, in one transaction before the work. On a shared target it looks once
// more whether there is any: whoever held the leases until now may have done it.
func (r *Runner) begin(ctx context.Context, s *engine.Session, p *twice.Pipeline, steps []Step) ([]ledger.Lease, []*twice.Receipt, error) {
	var leases []ledger.Lease
	var receipts []*twice.Receipt
	err := r.ledgerTx(ctx, s, func() error {
		leases = nil
		for _, scope := range scopes(p, steps) {
			l, err := ledger.Acquire(ctx, s, scope, r.ID, r.Me, r.leaseTTL())
			if err != nil {
				return err
			}
			leases = append(leases, l)
		}
		if s.DB().Features().SharedTarget {
			var err error
			if receipts, err = r.present(ctx, s, steps); err != nil {
				return err
			}
			if receipts != nil {
				return errPresent
			}
		}
		for _, st := range steps {
			if err := ledger.Record(ctx, s, r.ID, p.Name, []twice.Window{st.Window}, st.Manifest); err != nil {
				return err
			}
		}
		return ledger.PutFiles(ctx, s, r.unknown(steps))
	})
	if errors.Is(err, errPresent) {
		return nil, receipts, nil
	}
	return leases, nil, err
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
	lost, held := 0, 0
	for {
		err := f()
		if err == nil {
			return nil
		}
		var pause time.Duration
		switch twice.AsError(err).Code {
		case "serialization", "connection-lost", "commit-unknown", "commit-lost", "too-many-connections":
			if lost++; lost == tries {
				return err
			}
			pause = pauseBefore(lost, lastPause)
		case "window-held", "target-held":
			held++
			pause = pauseBefore(held, 200*time.Millisecond)
			if time.Now().Add(pause).After(deadline) {
				return err
			}
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

// pauseBefore doubles with n up to longest, give or take a half.
func pauseBefore(n int, longest time.Duration) time.Duration {
	pause := min(firstPause<<min(n-1, 10), longest)
	return pause/2 + rand.N(pause)
}
