package prove

import (
	"context"
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

// trials plays a law's scenarios and counts them.
type trials struct {
	b        *bench
	law      Law
	deadline time.Time

	mu     sync.Mutex
	done   int
	left   int
	notes  []string
	broken *Break
	by     scenario // what broke it: the first in the law's order that did
	at     int      // its place in that order
}

func (t *trials) over() bool { return !t.deadline.IsZero() && time.Now().After(t.deadline) }

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
	next := make(chan int)
	var wg sync.WaitGroup
	var failed error
	for range min(t.b.Workers, len(ss)) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range next {
				if err := t.one(ctx, i, ss[i]); err != nil {
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
	for i := range ss {
		if t.over() || ctx.Err() != nil {
			t.left += len(ss) - i
			break
		}
		if stopped() {
			break
		}
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
