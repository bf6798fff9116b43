package prove

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/run"
)

// tryRepeat runs every window three times, and the same again from other processes.
func tryRepeat(ctx context.Context, b *bench, t *trials) error {
	return t.all(ctx, []scenario{
		{name: "three runs", steps: []string{"run every window, and each of them twice more with --force"}, play: threeRuns},
		{name: "three processes", steps: []string{"run the last window again with --force, in three processes one after the other"}, play: threeProcesses},
	})
}

// threeRuns runs each window three times in a row before the next one: what redoing an old window does is order's to try.
// A stream is read three times from its beginning.
func threeRuns(ctx context.Context, b *bench) (*Break, error) {
	return b.onSitting(ctx, b.base, setup{}, func(s *sitting) (*Break, error) {
		for _, w := range b.windows {
			for n := 1; n <= 3; n++ {
				events, err := s.windows(ctx, run.Options{Force: n > 1, FullRefresh: n > 1 && b.isStream()}, w)
				if err != nil {
					return nil, err
				}
				step := fmt.Sprintf("run %d of window %s", n, w)
				if bad := failure(events); bad != nil {
					return stepped(failed(bad), step), nil
				}
				if n > 1 && b.p.Write == twice.Merge && !b.isStream() && events[0].Changed > 0 {
					return stepped(&Break{Inputs: -1, Found: "it changed " + counted(int(events[0].Changed), "row")}, step), nil
				}
			}
		}
		return s.compared(ctx)
	})
}

func threeProcesses(ctx context.Context, b *bench) (*Break, error) {
	return b.onLab(ctx, b.done, func(l *lab) (*Break, error) {
		for range 3 {
			flags := []string{"--force"}
			if b.isStream() {
				flags = []string{"--full-refresh"}
			}
			c := l.child(ctx, b.windows[len(b.windows)-1], flags, nil)
			if bad := c.wait(); bad != nil {
				return &Break{Inputs: -1, Err: bad}, nil
			}
		}
		return l.compared(ctx)
	})
}

// compared holds the lab's table against the clean one.
func (l *lab) compared(ctx context.Context) (*Break, error) {
	s, err := l.sit(ctx, setup{})
	if err != nil {
		return nil, err
	}
	defer s.close()
	return s.compared(ctx)
}

func (s *sitting) compared(ctx context.Context) (*Break, error) {
	st, err := s.state(ctx)
	if err != nil {
		return nil, err
	}
	br := compare(s.b.clean, st)
	if br == nil && !s.own && st.offsets != s.b.clean.offsets {
		br = &Break{Inputs: -1, Found: fmt.Sprintf("the stream was read up to %s, and the ledger says %s", s.b.clean.offsets, st.offsets)}
	}
	return br, nil
}

// mostPermutations is how many orders are tried of more than four windows.
const mostPermutations = 24

// tryOrder runs the windows in every order, and then redoes the last and the first of them.
func tryOrder(ctx context.Context, b *bench, t *trials) error {
	if b.isStream() {
		return t.all(ctx, b.growths())
	}
	var ss []scenario
	for _, order := range orders(len(b.windows), rand.New(rand.NewPCG(uint64(b.Seed), 2))) {
		keys := make([]string, len(order))
		names := make([]string, len(order))
		for i, at := range order {
			keys[i], names[i] = b.windows[at].Key(), b.windows[at].String()
		}
		ss = append(ss, scenario{
			name:  strings.Join(names, ", "),
			steps: []string{"run the windows in the order " + strings.Join(names, ", ")},
			play:  func(ctx context.Context, b *bench) (*Break, error) { return inOrder(ctx, b, keys) },
		})
	}
	return t.all(ctx, ss)
}

// orders lists permutations of n things, but the one that is sorted: all of them up to four, a sample beyond.
func orders(n int, chance *rand.Rand) [][]int {
	if n > 4 {
		all := [][]int{backwards(n)}
		for len(all) < mostPermutations {
			all = append(all, chance.Perm(n))
		}
		return all
	}
	var all [][]int
	var grow func(order []int)
	grow = func(order []int) {
		if len(order) == n {
			all = append(all, slices.Clone(order))
			return
		}
		for i := n - 1; i >= 0; i-- {
			if !slices.Contains(order, i) {
				grow(append(order, i))
			}
		}
	}
	grow(nil)
	return all[:len(all)-1] // the last one is sorted
}

func backwards(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = n - 1 - i
	}
	return order
}

// inOrder runs the bench's windows in the order of keys, then redoes the last one and the first one; after each redone
// window the table must be the clean one, so that every other window has kept its rows.
func inOrder(ctx context.Context, b *bench, keys []string) (*Break, error) {
	ws := slices.Clone(b.windows)
	slices.SortFunc(ws, func(x, y twice.Window) int { return slices.Index(keys, x.Key()) - slices.Index(keys, y.Key()) })
	return b.onSitting(ctx, b.base, setup{}, func(s *sitting) (*Break, error) {
		if bad, err := s.each(ctx, run.Options{}, ws); err != nil || bad != nil {
			return failed(bad), err
		}
		if br, err := s.compared(ctx); err != nil || br != nil {
			return stepped(br, "run the windows in the order "+list(ws)), err
		}
		for _, w := range slices.Compact([]twice.Window{ws[len(ws)-1], ws[0]}) {
			if bad, err := s.each(ctx, run.Options{Force: true}, []twice.Window{w}); err != nil || bad != nil {
				return failed(bad), err
			}
			if br, err := s.compared(ctx); err != nil || br != nil {
				return stepped(br, "run every window", "redo "+w.String()+" with --force"), err
			}
		}
		return nil, nil
	})
}

