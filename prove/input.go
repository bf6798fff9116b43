package prove

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/run"
)

// onInputs plays f on a lab with an own copy of the inputs, in which nothing has been run, or on one in which everything
// has when from is given.
func (b *bench) onInputs(ctx context.Context, from *lab, how setup, f func(*sitting) (*Break, error)) (*Break, error) {
	var l *lab
	var err error
	if from == nil {
		if l, err = b.newLab(ctx, b.folder); err == nil {
			err = b.borrow(ctx, l)
		}
	} else {
		l, err = from.clone(ctx)
	}
	if err != nil {
		return nil, err
	}
	defer l.drop(context.WithoutCancel(ctx))
	if err := l.ownFolder(); err != nil {
		return nil, err
	}
	s, err := l.sit(ctx, how)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return f(s)
}

// upstreams runs what p reads.
func (s *sitting) upstreams(ctx context.Context) error {
	ps := slices.Clone(s.b.family[:len(s.b.family)-1])
	_, err := s.run(ctx, run.Options{}, ps...)
	return err
}

// all runs the family and says how p ended; an upstream that fails makes p skip its windows.
func (s *sitting) all(ctx context.Context, o run.Options) (*twice.Error, error) {
	events, err := s.run(ctx, o, slices.Clone(s.b.family)...)
	if err != nil {
		return nil, err
	}
	if bad := failure(events); bad != nil {
		return bad, nil
	}
	return nil, nil
}

// keyed says why doubled input may rightly double rows.
func keyed(b *bench) string {
	if why := unwritable(b); why != "" {
		return why
	}
	if b.p.Write == twice.Merge {
		return ""
	}
	for _, c := range b.p.Checks {
		if c.Unique != nil && !c.Warn {
			return ""
		}
	}
	return fmt.Sprintf("%s has no key here: two equal input rows may be two facts", b.p.Write)
}

// documented says whether a run refused input rather than guess, with an error that names what to do about it.
func documented(e *twice.Error) bool {
	switch e.Code {
	case "internal", "connection-lost", "commit-unknown", "commit-lost", "disk-full", "read-only", "process":
		return false
	default:
		return true
	}
}

// tryDuplicate delivers every input row twice.
func tryDuplicate(ctx context.Context, b *bench, t *trials) error {
	twofold := func(name string, change func(*sheet)) scenario {
		return scenario{
			name: name, steps: []string{"deliver each input row twice: " + name, "run every window"},
			play: func(ctx context.Context, b *bench) (*Break, error) {
				return b.onInputs(ctx, nil, setup{}, func(s *sitting) (*Break, error) {
					_, err := b.change(ctx, s.folder, b.feeds, func(_ feed, sh *sheet) bool { change(sh); return true })
					if err != nil {
						return nil, err
					}
					bad, err := s.all(ctx, run.Options{})
					if err != nil {
						return nil, err
					}
					if bad != nil && documented(bad) {
						t.note("a doubled delivery is refused: " + bad.Code)
						return nil, nil
					}
					if bad != nil {
						return failed(bad), nil
					}
					return s.compared(ctx)
				})
			},
		}
	}
	return t.all(ctx, []scenario{
		twofold("side by side", func(s *sheet) {
			var rows []row
			for _, r := range s.rows {
				rows = append(rows, r, r)
			}
			s.rows = rows
		}),
		twofold("one delivery after the other", func(s *sheet) { s.rows = append(slices.Clone(s.rows), s.rows...) }),
		{name: "the next day again", steps: []string{"deliver a window's rows again in the next window's file", "run every window"},
			play: func(ctx context.Context, b *bench) (*Break, error) { return redelivered(ctx, b, t) }},
	})
}

// redelivered appends to each file the rows of the one before it.
func redelivered(ctx context.Context, b *bench, t *trials) (*Break, error) {
	return b.onInputs(ctx, nil, setup{}, func(s *sitting) (*Break, error) {
		n := 0
		for i := 1; i < len(b.feeds); i++ {
			f, last := b.feeds[i], b.feeds[i-1]
			if f.input != last.input {
				continue
			}
			before, err := b.readSheet(ctx, b.folder, last)
			if err != nil {
				return nil, err
			}
			again, err := b.change(ctx, s.folder, []feed{f}, func(_ feed, sh *sheet) bool {
				if before.why != "" || before.shape != sh.shape {
					return false
				}
				sh.rows = append(slices.Clone(sh.rows), before.rows...)
				return true
			})
			if err != nil {
				return nil, err
			}
			n += again
		}
		if n == 0 {
			return nil, nil
		}
		bad, err := s.all(ctx, run.Options{})
		if err != nil {
			return nil, err
		}
		if bad != nil && documented(bad) {
			t.note("rows that come again in another window are refused: " + bad.Code)
			return nil, nil
		}
		if bad != nil {
			return failed(bad), nil
		}
		return s.compared(ctx)
	})
}

