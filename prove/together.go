package prove

import (
	"context"
	"fmt"
	"sync"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/run"
)

// mostPauses is how many points a run is paused at where another process cannot even open the target.
const mostPauses = 6

// tryOverlap pauses a run at points of its trace, lets another one of the same window run to its end, and wakes it.
func tryOverlap(ctx context.Context, b *bench, t *trials) error {
	points, err := b.trace(ctx)
	if err != nil {
		return err
	}
	var at []point
	for _, p := range points {
		if p.side == "before" {
			at = append(at, p)
		}
	}
	shared, err := b.shared(ctx)
	if err != nil {
		return err
	}
	if !shared {
		t.note("the target belongs to one process at a time: the second one ends with exit code 3 and touches nothing")
		for len(at) > mostPauses {
			var fewer []point
			for i := 0; i < len(at); i += 2 {
				fewer = append(fewer, at[i])
			}
			at = fewer
		}
	}
	var ss []scenario
	for _, p := range at {
		name := "paused " + p.String()
		ss = append(ss, scenario{
			name:  name,
			steps: []string{"run a window and pause it " + p.String(), "run the same window in another process", "wake the first"},
			play:  func(ctx context.Context, b *bench) (*Break, error) { return overlapped(ctx, b, p, nil) },
		})
	}
	for n := range 4 {
		ss = append(ss, scenario{name: fmt.Sprintf("side by side, %d", n+1), steps: []string{"start two runs of the same window in one process"},
			play: sideBySide})
	}
	return t.all(ctx, ss)
}

// shared says whether several processes can have the target open.
func (b *bench) shared(ctx context.Context) (bool, error) {
	s, err := b.base.sit(ctx, setup{})
	if err != nil {
		return false, err
	}
	defer s.close()
	return s.db.Features().SharedTarget, nil
}

// overlapped runs a second process while the first is paused. extra are flags of the second.
func overlapped(ctx context.Context, b *bench, p point, extra []string) (*Break, error) {
	from, err := b.outdated(ctx)
	if err != nil {
		return nil, err
	}
	return b.onLab(ctx, from, func(l *lab) (*Break, error) {
		first := l.child(ctx, b.full(), []string{"--lease", "1s"}, map[string]string{"TWICE_STOP_AT": p.where()})
		if _, err := first.stopped(); err != nil {
			return nil, err
		}
		second := l.child(ctx, b.full(), append([]string{"--force"}, extra...), nil)
		errSecond := second.wait()
		first.wake()
		errFirst := first.wait()
		for _, e := range []*twice.Error{errFirst, errSecond} {
			if e != nil && e.Exit != twice.ExitHeld {
				return failed(e), nil
			}
		}
		if errFirst == nil || errSecond == nil {
			if br, err := l.compared(ctx); err != nil || br != nil {
				return pausedAt(br, p), err
			}
		}
		br, err := l.recovered(ctx, "paused "+p.String())
		return br, err
	})
}

func pausedAt(br *Break, p point) *Break {
	if br != nil {
		br.Point = "paused " + p.String()
	}
	return br
}

// sideBySide starts two runs of one window at the same moment, in one process.
func sideBySide(ctx context.Context, b *bench) (*Break, error) {
	from, err := b.outdated(ctx)
	if err != nil {
		return nil, err
	}
	return b.onSitting(ctx, from, setup{}, func(s *sitting) (*Break, error) {
		var wg sync.WaitGroup
		start := make(chan struct{})
		var mu sync.Mutex
		var bad *twice.Error
		var broken error
		for n := range 2 {
			other := &sitting{lab: s.lab, setup: s.setup, db: s.db, n: 100 * n}
			wg.Add(1)
			go func() {
				defer wg.Done()
				<-start
				events, err := other.windows(ctx, run.Options{Force: true}, b.full())
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					broken = err
				}
				if e := failure(events); e != nil && !lostRace(e) {
					bad = e
				}
			}()
		}
		close(start)
		wg.Wait()
		if broken != nil || bad != nil {
			return failed(bad), broken
		}
		return s.together(ctx, run.Options{})
	})
}

// lostRace says whether a run ended as one does that another one was faster than: nothing of it was written.
func lostRace(e *twice.Error) bool {
	return e.Exit == twice.ExitHeld || e.Code == "serialization"
}

// tryZombie pauses a run that holds its lease, lets another one replace it, and wakes it: it must not commit.
func tryZombie(ctx context.Context, b *bench, t *trials) error {
	points, err := b.trace(ctx)
	if err != nil {
		return err
	}
	shared, err := b.shared(ctx)
	if err != nil {
		return err
	}
	var ss []scenario
	for _, p := range betweenTransactions(points) {
		if p.name == "begin" && !shared {
			continue // inside one process the turn to write has been taken by then, and the other run would wait for it
		}
		s := scenario{
			name: "paused " + p.String(),
			steps: []string{"run a window by an older version of the SELECT, and pause it " + p.String() + ", while it holds the lease",
				"run the window to its end", "wake the paused run"},
			play: func(ctx context.Context, b *bench) (*Break, error) { return zombie(ctx, b, p) },
		}
		if shared {
			s.steps[0] = "run a window with --lease 1s and stop the process (SIGSTOP) " + p.String()
			s.play = func(ctx context.Context, b *bench) (*Break, error) {
				return overlapped(ctx, b, p, []string{"--wait", "20s"})
			}
		}
		ss = append(ss, s)
	}
	return t.all(ctx, ss)
}