func failed(err *twice.Error) *Break {
	if err == nil {
		return nil
	}
	return &Break{Inputs: -1, Err: err}
}

func stepped(br *Break, steps ...string) *Break {
	if br != nil {
		br.Steps = steps
	}
	return br
}

func list(ws []twice.Window) string {
	names := make([]string, len(ws))
	for i, w := range ws {
		names[i] = w.String()
	}
	return strings.Join(names, ", ")
}

// trySplit runs the windows in one run, in statements of as many windows as batch_size allows, and fewer.
func trySplit(ctx context.Context, b *bench, t *trials) error {
	if b.isStream() {
		return t.all(ctx, batches())
	}
	if b.p.BatchSize == 1 {
		t.note("batch_size is 1: the engine never puts several windows of it into one statement")
	}
	var ss []scenario
	for size := range min(b.p.BatchSize, len(b.windows)) {
		size++
		ss = append(ss, scenario{
			name:  fmt.Sprintf("batches of %d", size),
			steps: []string{fmt.Sprintf("run every window in one run, with batch_size: %d", size)},
			play: func(ctx context.Context, b *bench) (*Break, error) {
				batched := func(p twice.Pipeline) *twice.Pipeline { p.BatchSize = size; return &p }
				return b.onSitting(ctx, b.base, setup{pipeline: batched}, func(s *sitting) (*Break, error) {
					return s.together(ctx, run.Options{})
				})
			},
		})
	}
	return t.all(ctx, ss)
}

// together runs all of the bench's windows in one run and compares.
func (s *sitting) together(ctx context.Context, o run.Options) (*Break, error) {
	events, err := s.windows(ctx, o, s.b.windows...)
	if err != nil {
		return nil, err
	}
	if bad := failure(events); bad != nil {
		return failed(bad), nil
	}
	return s.compared(ctx)
}

// tryRebuild rebuilds what the clean run built, and builds it the way a year does: as the inputs arrive.
func tryRebuild(ctx context.Context, b *bench, t *trials) error {
	return t.all(ctx, []scenario{
		{name: "rebuild", steps: []string{"run every window", "run with --full-refresh"}, play: rebuild},
		{name: "as inputs arrive", steps: []string{"run everything after each window's inputs arrive", "compare with one run at the end"}, play: arrive},
	})
}

func rebuild(ctx context.Context, b *bench) (*Break, error) {
	return b.onSitting(ctx, b.done, setup{}, func(s *sitting) (*Break, error) {
		return s.together(ctx, run.Options{FullRefresh: true})
	})
}

// mostArrivals bounds how many moments are told apart while inputs arrive.
const mostArrivals = 6

// arrive runs the whole family at several moments, each time with the windows that have ended by then.
func arrive(ctx context.Context, b *bench) (*Break, error) {
	l, err := b.newLab(ctx, b.folder)
	if err != nil {
		return nil, err
	}
	defer l.drop(context.WithoutCancel(ctx))
	if err := b.borrow(ctx, l); err != nil {
		return nil, err
	}
	s, err := l.sit(ctx, setup{})
	if err != nil {
		return nil, err
	}
	defer s.close()
	moments := b.moments()
	for i, moment := range moments {
		ended := func(_ *twice.Pipeline, w twice.Window) bool { return w.IsWhole() || !w.End.After(moment) }
		events, err := s.run(ctx, run.Options{Only: ended}, slices.Clone(b.family)...)
		if err != nil {
			return nil, err
		}
		if bad := failure(ofPipeline(events, b.p.Name)); bad != nil && i == len(moments)-1 {
			return failed(bad), nil
		}
	}
	if len(moments) == 0 {
		if _, err := s.run(ctx, run.Options{}, slices.Clone(b.family)...); err != nil {
			return nil, err
		}
	}
	return s.compared(ctx)
}

// moments are ends of the family's windows.
func (b *bench) moments() []time.Time {
	var ends []time.Time
	for _, ws := range b.need {
		for _, w := range ws {
			if !w.IsWhole() {
				ends = append(ends, w.End)
			}
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	ends = slices.CompactFunc(ends, time.Time.Equal)
	if n := len(ends); n > mostArrivals {
		ends = append(slices.Clone(ends[:mostArrivals-1]), ends[n-1])
	}
	return ends
}

func ofPipeline(events []run.Event, name string) []run.Event {
	return slices.DeleteFunc(slices.Clone(events), func(e run.Event) bool { return e.Pipeline.Name != name })
}
