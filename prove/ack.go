package prove

import (
	"context"
	"errors"
	"fmt"

	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/ledger"
	"github.com/twice-data/twice/run"
)

// errLost stands for an answer that never came.
var errLost = errors.New("the connection was lost before the answer to COMMIT came")

// tryAck loses the answer to each commit of a run. The run asks the ledger and goes on; nothing may be written twice.
func tryAck(ctx context.Context, b *bench, t *trials) error {
	points, err := b.trace(ctx)
	if err != nil {
		return err
	}
	commits := 0
	for _, p := range points {
		if p.name == "commit" && p.side == "after" {
			commits++
		}
	}
	var ss []scenario
	for n := 1; n <= commits; n++ {
		for _, also := range []bool{false, true} {
			name := fmt.Sprintf("the answer to commit %d of %d is lost", n, commits)
			if also {
				name += ", and the answer to the commit after it"
			}
			ss = append(ss, scenario{name: name, steps: []string{"run a window; " + name, "the run goes on by itself"},
				play: func(ctx context.Context, b *bench) (*Break, error) { return lostAnswer(ctx, b, n, also) }})
		}
	}
	return t.all(ctx, ss)
}

func lostAnswer(ctx context.Context, b *bench, n int, also bool) (*Break, error) {
	from, err := b.outdated(ctx)
	if err != nil {
		return nil, err
	}
	seen := 0
	tap := func(p engine.Point) error {
		if p.Name != "commit" || !p.After {
			return nil
		}
		seen++
		if seen == n || also && seen == n+1 {
			return errLost
		}
		return nil
	}
	return b.onSitting(ctx, from, setup{tap: tap}, func(s *sitting) (*Break, error) {
		events, err := s.windows(ctx, run.Options{}, b.full())
		if err != nil {
			return nil, err
		}
		if bad := failure(events); bad != nil {
			return failed(bad), nil
		}
		if br, err := s.compared(ctx); err != nil || br != nil {
			return br, err
		}
		times, err := s.receipts(ctx, s.id())
		want := 1
		if b.isStream() {
			want = len(b.steps) // a receipt for each batch
		}
		if err == nil && times != want {
			return &Break{Inputs: -1, Found: fmt.Sprintf("%s committed in one run, instead of %d", counted(times, "window"), want)}, nil
		}
		return nil, err
	})
}

// receipts counts the receipts that a run left in the history.
func (s *sitting) receipts(ctx context.Context, runID string) (int, error) {
	ses, err := s.db.Session(ctx)
	if err != nil {
		return 0, err
	}
	defer ses.Close()
	rs, err := ledger.History(ctx, ses, s.b.p.Name, runID, 0)
	return len(rs), err
}
