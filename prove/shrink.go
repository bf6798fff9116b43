package prove

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/twice-data/twice"
)

// shrinkTime is how long a reproduction is made shorter.
const shrinkTime = 12 * time.Second

// shrink looks for a shorter reproduction of what broke a law: fewer windows first, then fewer rows of input.
func (b *bench) shrink(ctx context.Context, t *trials) *Break {
	best := t.broken
	if t.by.play == nil {
		return best
	}
	sh := &shrinker{b: b, by: t.by, until: time.Now().Add(shrinkTime)}
	windows := sh.fewerWindows(ctx, b.windows, &best)
	sh.fewerRows(ctx, windows, &best)
	return best
}

type shrinker struct {
	b     *bench
	by    scenario
	until time.Time
}

func (sh *shrinker) over(ctx context.Context) bool {
	return ctx.Err() != nil || time.Now().After(sh.until)
}

// fewerWindows tries single windows, then pairs of them.
func (sh *shrinker) fewerWindows(ctx context.Context, all []twice.Window, best **Break) []twice.Window {
	if len(all) < 2 {
		return all
	}
	var sets [][]twice.Window
	for _, w := range all {
		sets = append(sets, []twice.Window{w})
	}
	for gap := 1; gap < len(all) && len(all) > 2; gap++ {
		for i := 0; i+gap < len(all); i++ {
			sets = append(sets, []twice.Window{all[i], all[i+gap]})
		}
	}
	for _, ws := range sets {
		if sh.over(ctx) {
			break
		}
		if br := sh.again(ctx, ws, nil); br != nil {
			*best = br
			return ws
		}
	}
	return all
}

// rowAt is one row of one input file.
type rowAt struct{ feed, row int }

// fewerRows leaves out ever smaller parts of the input rows for as long as the law stays broken (delta debugging,
// Zeller and Hildebrandt 2002).
func (sh *shrinker) fewerRows(ctx context.Context, windows []twice.Window, best **Break) {
	var rows []rowAt
	for i, f := range sh.b.feeds {
		if !slices.ContainsFunc(f.windows, func(w twice.Window) bool { return slices.ContainsFunc(windows, w.Overlaps) }) {
			continue
		}
		s, err := sh.b.readSheet(ctx, sh.b.folder, f)
		if err != nil || s.why != "" {
			return
		}
		for j := range s.rows {
			rows = append(rows, rowAt{i, j})
		}
	}
	if len(rows) == 0 {
		return
	}
	(*best).Inputs = len(rows)
	for parts := 2; len(rows) > 1 && !sh.over(ctx); {
		smaller := false
		size := (len(rows) + parts - 1) / parts
		for from := 0; from < len(rows) && !sh.over(ctx); from += size {
			rest := slices.Concat(rows[:from], rows[min(from+size, len(rows)):])
			if len(rest) == 0 {
				continue
			}
			if br := sh.again(ctx, windows, rest); br != nil {
				rows, smaller = rest, true
				br.Inputs = len(rows)
				*best = br
				break
			}
		}
		switch {
		case smaller:
			parts = max(parts-1, 2)
		case parts >= len(rows):
			return
		default:
			parts = min(2*parts, len(rows))
		}
	}
}

// again plays the scenario on a bench of some windows and rows; nil rows: all of them. It gives the break, or nil when
// there is none, or no clean run.
func (sh *shrinker) again(ctx context.Context, windows []twice.Window, rows []rowAt) *Break {
	small, err := sh.b.smaller(ctx, windows, rows)
	if err != nil {
		return nil
	}
	defer small.drop(context.WithoutCancel(ctx))
	br, err := sh.by.play(ctx, small)
	if err != nil || br == nil {
		return nil
	}
	return br.from(sh.by, small)
}

// smaller is a bench of the same pipeline with fewer windows and rows.
func (b *bench) smaller(ctx context.Context, windows []twice.Window, rows []rowAt) (*bench, error) {
	small := &bench{scratch: b.scratch, p: b.p, family: b.family, feeds: b.feeds, fixed: b.fixed, sieves: b.sieves, rowByRow: b.rowByRow, outputs: b.outputs, windows: slices.Clone(windows), borrowed: b.borrowed}
	small.folder = filepath.Join(b.root, "project-"+b.name())
	if err := os.CopyFS(small.folder, os.DirFS(b.folder)); err != nil {
		return nil, err
	}
	var err error
	if small.need, err = newChooser(b.scratch).needed(ctx, b.family, windows); err == nil && rows != nil {
		err = small.keep(ctx, rows)
	}
	if err == nil {
		err = small.measure(ctx)
	}
	if err == nil {
		err = small.fill(ctx)
	}
	if err != nil || len(small.windows) < len(windows) {
		small.drop(ctx)
		if err == nil {
			err = twice.Errorf("no-window", "not every window is left")
		}
		return nil, err
	}
	return small, nil
}

// keep leaves out all input rows but some.
func (b *bench) keep(ctx context.Context, rows []rowAt) error {
	for i, f := range b.feeds {
		_, err := b.change(ctx, b.folder, []feed{f}, func(_ feed, s *sheet) bool {
			var kept []row
			for _, at := range rows {
				if at.feed == i && at.row < len(s.rows) {
					kept = append(kept, s.rows[at.row])
				}
			}
			s.rows = kept
			return true
		})
		if err != nil {
			return err
		}
	}
	return nil
}
