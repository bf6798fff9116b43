package run

import (
	"context"
	"slices"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/ledger"
	"github.com/twice-data/twice/stream"
)

// drain reads a stream batch by batch up to the ends that the plan saw.
func (r *Runner) drain(ctx context.Context, st Step, slots chan struct{}, events func(Event)) {
	slots <- struct{}{}
	defer func() { <-slots }()
	f := st.flow
	fail := func(err error, began time.Time) {
		e := st.event()
		e.Status, e.Err, e.Took = twice.Failed, r.relative(twice.AsError(err)), time.Since(began)
		if e.Err.Blocked {
			e.Status = twice.Blocked
		}
		r.note(st.Pipeline, st.Window, e.Status)
		events(e)
	}
	began := time.Now()
	if err := r.retry(ctx, func() error { return r.start(ctx, st.Pipeline, f) }); err != nil {
		fail(err, began)
		return
	}
	ahead := r.readAhead(ctx, st.Pipeline, f)
	defer func() { ahead.stop() }()
	did := false
	for {
		began = time.Now()
		b, err := ahead.next()
		if b == nil && err == nil {
			break
		}
		if r.stopping(ctx) {
			if b != nil {
				b.close()
			}
			return // what is committed is committed; the next run goes on
		}
		var e Event
		if err == nil {
			e, err = r.slice(ctx, st, b)
			b.close()
		}
		if err != nil && twice.AsError(err).Code == "lease-lost" && !f.reset {
			ahead.stop() // what was read ahead begins where this process may no longer
			if err = r.reload(ctx, st.Pipeline, f); err == nil {
				ahead = r.readAhead(ctx, st.Pipeline, f)
				continue
			}
		}
		if err != nil {
			fail(err, began)
			return
		}
		f.reset, did = false, true
		e.Took = time.Since(began)
		events(e)
		if r.Monitor {
			f.topic.monitor(ctx, b.Next())
		}
	}
	if !did {
		e := st.event()
		e.Status = twice.Unchanged // others have read it in the meantime
		events(e)
	}
}

func (t *Topic) monitor(ctx context.Context, next map[int32]int64) {
	if t.member != nil {
		t.member.Monitor(ctx, next)
		return
	}
	if src, ok := t.source.(*stream.Source); ok {
		src.Monitor(ctx, next)
	}
}

// start makes the positions exist and keeps the accepted losses, in a transaction of its own before the first batch. A
// full refresh keeps its losses with its first batch.
func (r *Runner) start(ctx context.Context, p *twice.Pipeline, f *flow) error {
	s, err := r.DB.Session(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	return r.ledgerTx(ctx, s, func() error {
		if p.Dedupe != nil {
			if err := ledger.Remember(ctx, s); err != nil {
				return err
			}
		}
		if f.reset {
			return nil
		}
		at, err := ledger.Positions(ctx, s, p.Name)
		if err != nil {
			return err
		}
		open := slices.DeleteFunc(slices.Clone(f.losses), func(l ledger.Loss) bool {
			return at[l.Partition].Next == l.To && at[l.Partition].TopicID == l.TopicID // by a try whose answer was lost
		})
		if err := ledger.Accept(ctx, s, p.Name, open, r.ID); err != nil {
			return err
		}
		var missing []ledger.Position
		for _, pos := range f.positions() {
			if _, ok := at[pos.Partition]; !ok {
				missing = append(missing, pos)
			}
		}
		return ledger.Begin(ctx, s, p.Name, missing, r.ID)
	})
}

// reload takes the positions, and the receipt that came with them, from the ledger after somebody else has moved them.
func (r *Runner) reload(ctx context.Context, p *twice.Pipeline, f *flow) error {
	s, err := r.DB.Session(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if f.at, err = ledger.Positions(ctx, s, p.Name); err != nil {
		return err
	}
	rc, err := ledger.Find(ctx, s, p.Name, twice.Window{})
	if err == nil && rc != nil {
		r.mu.Lock()
		r.state.Put(rc)
		r.mu.Unlock()
	}
	return err
}
