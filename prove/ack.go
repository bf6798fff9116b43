package prove

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/engine/postgres/wire"
	"github.com/twice-data/twice/ledger"
	"github.com/twice-data/twice/project"
	"github.com/twice-data/twice/run"
)

// errLost stands for an answer that never came.
var errLost = errors.New("the connection was lost before the answer to COMMIT came")

// loss is which answers of a run are lost.
type loss struct {
	window twice.Window
	commit int // the first, counted from 1
	times  int // so many in a row
}

// hits says whether the answer to the n-th commit is one of them.
func (o loss) hits(n int) bool { return n >= o.commit && n < o.commit+o.times }

// tryAck loses the answers to commits of a run: the one of the data in each window first, then every other one. The run
// asks the ledger and goes on; nothing may be written twice. On PostgreSQL the answers are lost on the wire.
func tryAck(ctx context.Context, b *bench, t *trials) error {
	points, err := b.trace(ctx)
	if err != nil {
		return err
	}
	play := lostInside
	if b.Target.Engine == "postgres" {
		if why := b.unreachable(ctx); why != nil {
			t.caveat = "each commit was answered with an error inside twice, as no proxy could lose the answer on the wire: " + firstLine(why.Error())
		} else {
			play = lostOnWire
			t.note("answers are lost on the wire: a proxy cuts the session after the server has committed")
		}
	}
	var ss []scenario
	for _, o := range losses(points, b) {
		name := fmt.Sprintf("the answer to commit %d is lost", o.commit)
		if o.times > 1 {
			name += ", and the answer to the commit after it"
		}
		ss = append(ss, scenario{name: name, steps: []string{"run a window; " + name, "the run goes on by itself"},
			play: func(ctx context.Context, b *bench) (*Break, error) {
				if !slices.Contains(b.windows, o.window) {
					o.window = b.full() // of a smaller bench
				}
				return b.onWaiting(ctx, o.window, func(l *lab) (*Break, error) { return play(ctx, l, o) })
			}})
	}
	return t.all(ctx, ss)
}

// losses lists what is tried, each once and with the commit after it.
func losses(points []point, b *bench) []loss {
	commits, data := 0, 0
	for _, p := range points {
		switch {
		case p.side != "after":
		case p.name == "receipt":
			data = commits + 1
		case p.name == "commit":
			commits++
		}
	}
	var os []loss
	add := func(w twice.Window, n int) { os = append(os, loss{w, n, 1}, loss{w, n, 2}) }
	full := b.full()
	if data > 0 {
		add(full, data)
		for _, w := range b.windows {
			if w != full {
				add(w, data)
			}
		}
	}
	for n := 1; n <= commits; n++ {
		if n != data {
			add(full, n)
		}
	}
	return os
}

// errEncrypted says why a proxy may not stand in between.
var errEncrypted = errors.New("the connection is encrypted")

// unreachable is why no proxy can stand between a process and its target; nil: one can. What is encrypted otherwise is not
// sent in the clear for its sake.
func (b *bench) unreachable(ctx context.Context) error {
	direct := b.base.target
	p, err := wire.Listen(direct.URL)
	if err != nil {
		return err
	}
	defer p.Close()
	through := direct
	if through.URL, err = p.Through(direct.URL); err != nil {
		return err
	}
	for _, t := range []project.Target{direct, through} {
		encrypted, err := b.encrypted(ctx, t)
		if err == nil && encrypted {
			err = errEncrypted
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// encrypted says whether connections to a PostgreSQL target are.
func (b *bench) encrypted(ctx context.Context, t project.Target) (yes bool, err error) {
	d, err := b.Open(ctx, t)
	if err != nil {
		return false, err
	}
	db := engine.Open(d, nil)
	defer db.Close()
	s, err := db.Session(ctx)
	if err != nil {
		return false, err
	}
	defer s.Close()
	err = s.Row(ctx, "encrypted", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &yes)
	return yes, err
}

// lostOnWire runs a child through a proxy that swallows the answers and cuts the connection.
func lostOnWire(ctx context.Context, l *lab, o loss) (*Break, error) {
	s, err := l.sit(ctx, setup{})
	if err != nil {
		return nil, err
	}
	defer s.close()
	before, err := s.receipts(ctx, "")
	if err != nil {
		return nil, err
	}
	p, err := wire.Listen(l.target.URL)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	through := *l
	if through.target.URL, err = p.Through(l.target.URL); err != nil {
		return nil, err
	}
	p.Arm(wire.Cut{Kind: wire.Reply, Text: "COMMIT", N: o.commit, Times: o.times})
	if bad := through.child(ctx, o.window, nil, nil).wait(); bad != nil {
		return failed(bad), nil
	}
	if p.Fired() == 0 {
		return nil, fmt.Errorf("the run of %s has no commit %d whose answer could be lost", o.window, o.commit)
	}
	return s.committedOnce(ctx, before)
}

// lostInside runs a window in this process and puts an error in the place of the answers.
func lostInside(ctx context.Context, l *lab, o loss) (*Break, error) {
	seen := 0
	tap := func(p engine.Point) error {
		if p.Name != "commit" || !p.After {
			return nil
		}
		if seen++; o.hits(seen) {
			return errLost
		}
		return nil
	}
	s, err := l.sit(ctx, setup{tap: tap})
	if err != nil {
		return nil, err
	}
	defer s.abandon(context.WithoutCancel(ctx))
	before, err := s.receipts(ctx, "")
	if err != nil {
		return nil, err
	}
	events, err := s.windows(ctx, run.Options{}, o.window)
	if err != nil {
		return nil, err
	}
	if bad := failure(events); bad != nil {
		return failed(bad), nil
	}
	return s.committedOnce(ctx, before)
}

// committedOnce compares, and counts the receipts that were added: one for the window, or for each batch of a stream.
func (s *sitting) committedOnce(ctx context.Context, before int) (*Break, error) {
	if br, err := s.compared(ctx); err != nil || br != nil {
		return br, err
	}
	want := 1
	if s.b.isStream() {
		want = len(s.b.steps)
	}
	times, err := s.receipts(ctx, "")
	if err == nil && times-before != want {
		return &Break{Inputs: -1, Found: fmt.Sprintf("%s committed in one run, instead of %d", counted(times-before, "window"), want)}, nil
	}
	return nil, err
}

// receipts counts the receipts that a run left in the history of the bench's pipeline, or all runs without an id.
func (s *sitting) receipts(ctx context.Context, runID string) (int, error) {
	ses, err := s.db.Session(ctx)
	if err != nil {
		return 0, err
	}
	defer ses.Close()
	if ok, err := ledger.Exists(ctx, ses); err != nil || !ok {
		return 0, err
	}
	rs, err := ledger.History(ctx, ses, s.b.p.Name, runID, 0)
	return len(rs), err
}
