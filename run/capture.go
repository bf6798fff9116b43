package run

import (
	"context"
	"os"
	"slices"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/ledger"
	"github.com/twice-data/twice/manifest"
)

// Captures is how a run reads what cannot be read twice. A window's captures are taken when it is about to be written,
// before its manifest is recorded and outside any transaction of the target, and never for a plan.
type Captures struct {
	Store manifest.Store

	// Take captures such inputs of p for each of the windows, into Store and as files into the folder tmp.
	Take func(ctx context.Context, p *twice.Pipeline, windows []twice.Window, tmp string) ([][]twice.Pin, error)
}

// captures says whether p has inputs that are captured.
func captures(p *twice.Pipeline) bool {
	return slices.ContainsFunc(p.Inputs, func(in twice.Input) bool { return in.Captured() })
}

// recordedOf reads, once for each pipeline, what the ledger knows of the inputs of its windows.
func (pl *planner) recordedOf(ctx context.Context, p *twice.Pipeline) (map[string]ledger.Recorded, error) {
	if rec, ok := pl.recorded[p.Name]; ok {
		return rec, nil
	}
	ok, err := ledger.Exists(ctx, pl.s)
	if err != nil {
		return nil, err
	}
	var rec map[string]ledger.Recorded
	if ok {
		if rec, err = ledger.RecordedOf(ctx, pl.s, p.Name); err != nil {
			return nil, err
		}
	}
	pl.recorded[p.Name] = rec
	return rec, nil
}

// committed is the pin that the window's receipt stands for. Without one of the same source it is empty, and the window
// is not up to date.
func (pl *planner) committed(ctx context.Context, st *Step, in *twice.Input) (twice.Pin, error) {
	rec, err := pl.recordedOf(ctx, st.Pipeline)
	if err != nil {
		return twice.Pin{}, err
	}
	if pin := captureOf(rec[st.Window.Key()].Committed, in); pin != nil {
		return *pin, nil
	}
	return twice.Pin{Name: in.Name, Kind: in.Kind()}, nil
}

// captureOf is m's capture of in, if it is one of the source that in now is.
func captureOf(m *twice.Manifest, in *twice.Input) *twice.Pin {
	if m == nil {
		return nil
	}
	if pin := m.Pin(in.Name); pin != nil && pin.Capture != nil && pin.Source == in.Digest() {
		return pin
	}
	return nil
}

// prepare settles the captures of a window with work to do: those of a run that was killed before it could commit the
// window, so that this one gives what that one would have given, or else new ones, all of them.
func (pl *planner) prepare(ctx context.Context, st *Step) error {
	p := st.Pipeline
	if pl.Pinned || !captures(p) {
		return nil
	}
	rec, err := pl.recordedOf(ctx, p)
	if err != nil {
		return err
	}
	var open []twice.Pin
	for i := range p.Inputs {
		in := &p.Inputs[i]
		if !in.Captured() {
			continue
		}
		pin := captureOf(rec[st.Window.Key()].Open, in)
		if pin == nil {
			st.pending = true
			return nil
		}
		open = append(open, *pin)
	}
	st.Manifest, st.open = with(st.Manifest, open), true
	return nil
}

// with is m with other pins in place of those of the same names.
func with(m twice.Manifest, pins []twice.Pin) twice.Manifest {
	m.Inputs = slices.Clone(m.Inputs)
	for _, pin := range pins {
		if old := m.Pin(pin.Name); old != nil {
			*old = pin
		}
	}
	return m
}

// capture takes what the steps' manifests still lack. Captures of a killed run that are lost, with another machine's store
// for example, are taken anew: nothing was written from them.
func (r *Runner) capture(ctx context.Context, p *twice.Pipeline, steps []Step) error {
	if steps[0].open && r.lost(ctx, steps[0]) {
		steps[0].pending, steps[0].open = true, false // such a step is alone
	}
	if !steps[0].pending {
		return nil
	}
	if r.Captures.Take == nil {
		return twice.Errorf("no-captures", "%s has inputs that are captured before use, and there is nowhere to keep captures", p.Name)
	}
	windows := make([]twice.Window, len(steps))
	for i, st := range steps {
		windows[i] = st.Window
	}
	pins, err := r.Captures.Take(ctx, p, windows, r.temp(steps))
	if err != nil {
		return err
	}
	for i := range steps {
		steps[i].Manifest, steps[i].pending = with(steps[i].Manifest, pins[i]), false
	}
	return nil
}

// lost says whether one of a step's captures cannot be had any more.
func (r *Runner) lost(ctx context.Context, st Step) bool {
	for _, pin := range st.Manifest.Inputs {
		if pin.Capture == nil {
			continue
		}
		_, err := manifest.Fetch(ctx, r.Captures.Store, pin.Capture.SHA256, r.temp([]Step{st}))
		if err != nil && (twice.AsError(err).Code == "capture-missing" || twice.AsError(err).Code == "capture-damaged") {
			return true
		}
	}
	return false
}

// withTemp gives the steps a folder of their own for their captures, which is gone after f.
func (r *Runner) withTemp(p *twice.Pipeline, steps []Step, f func()) error {
	if !captures(p) {
		f()
		return nil
	}
	dir, err := os.MkdirTemp(r.Temp, "captures-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for i := range steps {
		steps[i].temp = dir
	}
	f()
	return nil
}

func (r *Runner) temp(steps []Step) string {
	if dir := steps[0].temp; dir != "" {
		return dir
	}
	return r.Temp
}

// captured is the relation of an input's captures: one of each window, in their order, where they differ by window, and
// otherwise each once.
func (r *Runner) captured(ctx context.Context, p *twice.Pipeline, in *twice.Input, steps []Step) (engine.Relation, error) {
	rel := engine.Relation{Name: in.Name, Reader: twice.Reader{Format: "parquet"}, File: p.File, Line: in.Line}
	for _, st := range steps {
		pin := st.Manifest.Pin(in.Name)
		if pin == nil || pin.Capture == nil {
			return rel, twice.Errorf("no-manifest", "the manifest of window %s of %s has no capture of input %s", st.Window, p.Name, in.Name).
				At(p.File, in.Line).WithNext("twice run %s without --pinned", p.Name)
		}
		path, err := manifest.Fetch(ctx, r.Captures.Store, pin.Capture.SHA256, r.temp(steps))
		if err != nil {
			e := *twice.AsError(err)
			return rel, e.At(p.File, in.Line)
		}
		if in.ByWindow() || !slices.Contains(rel.Files, path) {
			rel.Files = append(rel.Files, path)
		}
	}
	return rel, nil
}

// equal says whether a receipt speaks of st's inputs. Captures may differ: who was first to commit a new window decides
// what it was made from.
func (r *Runner) equal(ctx context.Context, s *engine.Session, st Step, got *twice.Receipt) (bool, error) {
	if got.Manifest == st.Manifest.Digest() {
		return true, nil
	}
	if !captures(st.Pipeline) || r.Pinned || got.Run == r.ID {
		return false, nil
	}
	m, err := ledger.Manifest(ctx, s, st.Pipeline.Name, st.Window, got.Manifest)
	if err != nil || m == nil {
		return false, err
	}
	var blank []twice.Pin
	for i := range st.Pipeline.Inputs {
		if in := &st.Pipeline.Inputs[i]; in.Captured() {
			blank = append(blank, twice.Pin{Name: in.Name})
		}
	}
	return with(*m, blank).Digest() == with(st.Manifest, blank).Digest(), nil
}
