package run

import (
	"context"
	"maps"
	"os"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/stream"
)

// read is a batch that was chosen, fetched and parsed.
type read struct {
	*stream.Batch
	rel    engine.Relation
	poison []stream.Poison
	tmp    string // holds what the relation reads
}

func (b *read) close() { _ = os.RemoveAll(b.tmp) } // what stays is in the run's own folder

// ahead reads the batch that comes next while one is written. What it holds when it is stopped was in no manifest and is
// in no table: whoever goes on there reads it again.
type ahead struct {
	batches chan *read
	cancel  context.CancelFunc
	err     error // why there are no more batches; set before batches is closed
}

// readAhead begins to read where f stands.
func (r *Runner) readAhead(ctx context.Context, p *twice.Pipeline, f *flow) *ahead {
	a := &ahead{batches: make(chan *read)}
	ctx, a.cancel = context.WithCancel(ctx)
	at := maps.Clone(f.at)
	first := f.reset
	go func() {
		defer close(a.batches)
		for next := f.next(at); len(next) > 0 || first; next = f.next(at) {
			b, err := r.read(ctx, p, f, next)
			if err != nil {
				a.err = err
				return
			}
			select {
			case a.batches <- b:
			case <-ctx.Done():
				b.close()
				a.err = ctx.Err()
				return
			}
			for part, to := range b.Next() {
				pos := at[part]
				pos.Next = to
				at[part] = pos
			}
			first = false
		}
	}()
	return a
}

// next waits for the next batch; nil: there are no more.
func (a *ahead) next() (*read, error) {
	b, ok := <-a.batches
	if !ok {
		return nil, a.err
	}
	return b, nil
}

// stop ends the reading, and returns when it has ended.
func (a *ahead) stop() {
	a.cancel()
	for b := range a.batches {
		b.close()
	}
}

// read chooses, fetches and parses a batch.
func (r *Runner) read(ctx context.Context, p *twice.Pipeline, f *flow, next map[int32]int64) (*read, error) {
	tmp, err := os.MkdirTemp(r.Temp, "stream-*")
	if err != nil {
		return nil, err
	}
	b := &read{tmp: tmp}
	if b.Batch, err = r.fetch(ctx, f, next); err == nil {
		b.rel, b.poison, err = f.topic.Relation(ctx, b.Batch, tmp)
		if p.Dedupe == nil { // which keeps the bytes of records that are late
			b.Release()
		}
	}
	if err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

// fetch chooses the next batch. A run that should stop does not wait for more.
func (r *Runner) fetch(ctx context.Context, f *flow, next map[int32]int64) (*stream.Batch, error) {
	if r.stop != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(r.stop, cancel)()
	}
	return f.topic.Fetch(ctx, next, f.until)
}