// betweenTransactions lists the points at which a run holds the lease and is in no transaction.
func betweenTransactions(points []point) []point {
	var between []point
	leased, inside := false, false
	for _, p := range points {
		switch {
		case p.name == "commit" && p.side == "after":
			inside = false
			leased = true
		case p.name == "begin" && p.side == "after":
			inside = true
		}
		if leased && !inside && p.side == "before" {
			between = append(between, p)
		}
		if p.name == "receipt" {
			break
		}
	}
	return between
}

// zombie pauses a goroutine where a process would be stopped. The paused one writes by an older version of the SELECT, so
// that a commit of it would show.
func zombie(ctx context.Context, b *bench, p point) (*Break, error) {
	from, err := b.outdated(ctx)
	if err != nil {
		return nil, err
	}
	paused, awake := make(chan struct{}), make(chan struct{})
	var once sync.Once
	first := true
	n := 0
	tap := func(at engine.Point) error {
		if at.After || !first {
			return nil
		}
		if n++; at.Name == p.name && at.N >= p.n {
			once.Do(func() {
				first = false
				close(paused)
				<-awake
			})
		}
		return nil
	}
	return b.onSitting(ctx, from, setup{tap: tap}, func(s *sitting) (*Break, error) {
		asleep := &sitting{lab: s.lab, setup: setup{pipeline: b.older}, db: s.db, n: 100}
		done := make(chan error, 1)
		go func() {
			_, err := asleep.windows(ctx, run.Options{Force: true}, b.full())
			done <- err
		}()
		select {
		case <-paused:
		case err := <-done:
			return nil, err // it never got there
		}
		bad, err := s.each(ctx, run.Options{Force: true}, []twice.Window{b.full()})
		close(awake)
		if late := <-done; err == nil {
			err = late
		}
		if err != nil || bad != nil {
			return failed(bad), err
		}
		br, err := s.compared(ctx)
		if err == nil && br == nil && b.isStream() { // a merge may hide what was written twice
			var n int
			if n, err = s.receipts(ctx, asleep.id()); n > 0 {
				br = &Break{Inputs: -1, Found: fmt.Sprintf("the run that was replaced has committed %s", counted(n, "receipt"))}
			}
		}
		return pausedAt(br, p), err
	})
}

// tryReader reads the table at every point of a run that changes it.
func tryReader(ctx context.Context, b *bench, t *trials) error {
	return t.all(ctx, []scenario{{
		name: "reader", steps: []string{"run a window", "read the table from another session at each of its statements"},
		play: func(ctx context.Context, b *bench) (*Break, error) { return readAlong(ctx, b, t) },
	}})
}

func readAlong(ctx context.Context, b *bench, t *trials) (*Break, error) {
	from, err := b.outdated(ctx)
	if err != nil {
		return nil, err
	}
	var before *state
	var seen *Break
	var s *sitting
	reading, reads := true, 0
	tap := func(p engine.Point) error {
		if reading || seen != nil {
			return nil
		}
		reading = true
		defer func() { reading = false }()
		now, err := s.look(ctx)
		reads++
		place := fmt.Sprintf("read %s", p)
		switch {
		case err != nil:
			seen = &Break{Inputs: -1, Point: place, Err: twice.AsError(err)}
		case !now.equal(before) && !b.between(now):
			seen = &Break{Inputs: -1, Point: place, Found: fmt.Sprintf("the reader sees %s, which are neither the %d before nor the %d after",
				counted(int(now.Table.Rows), "row"), before.Table.Rows, b.clean.Table.Rows)}
		}
		return nil
	}
	br, err := b.onSitting(ctx, from, setup{tap: tap}, func(sat *sitting) (*Break, error) {
		s = sat
		var err error
		if before, err = s.look(ctx); err != nil {
			return nil, err
		}
		reading = false
		events, err := s.windows(ctx, run.Options{}, b.full())
		reading = true
		if err != nil {
			return nil, err
		}
		if seen != nil {
			return seen, nil
		}
		if bad := failure(events); bad != nil {
			return failed(bad), nil
		}
		return s.compared(ctx)
	})
	t.mu.Lock()
	t.done += max(reads-1, 0)
	t.mu.Unlock()
	return br, err
}

// look is the table's state as a reader sees it now.
func (s *sitting) look(ctx context.Context) (*state, error) {
	ses, err := s.db.Session(ctx)
	if err != nil {
		return nil, err
	}
	defer ses.Close()
	return s.fingerprints(ctx, ses)
}