// tryLate holds rows back, or delivers wrong ones first, and then delivers the right ones.
func tryLate(ctx context.Context, b *bench, t *trials) error {
	if len(b.streams()) > 0 {
		return t.all(ctx, b.growths())
	}
	each := func(change func(*sheet) bool) func(feed, *sheet) bool {
		return func(_ feed, s *sheet) bool { return change(s) }
	}
	first := func(change func(feed, *sheet) bool) func(feed, *sheet) bool {
		return func(f feed, s *sheet) bool { return f.path == b.feeds[0].path && change(f, s) }
	}
	hold := func(every, rest int) func(feed, *sheet) bool {
		return each(func(s *sheet) bool {
			var rows []row
			for i, r := range s.rows {
				if i%every != rest {
					rows = append(rows, r)
				}
			}
			late := len(rows) < len(s.rows) && len(rows) > 0
			if late {
				s.rows = rows
			}
			return late
		})
	}
	ss := []scenario{
		late("every third row comes late", hold(3, 1)),
		late("every other row comes late", hold(2, 0)),
		late("half of the first file's rows come late", first(hold(2, 0))),
	}
	if slices.ContainsFunc(b.family, func(p *twice.Pipeline) bool { return p.Write == twice.Merge }) {
		t.note("merge keeps rows that a source takes back, and may rightly refuse a correction without a newer version: " +
			"corrected rows are not tried")
	} else {
		ss = append(ss, late("numbers are corrected", each(func(s *sheet) bool { return s.miscount(s) })))
	}
	return t.all(ctx, ss)
}

func late(name string, change func(feed, *sheet) bool) scenario {
	return scenario{
		name: name, steps: []string{name + ": run with what is there", "deliver the rest, and run again"},
		play: func(ctx context.Context, b *bench) (*Break, error) {
			return b.onInputs(ctx, nil, setup{}, func(s *sitting) (*Break, error) {
				n, err := b.change(ctx, s.folder, b.feeds, change)
				if err != nil || n == 0 {
					return nil, err
				}
				if _, err := s.all(ctx, run.Options{}); err != nil {
					return nil, err // that it may refuse half a delivery is not the point
				}
				if err := s.restore(b.feeds); err != nil {
					return nil, err
				}
				if bad, err := s.all(ctx, run.Options{}); err != nil || bad != nil {
					return failed(bad), err
				}
				return s.compared(ctx)
			})
		},
	}
}

// tryReplay changes the source and replays what was recorded.
func tryReplay(ctx context.Context, b *bench, t *trials) error {
	return t.all(ctx, []scenario{
		{name: "unchanged", steps: []string{"run every window", "run with --pinned --force"},
			play: func(ctx context.Context, b *bench) (*Break, error) { return replayed(ctx, b, t, nil) }},
		{name: "rows gone", steps: []string{"run every window", "take rows out of the source", "run with --pinned --force"},
			play: func(ctx context.Context, b *bench) (*Break, error) {
				return replayed(ctx, b, t, func(s *sheet) bool {
					if len(s.rows) < 2 {
						return false
					}
					s.rows = s.rows[:len(s.rows)/2]
					return true
				})
			}},
		{name: "tables emptied", steps: []string{"run every window", "empty the tables that no pipeline fills", "run with --pinned --force"},
			play: func(ctx context.Context, b *bench) (*Break, error) { return emptied(ctx, b, t) }},
	})
}

// emptied replays when the tables that p reads, and that no pipeline fills, hold no rows any more.
func emptied(ctx context.Context, b *bench, t *trials) (*Break, error) {
	return b.onSitting(ctx, b.done, setup{}, func(s *sitting) (*Break, error) {
		tables, err := b.foreign(ctx, s.db)
		if err != nil {
			return nil, err
		}
		ses, err := s.db.Session(ctx)
		if err != nil {
			return nil, err
		}
		defer ses.Close()
		n := int64(0)
		for _, r := range tables {
			if r.View || strings.EqualFold(r.Table.String(), b.p.Table.String()) {
				continue
			}
			deleted, err := ses.Exec(ctx, "empty", "DELETE FROM "+s.db.Name(r.Table))
			if err != nil {
				return nil, err
			}
			n += deleted
		}
		if n == 0 {
			return nil, nil
		}
		return s.pinned(ctx, t, true)
	})
}

// replayed ends in the first result, or in an error that says what has changed, with the table as it was.
func replayed(ctx context.Context, b *bench, t *trials, change func(*sheet) bool) (*Break, error) {
	return b.onInputs(ctx, b.done, setup{}, func(s *sitting) (*Break, error) {
		if change != nil {
			_, err := b.change(ctx, s.folder, b.feeds, func(_ feed, sh *sheet) bool { return change(sh) })
			if err != nil {
				return nil, err
			}
			if err := s.upstreams(ctx); err != nil {
				return nil, err
			}
		}
		return s.pinned(ctx, t, change != nil)
	})
}

// pinned replays the recorded manifests. Where the source has changed a refusal is as good as the first result.
func (s *sitting) pinned(ctx context.Context, t *trials, changed bool) (*Break, error) {
	bad, err := s.each(ctx, run.Options{Pinned: true, Force: true}, s.b.windows)
	switch {
	case err != nil:
		return nil, err
	case bad != nil && changed && (bad.Code == "input-changed" || bad.Code == "input-missing"):
		t.note("a source that has changed is refused: " + bad.Code)
	case bad != nil:
		return failed(bad), nil
	}
	return s.compared(ctx)
}
