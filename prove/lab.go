package prove

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/project"
	"github.com/twice-data/twice/run"
)

// lab is one scratch target with the scratch project that fills it.
type lab struct {
	b      *bench
	folder string // the project's
	own    bool   // folder is this lab's alone, and goes with it
	target project.Target
	temp   string // for temporary files of its processes
	rows   int    // of a batch of a stream; 0: as its input says
}

func (b *bench) newLab(ctx context.Context, folder string) (*lab, error) {
	t, err := b.targets.empty(ctx, b.name())
	if err != nil {
		return nil, err
	}
	return b.lab(t, folder)
}

func (b *bench) lab(t project.Target, folder string) (*lab, error) {
	l := &lab{b: b, folder: folder, target: t, temp: filepath.Join(b.root, "temp-"+b.name())}
	return l, os.MkdirAll(l.temp, 0o755)
}

// clone is a lab of its own in l's present state. Nobody may have l open.
func (l *lab) clone(ctx context.Context) (*lab, error) {
	t, err := l.b.targets.clone(ctx, l.target, l.b.name())
	if err != nil {
		return nil, err
	}
	other, err := l.b.lab(t, l.folder)
	if err == nil {
		other.rows = l.rows
	}
	return other, err
}

func (l *lab) drop(ctx context.Context) {
	l.b.targets.drop(ctx, l.target)
	os.RemoveAll(l.temp)
	if l.own {
		os.RemoveAll(l.folder)
	}
}

// setup is how a lab is opened in this process. The zero value is as every run opens it.
type setup struct {
	tap      engine.Tap
	wrap     func(engine.Driver) engine.Driver
	pipeline func(twice.Pipeline) *twice.Pipeline // another version of p
	rows     int                                  // of a batch of a stream; 0: as the lab says
}

// sitting is a lab that this process has open.
type sitting struct {
	*lab
	setup
	db    *engine.DB
	n     int
	after func(run.Event) // called as a window, or a batch of a stream, has ended; may be nil
}

func (l *lab) sit(ctx context.Context, how setup) (*sitting, error) {
	d, err := l.b.Open(ctx, l.target)
	if err != nil {
		return nil, err
	}
	if how.wrap != nil {
		d = how.wrap(d)
	}
	return &sitting{lab: l, setup: how, db: engine.Open(d, how.tap)}, nil
}

func (s *sitting) close() { s.db.Close() }

// abandon closes a lab that nobody opens again, without writing out what the target would keep for then.
func (s *sitting) abandon(ctx context.Context) {
	if s.target.Engine == "duckdb" {
		if ses, err := s.db.Session(ctx); err == nil {
			_, _ = ses.Exec(ctx, "abandon", "PRAGMA disable_checkpoint_on_shutdown") // closing just takes longer without it
			ses.Close()
		}
	}
	s.close()
}

// id names the sitting's last run in the ledger.
func (s *sitting) id() string { return fmt.Sprintf("prove-%s-%d", filepath.Base(s.temp), s.n) }

// runner is a run of its own on the sitting's target.
func (s *sitting) runner(o run.Options) *run.Runner {
	s.n++
	r := &run.Runner{
		DB: s.db, Project: s.b.family, Dir: s.folder, Env: s.b.Env, Me: s.b.Me, Command: "twice prove", Version: s.b.Version,
		ID: s.id(), Temp: s.temp, Options: o,
	}
	r.Captures = Replay(s.b.captures(), s.b.Take)
	r.Copies = run.Copies{Dir: filepath.Join(s.folder, streamsFolder), Rows: s.rowsOf()}
	if r.Now.IsZero() {
		r.Now = s.b.Now
	}
	r.Jobs = 1
	return r
}

// run runs pipelines over the windows that the bench needs of them, those of o.Only among them.
func (s *sitting) run(ctx context.Context, o run.Options, ps ...*twice.Pipeline) ([]run.Event, error) {
	needed := map[string]bool{}
	for name, ws := range s.b.need {
		for _, w := range ws {
			needed[name+w.Key()] = true
		}
	}
	only := o.Only
	o.Only = func(p *twice.Pipeline, w twice.Window) bool {
		return needed[p.Name+w.Key()] && (only == nil || only(p, w))
	}
	var events []run.Event
	if len(ps) == 0 {
		return nil, nil
	}
	for i, p := range ps {
		if p == s.b.p && s.pipeline != nil {
			ps[i] = s.pipeline(*p)
		}
	}
	r := s.runner(o)
	defer r.Close()
	r.On = func(e run.Event) {
		events = append(events, e)
		if s.after != nil {
			s.after(e)
		}
	}
	_, err := r.Run(ctx, ps)
	return events, err
}

// windows runs the bench's pipeline over some of its windows, in one run.
func (s *sitting) windows(ctx context.Context, o run.Options, ws ...twice.Window) ([]run.Event, error) {
	keys := map[string]bool{}
	for _, w := range ws {
		keys[w.Key()] = true
	}
	o.Only = func(_ *twice.Pipeline, w twice.Window) bool { return keys[w.Key()] }
	return s.run(ctx, o, s.b.p)
}

// each runs the windows one by one and stops at the first that does not commit.
func (s *sitting) each(ctx context.Context, o run.Options, ws []twice.Window) (*twice.Error, error) {
	for _, w := range ws {
		events, err := s.windows(ctx, o, w)
		if err != nil {
			return nil, err
		}
		if bad := failure(events); bad != nil {
			return bad, nil
		}
	}
	return nil, nil
}

// failure is why the first window of a run that is neither committed nor up to date is not; nil: there is none.
func failure(events []run.Event) *twice.Error {
	for _, e := range events {
		switch e.Status {
		case twice.Committed, twice.Unchanged:
		default:
			err := e.Err
			if err == nil {
				err = twice.Errorf(string(e.Status), "window %s of %s ended %s", e.Window, e.Pipeline.Name, e.Status)
			}
			return err
		}
	}
	return nil
}

// onLab plays f on a new copy of from and throws the copy away.
func (b *bench) onLab(ctx context.Context, from *lab, f func(*lab) (*Break, error)) (*Break, error) {
	l, err := from.clone(ctx)
	if err != nil {
		return nil, err
	}
	defer l.drop(context.WithoutCancel(ctx))
	return f(l)
}

// onSitting is onLab with the copy opened in this process.
func (b *bench) onSitting(ctx context.Context, from *lab, how setup, f func(*sitting) (*Break, error)) (*Break, error) {
	return b.onLab(ctx, from, func(l *lab) (*Break, error) {
		s, err := l.sit(ctx, how)
		if err != nil {
			return nil, err
		}
		defer s.abandon(context.WithoutCancel(ctx))
		return f(s)
	})
}
