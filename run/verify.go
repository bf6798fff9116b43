package run

import (
	"context"
	"slices"
	"sort"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/ledger"
)

// Drift is a window, or a whole table, whose rows are not those that its receipt speaks of.
type Drift struct {
	Pipeline *twice.Pipeline
	Window   twice.Window
	Receipt  twice.Fingerprint
	Found    twice.Fingerprint
	Err      *twice.Error // why the fingerprint could not be computed
}

// Verify computes fingerprints anew and compares them with the ledger's, window by window; for merges, table by table.
// It calls each for all that it looked at; drift is nil where all is well.
func Verify(ctx context.Context, s *engine.Session, pipelines []*twice.Pipeline, within func(twice.Window) bool,
	each func(p *twice.Pipeline, w twice.Window, drift *Drift),
) error {
	names := make([]string, len(pipelines))
	for i, p := range pipelines {
		names[i] = p.Name
	}
	state, err := ledger.Load(ctx, s, names)
	if err != nil {
		return err
	}
	for _, p := range pipelines {
		if p.Write == twice.Merge {
			err = verifyTotal(ctx, s, p, each)
		} else {
			err = verifyWindows(ctx, s, p, state[p.Name], within, each)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func verifyTotal(ctx context.Context, s *engine.Session, p *twice.Pipeline, each func(*twice.Pipeline, twice.Window, *Drift)) error {
	total, err := ledger.TotalOf(ctx, s, p.Table)
	if err != nil || total == nil {
		return err
	}
	verifyOne(ctx, s, p, twice.Window{}, total.Fingerprint, total.Columns, each)
	return ctx.Err()
}

func verifyWindows(ctx context.Context, s *engine.Session, p *twice.Pipeline, receipts map[string]*twice.Receipt,
	within func(twice.Window) bool, each func(*twice.Pipeline, twice.Window, *Drift),
) error {
	var rs []*twice.Receipt
	for _, r := range receipts {
		if within(r.Window) {
			rs = append(rs, r)
		}
	}
	sort.Slice(rs, func(i, j int) bool { return rs[i].Window.Start.Before(rs[j].Window.Start) })
	for i := 0; i < len(rs); {
		n := i + 1
		for n < len(rs) && slices.Equal(rs[n].Columns, rs[i].Columns) && rs[n].Algorithm == rs[i].Algorithm {
			n++
		}
		if err := verifySome(ctx, s, p, rs[i:n], each); err != nil {
			return err
		}
		i = n
	}
	return nil
}

// verifySome verifies receipts that were computed on the same columns, in as few passes over the table as there can be.
func verifySome(ctx context.Context, s *engine.Session, p *twice.Pipeline, rs []*twice.Receipt,
	each func(*twice.Pipeline, twice.Window, *Drift),
) error {
	if hash := s.DB().Features().Fingerprint; rs[0].Algorithm != hash {
		for _, r := range rs {
			each(p, r.Window, drift(p, r.Window, r.Fingerprint, twice.Fingerprint{}, notComparable(r.Algorithm, hash)))
		}
		return nil
	}
	if len(rs) == 1 || rs[0].Window.IsWhole() {
		verifyOne(ctx, s, p, rs[0].Window, rs[0].Fingerprint, rs[0].Columns, each)
		return ctx.Err()
	}
	ws := make([]twice.Window, len(rs))
	for i, r := range rs {
		ws[i] = r.Window
	}
	found, err := s.WindowFingerprints(ctx, p, ws, rs[0].Columns)
	if err != nil && ctx.Err() != nil {
		return err
	}
	for _, r := range rs {
		each(p, r.Window, drift(p, r.Window, r.Fingerprint, found[r.Window.Key()], err))
	}
	return nil
}

func verifyOne(ctx context.Context, s *engine.Session, p *twice.Pipeline, w twice.Window, want twice.Fingerprint,
	columns []string, each func(*twice.Pipeline, twice.Window, *Drift),
) {
	found, err := s.TableFingerprint(ctx, p, w, columns)
	each(p, w, drift(p, w, want, found, err))
}

// notComparable is for receipts that another version of the engine's row hash wrote.
func notComparable(then, now string) error {
	return twice.Errorf("not-comparable", "the receipt's fingerprint is of %s, which is not comparable with %s", then, now).
		WithNext("twice run --force writes the window again")
}

func drift(p *twice.Pipeline, w twice.Window, want, found twice.Fingerprint, err error) *Drift {
	switch {
	case err != nil:
		return &Drift{p, w, want, found, twice.AsError(err)}
	case want != found:
		return &Drift{p, w, want, found, nil}
	default:
		return nil
	}
}
