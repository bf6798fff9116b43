package run

import (
	"context"
	"sync"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/stream"
)

// idle is after how long a run that follows looks for windows that have ended, also if its topics are silent.
const idle = time.Minute

// Follow runs the pipelines, and runs them again whenever a topic that one of them reads has more, until stop is done: a
// batch that is under way then is still committed. Batches are at least as far apart as the topic's batch_time. What
// fails ends it. On a shared target the process reads the partitions that its consumer group gives it. Before each run
// but the first, again is called, to set Now and ID.
func (r *Runner) Follow(stop context.Context, pipelines []*twice.Pipeline, again func()) (*Summary, error) {
	ctx := context.WithoutCancel(stop)
	r.stop = stop
	if err := r.join(pipelines); err != nil {
		return nil, err
	}
	total := &Summary{Counts: map[twice.Status]int{}}
	began := time.Now()
	defer func() { total.Took = time.Since(began) }()
	for {
		turn := time.Now()
		if !r.assigned(pipelines) {
			return total, nil
		}
		sum, err := r.Run(ctx, pipelines)
		if sum != nil {
			for status, n := range sum.Counts {
				if status != twice.Unchanged {
					total.Counts[status] += n
				}
			}
			total.Held = sum.Held
		}
		if err != nil || sum.Err() != nil {
			return total, err
		}
		r.Force, r.FullRefresh, r.Losses = false, false, nil
		if !r.await(turn, pipelines) {
			return total, nil
		}
		again()
	}
}

// join makes this process a member of its streams' groups, where others may write to the target or topic too.
func (r *Runner) join(pipelines []*twice.Pipeline) error {
	for _, p := range pipelines {
		if p.To != nil {
			if _, err := r.relayOf(p); err != nil {
				return err
			}
			continue
		}
		if p.Stream() == nil || !r.DB.Features().SharedTarget {
			continue
		}
		t, err := r.topicOf(p)
		if err == nil {
			if src, ok := t.source.(*stream.Source); ok {
				t.member, err = src.Join()
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// assigned waits until each group has told which partitions are this process's. It is false when the run should stop.
func (r *Runner) assigned(pipelines []*twice.Pipeline) bool {
	for _, p := range pipelines {
		t := r.topics[p.Name]
		if t == nil || t.member == nil {
			continue
		}
		select {
		case <-t.member.Assigned():
		case <-r.stop.Done():
		}
	}
	return r.stop.Err() == nil
}

// await waits until a topic has more and its batch time since the turn's beginning is over. It is false when the run
// should stop.
func (r *Runner) await(turn time.Time, pipelines []*twice.Pipeline) bool {
	ctx, cancel := context.WithTimeout(r.stop, idle)
	defer cancel()
	var wg sync.WaitGroup
	for _, p := range pipelines {
		t := r.topics[p.Name]
		if t == nil || t.flow == nil {
			continue
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			t.await(ctx)
			pace(ctx, time.Until(turn.Add(t.BatchTime())))
			cancel()
		}()
	}
	<-ctx.Done()
	wg.Wait()
	return r.stop.Err() == nil
}

// await returns when there may be something to read.
func (t *Topic) await(ctx context.Context) {
	var changed <-chan struct{}
	if t.member != nil {
		ctx2, cancel := context.WithCancel(ctx)
		defer cancel()
		changed = t.member.Changed()
		go func() {
			select {
			case <-changed:
				cancel()
			case <-ctx2.Done():
			}
		}()
		ctx = ctx2
	}
	at := map[int32]int64{}
	for part, pos := range t.flow.at {
		if t.reads(part) {
			at[part] = pos.Next
		}
	}
	if len(at) == 0 && t.member != nil { // nothing is this process's to read
		<-ctx.Done()
		return
	}
	for ctx.Err() == nil {
		if more, err := t.More(ctx, at); more || err != nil {
			return // an error is the next run's to tell
		}
	}
}

func (t *Topic) reads(part int32) bool { return t.member == nil || t.member.Reads(part) }

func pace(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// stopping says whether a run should end at the next place where nothing is half done.
func (r *Runner) stopping(ctx context.Context) bool {
	return ctx.Err() != nil || r.stop != nil && r.stop.Err() != nil
}
