package run

import (
	"context"
	"fmt"
	"slices"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/ledger"
	"github.com/twice-data/twice/stream"
)

// slice writes one batch: its manifest first, and then rows, quarantine, positions and receipt in one transaction.
func (r *Runner) slice(ctx context.Context, st Step, b *read) (Event, error) {
	e := st.event()
	f := st.flow
	if err := f.poisoned(st.Pipeline, b.poison); err != nil {
		return e, err
	}
	st.Manifest = twice.Manifest{Inputs: []twice.Pin{{Name: f.in.Name, Kind: f.in.Kind(), Offsets: b.Spans, Schemas: b.Schemas}}}
	w := &slicing{Runner: r, st: st, flow: f, batch: b}
	if err := r.retry(ctx, func() error { return w.try(ctx) }); err != nil {
		return e, err
	}
	for part, to := range b.Next() {
		at := f.at[part]
		at.Next, at.Epoch = to, b.Epoch(part)
		f.at[part] = at
	}
	r.mu.Lock()
	r.state.Put(w.receipt)
	r.mu.Unlock()
	e.Status, e.Rows, e.Changed, e.Fingerprint = twice.Committed, w.receipt.Fingerprint.Rows, w.receipt.Changed, w.receipt.Fingerprint
	e.Warnings, e.Offsets, e.Poison = w.warnings, b.Spans, len(b.poison)
	if w.dedupe != nil {
		e.Late, e.Repeated = len(w.dedupe.late), w.dedupe.repeated
	}
	return e, nil
}

// poisoned is an error where a record that does not parse is one.
func (f *flow) poisoned(p *twice.Pipeline, poison []stream.Poison) error {
	if len(poison) == 0 || f.in.Records().OnError != "fail" {
		return nil
	}
	first := poison[0]
	const shown = 200
	text := fmt.Sprintf("%q", first.Bytes[:min(shown, len(first.Bytes))])
	more := ""
	if n := len(poison) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more in this batch)", n)
	}
	return twice.Errorf("poison-record", "the record at offset %d of partition %d of %s does not parse: %s%s: %s",
		first.Offset, first.Partition, f.in.Records().Topic, first.Why, more, text).At(p.File, f.in.Line).
		WithNext("on_error: quarantine keeps such records in twice.quarantine and goes on; on_error: skip goes on without them")
}

// slicing is one batch on its way into the target.
type slicing struct {
	*Runner
	st     Step
	flow   *flow
	batch  *read
	dedupe *deduping // nil: the table's unique_key tells what was sent again

	receipt  *twice.Receipt
	warnings []engine.Violation
}

// try writes the batch, unless a try whose answer was lost already has.
func (w *slicing) try(ctx context.Context) error {
	s, err := w.DB.Session(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if done, err := w.done(ctx, s); done || err != nil {
		return err
	}
	p := w.st.Pipeline
	if err := w.ledgerTx(ctx, s, func() error {
		return ledger.Record(ctx, s, w.ID, p.Name, []twice.Window{w.st.Window}, w.st.Manifest)
	}); err != nil {
		return err
	}
	job, err := w.job(ctx, s)
	if err != nil {
		return err
	}
	o, err := s.Write(ctx, job)
	if err != nil {
		return err
	}
	w.warnings, w.flow.repeats = o.Warnings, o.Repeats
	done, err := w.done(ctx, s)
	if err == nil && !done {
		err = twice.Errorf("commit-lost", "the engine answered COMMIT without an error, but the offsets are where they were").
			WithNext("run again; if it happens again, look at the target's own log")
	}
	return err
}

// done says whether this run has moved the positions to the batch's end, and then reads the receipt.
func (w *slicing) done(ctx context.Context, s *engine.Session) (bool, error) {
	at, err := ledger.Positions(ctx, s, w.st.Pipeline.Name)
	if err != nil {
		return false, err
	}
	if len(w.batch.Spans) == 0 {
		r, err := ledger.Find(ctx, s, w.st.Pipeline.Name, w.st.Window)
		w.receipt = r
		return err == nil && r != nil && r.Run == w.ID && r.Manifest == w.st.Manifest.Digest(), err
	}
	for _, sp := range w.batch.Spans {
		if pos := at[sp.Partition]; pos.Next != sp.To || pos.Run != w.ID {
			return false, nil
		}
	}
	if w.receipt, err = ledger.Find(ctx, s, w.st.Pipeline.Name, w.st.Window); err == nil && w.receipt == nil {
		err = fmt.Errorf("the ledger has offsets of %s and no receipt", w.st.Pipeline.Name)
	}
	return err == nil, err
}

func (w *slicing) job(ctx context.Context, s *engine.Session) (*engine.Job, error) {
	p := *w.st.Pipeline
	before, err := s.DB().Columns(ctx, s, p.Table)
	if err != nil {
		return nil, err
	}
	job := &engine.Job{
		Pipeline: &p, Windows: []twice.Window{w.st.Window}, Relations: []engine.Relation{w.batch.rel}, Reset: w.flow.reset,
		Final: true, Repeats: w.flow.repeats,
	}
	job.Fence = func(ctx context.Context, s *engine.Session) error {
		if err := ledger.Turn(ctx, s, &p); err != nil {
			return err
		}
		if len(before) == 0 {
			now, err := s.DB().Columns(ctx, s, p.Table)
			if err != nil {
				return err
			}
			if len(now) > 0 {
				return twice.Errorf("serialization", "another process made the table %s at the same moment", p.Table)
			}
		}
		if w.flow.reset {
			if err := w.rewind(ctx, s, &p); err != nil {
				return err
			}
		}
		return ledger.Advance(ctx, s, p.Name, w.batch.Spans, w.batch.Epoch, w.ID)
	}
	w.deduped(job)
	total, err := ledger.TotalOf(ctx, s, p.Table)
	if err != nil {
		return nil, err
	}
	if total != nil {
		job.Known = total.Columns
	}
	job.Receipt = func(ctx context.Context, s *engine.Session, o *engine.Outcome) error {
		if w.flow.in.Records().OnError == "quarantine" && len(w.rejected()) > 0 {
			rejects := make([]ledger.Reject, 0, len(w.rejected()))
			for _, p := range w.rejected() {
				rejects = append(rejects, ledger.Reject(p))
			}
			if err := ledger.Quarantine(ctx, s, p.Name, w.flow.in.Records().Topic, rejects, w.ID); err != nil {
				return err
			}
		}
		return w.receipts(ctx, s, w.st.Pipeline, []Step{w.st}, nil, o)
	}
	return job, nil
}

// rejected lists the records that do not become rows, but for those that were sent again.
func (w *slicing) rejected() []stream.Poison {
	if w.dedupe == nil {
		return w.batch.poison
	}
	return slices.Concat(w.batch.poison, w.dedupe.late)
}

// rewind begins a full refresh: in the transaction of its first batch.
func (w *slicing) rewind(ctx context.Context, s *engine.Session, p *twice.Pipeline) error {
	if err := ledger.Forget(ctx, s, p.Name); err != nil {
		return err
	}
	if err := ledger.Keep(ctx, s, p.Name, w.flow.losses, w.ID); err != nil {
		return err
	}
	return ledger.Rewind(ctx, s, p.Name, w.flow.positions(), w.ID)
}
