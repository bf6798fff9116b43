package prove

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// scenario is one disturbance. play makes labs of the bench that it is given, disturbs them and compares; it must not
// depend on the bench that it was made for, so that a break can be played again on a smaller one.
type scenario struct {
	name  string // "killed before 12 delete"
	steps []string
	play  func(ctx context.Context, b *bench) (*Break, error)
}

// trials plays a law's scenarios, in one or more rounds, and counts them.
type trials struct {
	b   *bench
	law Law

	quota    int       // only so many scenarios, in all rounds; 0: no bound
	deadline time.Time // no scenario begins after it, but the first
	end      time.Time // and none at all after this
	place    int       // of the next scenario in the law's order
	played   int       // so many of that order have begun
	took     time.Duration
	err      error // why the law cannot be tried

	mu       sync.Mutex
	done     int
	also     int // trials of another law that this one looked at
	left     int
	notes    []string
	accounts []account
	caveat   string // what a law that holds does not say here
	broken   *Break
	by       scenario // what broke it: the first in the law's order that did
	at       int      // its place in that order
}

// round goes on where the last round ended.
func (t *trials) round(ctx context.Context, quota int, deadline time.Time) {
	began := time.Now()
	t.quota, t.deadline, t.place, t.left = quota, deadline, 0, 0
	t.err = t.law.try(ctx, t.b, t)
	t.took += time.Since(began)
}

// open says whether another round can tell more.
func (t *trials) open() bool { return t.broken == nil && t.err == nil && t.left > 0 }

// verdict is what the rounds came to.
func (t *trials) verdict(ctx context.Context) Verdict {
	v := Verdict{Pipeline: t.b.p.Name, Law: t.law, Trials: t.done + t.also, Left: t.left, Notes: t.notes, Accounts: t.settled(), Took: t.took}
	switch {
	case t.broken != nil:
		began := time.Now()
		v.Outcome, v.Break = Broken, t.b.shrink(ctx, t)
		t.b.explain(ctx, t.law.Name, v.Break)
		v.Reason = v.Break.Reason()
		v.Took += time.Since(began)
	case t.err != nil:
		v.Outcome, v.Reason = Untried, "it could not be tried: "+t.err.Error()
	case v.Trials == 0 && v.Left == 0:
		v.Outcome, v.Reason = NotApplicable, "there is nothing of it to try"
	case v.Trials == 0:
		v.Outcome, v.Reason = Untried, "the time was over"
	default:
		v.Outcome, v.Reason = Holds, t.caveat
		if v.Left > 0 {
			if v.Reason != "" {
				v.Reason += "; "
			}
			v.Reason += fmt.Sprintf("%d more trials did not fit into the time", v.Left)
		}
	}
	return v
}

// over says whether no further scenario may begin. One of each law does, for as long as there is any time.
func (t *trials) over() bool {
	deadline := t.deadline
	if t.played == 0 {
		deadline = t.end
	}
	return !deadline.IsZero() && time.Now().After(deadline)
}

// note keeps something seen on the way, once.
func (t *trials) note(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.notes {
		if n == text {
			return
		}
	}
	t.notes = append(t.notes, text)
}

// all plays scenarios, several at a time, until one breaks the law, one cannot be played or the time is over.
func (t *trials) all(ctx context.Context, ss []scenario) error {
	if t.broken != nil {
		return nil
	}
	first := t.place
	t.place += len(ss)
	next := make(chan int)
	var wg sync.WaitGroup
	var failed error
	for range min(t.b.Workers, len(ss)) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range next {
				if err := t.one(ctx, first+i, ss[i]); err != nil {
					t.mu.Lock()
					failed = err
					t.mu.Unlock()
				}
			}
		}()
	}
	stopped := func() bool {
		t.mu.Lock()
		defer t.mu.Unlock()
		return t.broken != nil || failed != nil
	}
	for i := max(t.played-first, 0); i < len(ss); i++ {
		if t.quota > 0 && first+i >= t.quota || t.over() || ctx.Err() != nil {
			t.left += len(ss) - i
			break
		}
		if stopped() {
			break
		}
		t.played = first + i + 1
		next <- i
	}
	close(next)
	wg.Wait()
	return failed
}

func (t *trials) one(ctx context.Context, i int, s scenario) error {
	br, err := s.play(ctx, t.b)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		return err
	}
	t.done++
	if t.b.Progress != nil {
		t.b.Progress(t.b.p.Name, t.law.Name, t.done)
	}
	if br != nil && (t.broken == nil || i < t.at) {
		t.broken, t.by, t.at = br.from(s, t.b), s, i
	}
	return nil
}
