package run

import (
	"context"
	"fmt"
	"strings"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/ledger"
)

// planner decides about windows. While it predicts, upstream windows that are going to be written count as changed.
type planner struct {
	*Runner
	s       *engine.Session
	plan    *Plan
	all     map[string]*twice.Pipeline
	predict bool
	found   map[string][]Step          // pipeline -> its windows, with their files
	dirty   map[string]map[string]bool // pipeline -> windows with work to do
	sums    map[string]map[string]twice.Fingerprint
	tables  map[string]twice.Upstream

	recorded map[string]map[string]ledger.Recorded // pipeline -> window -> manifests; for captured inputs
}

func (r *Runner) newPlanner(s *engine.Session, plan *Plan) *planner {
	pl := &planner{
		Runner: r, s: s, plan: plan, all: map[string]*twice.Pipeline{}, dirty: map[string]map[string]bool{},
		sums: map[string]map[string]twice.Fingerprint{}, tables: map[string]twice.Upstream{},
		recorded: map[string]map[string]ledger.Recorded{},
	}
	for _, p := range r.Project {
		pl.all[p.Name] = p
	}
	return pl
}

// pipeline decides about every selected window of p.
func (pl *planner) pipeline(ctx context.Context, p *twice.Pipeline) ([]Step, error) {
	if p.Stream() != nil {
		return pl.stream(ctx, p)
	}
	steps, ok := pl.found[p.Name]
	if !ok {
		var err error
		if steps, err = pl.findFiles(ctx, p); err != nil {
			return nil, err
		}
	}
	ws := make([]twice.Window, len(steps))
	for i := range steps {
		ws[i] = steps[i].Window
	}
	for i := range steps {
		st := &steps[i]
		st.Receipt = pl.receipt(p.Name, st.Window)
		if err := pl.decide(ctx, st, len(ws)-i <= p.Lookback, ws); err != nil {
			return nil, err
		}
		if st.Do {
			if pl.dirty[p.Name] == nil {
				pl.dirty[p.Name] = map[string]bool{}
			}
			pl.dirty[p.Name][st.Window.Key()] = true
		}
	}
	return steps, nil
}

func (r *Runner) receipt(pipeline string, w twice.Window) *twice.Receipt {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state.Receipt(pipeline, w)
}

// decide resolves a window's inputs and compares them, and the code, with its receipt.
func (pl *planner) decide(ctx context.Context, st *Step, again bool, ws []twice.Window) error {
	m, predicted, err := pl.resolve(ctx, st, ws)
	if err != nil {
		st.Err, st.Manifest = twice.AsError(err), twice.Manifest{}
		if st.Err.Code == "input-waiting" && st.Receipt != nil {
			e := *st.Err
			e.Message += "; the rows that were committed when it was there stay"
			st.Err = &e
		}
		st.Status = pl.statusOf(st.Err)
		if st.Status == twice.Failed && ctx.Err() != nil {
			return err
		}
		return nil
	}
	st.Manifest = m
	switch r := st.Receipt; {
	case r == nil:
		st.Reason = twice.New
	case r.Code != st.Code:
		st.Reason = twice.Code
	case pl.Force || pl.FullRefresh:
		st.Reason = twice.Forced
	case predicted:
		st.Reason = twice.UpNew
	case r.Manifest != m.Digest():
		st.Reason = changed(r.Manifest, m.Digest())
	case again:
		st.Reason = twice.Lookback
	default:
		st.Status = twice.Unchanged
		return nil
	}
	st.Do = true
	return pl.prepare(ctx, st)
}

// changed tells which part of a manifest's digest differs.
func changed(before, now string) twice.Reason {
	b, _, _ := strings.Cut(before, ".")
	n, _, _ := strings.Cut(now, ".")
	if b != n {
		return twice.InputNew
	}
	return twice.UpNew
}

// statusOf is the status of a window whose inputs do not resolve.
func (pl *planner) statusOf(err *twice.Error) twice.Status {
	switch {
	case err.Code == "skipped":
		return twice.Skipped
	case err.Code == "input-waiting" && pl.Start.IsZero() && pl.End.IsZero():
		return twice.Waiting
	default:
		return twice.Failed
	}
}

// resolve pins a window's inputs; its files are already. predicted says that an upstream is going to change.
func (pl *planner) resolve(ctx context.Context, st *Step, ws []twice.Window) (m twice.Manifest, predicted bool, err error) {
	if pl.Pinned {
		m, err := pl.recordedManifest(ctx, st, ws)
		return m, false, err
	}
	if st.Err != nil {
		return m, false, st.Err
	}
	p := st.Pipeline
	m = st.Manifest
	for i := range p.Inputs {
		in := &p.Inputs[i]
		pin := twice.Pin{Name: in.Name, Kind: in.Kind()}
		switch {
		case in.Files != nil:
			continue
		case in.Table != "":
			pin.Upstreams, err = pl.table(ctx, in.Table)
		case in.Captured():
			pin, err = pl.committed(ctx, st, in)
		default:
			err = twice.Errorf("unsupported-input", "input %s: %s inputs are not supported yet", in.Name, in.Kind()).
				At(p.File, in.Line)
		}
		if err != nil {
			return m, false, err
		}
		m.Inputs[i] = pin
	}
	for _, name := range p.Upstreams {
		up, dirty, err := pl.upstream(ctx, st, name, ws)
		if err != nil {
			return m, false, err
		}
		predicted = predicted || dirty
		m.Inputs = append(m.Inputs, twice.Pin{Name: name, Kind: "pipeline", Upstreams: []twice.Upstream{up}})
	}
	return m, predicted, nil
}

// recordedManifest is the manifest of the window's receipt, if what it speaks of is still there: the rows of other tables
// as well as the bytes of files.
func (pl *planner) recordedManifest(ctx context.Context, st *Step, ws []twice.Window) (twice.Manifest, error) {
	if st.Receipt == nil {
		return twice.Manifest{}, twice.Errorf("no-manifest", "window %s of %s was never committed, so there is nothing to replay",
			st.Window, st.Pipeline.Name).WithNext("twice run %s without --pinned", st.Pipeline.Name)
	}
	m, err := ledger.Manifest(ctx, pl.s, st.Pipeline.Name, st.Window, st.Receipt.Manifest)
	if err != nil {
		return twice.Manifest{}, err
	}
	if m == nil {
		return twice.Manifest{}, twice.Errorf("no-manifest", "the ledger has no manifest %s for window %s of %s",
			st.Receipt.Manifest, st.Window, st.Pipeline.Name)
	}
	for _, pin := range m.Inputs {
		switch {
		case len(pin.Files) > 0:
			err = pl.filesOf(st.Pipeline).Check(ctx, pin)
		case len(pin.Upstreams) > 0:
			err = pl.sameRows(ctx, st, pin, ws)
		}
		if err != nil {
			return twice.Manifest{}, err
		}
	}
	return *m, nil
}

// sameRows says whether another table still holds what a pin says. One that this run is going to write is looked at when
// it has been written.
func (pl *planner) sameRows(ctx context.Context, st *Step, pin twice.Pin, ws []twice.Window) error {
	then := pin.Upstreams[0]
	var now twice.Upstream
	if pin.Kind == "table" {
		ups, err := pl.table(ctx, then.Pipeline)
		if err != nil {
			return err
		}
		now = ups[0]
	} else {
		var dirty bool
		var err error
		if now, dirty, err = pl.upstream(ctx, st, pin.Name, ws); err != nil || dirty {
			return err
		}
	}
	if now.Fingerprint != then.Fingerprint {
		return twice.Errorf("input-changed", "%s holds %d rows for window %s, other ones than the %d in the manifest",
			pin.Name, now.Rows, st.Window, then.Rows).At(st.Pipeline.File, 0).
			WithNext("run again without --pinned to take in what is there now")
	}
	return nil
}

func tableNamed(name string) twice.Table {
	if schema, table, ok := strings.Cut(name, "."); ok {
		return twice.Table{Schema: schema, Name: table}
	}
	return twice.Table{Name: name}
}

// table is the state of a table of the target that no pipeline fills.
func (pl *planner) table(ctx context.Context, name string) ([]twice.Upstream, error) {
	if up, ok := pl.tables[name]; ok {
		return []twice.Upstream{up}, nil
	}
	t := tableNamed(name)
	cols, err := pl.s.DB().Columns(ctx, pl.s, t)
	if err != nil {
		return nil, err
	}
	if len(cols) == 0 {
		return nil, twice.Errorf("input-waiting", "table %s does not exist in the target", name)
	}
	fp, err := pl.s.TableFingerprint(ctx, &twice.Pipeline{Table: t}, twice.Window{}, nil)
	up := twice.Upstream{Pipeline: name, Fingerprint: fp.String(), Rows: fp.Rows}
	pl.tables[name] = up
	return []twice.Upstream{up}, err
}

// upstream is the state of another pipeline's table as far as the window reads it.
func (pl *planner) upstream(ctx context.Context, st *Step, name string, ws []twice.Window) (twice.Upstream, bool, error) {
	up := pl.all[name]
	dirty := false
	var sum twice.Fingerprint
	have := 0
	whole := st.Window.IsWhole() || !up.Windowed()
	var windows []twice.Window
	switch {
	case !up.Windowed():
		windows = []twice.Window{{}}
	case st.Window.IsWhole():
		windows = pl.known(up)
	default:
		windows = up.Calendar.Overlapping(st.Window)
	}
	for _, w := range windows {
		if pl.didFail(name, w) {
			return twice.Upstream{}, false, twice.Errorf("skipped", "%s did not commit", part(name, w))
		}
		r := pl.receipt(name, w)
		planned := pl.predict && pl.dirty[name][w.Key()]
		dirty = dirty || planned
		if r == nil && !planned {
			return twice.Upstream{}, false, twice.Errorf("input-waiting", "%s has not been committed yet", part(name, w)).
				WithNext("twice run +%s", st.Pipeline.Name)
		}
		if r != nil {
			have++
			sum = sum.Add(r.Fingerprint)
		}
	}
	if whole && have == 0 && !dirty {
		return twice.Upstream{}, false, twice.Errorf("input-waiting", "nothing of %s has been committed yet", name).
			WithNext("twice run +%s", st.Pipeline.Name)
	}
	if up.Write == twice.Merge && !dirty {
		var err error
		if sum, err = pl.merged(ctx, up, st.Window, ws); err != nil {
			return twice.Upstream{}, false, err
		}
	}
	return twice.Upstream{Pipeline: name, Window: st.Window.Key(), Fingerprint: sum.String(), Rows: sum.Rows}, dirty, nil
}

// part names a window of a pipeline, or all of it.
func part(pipeline string, w twice.Window) string {
	if w.IsWhole() {
		return pipeline
	}
	return fmt.Sprintf("window %s of %s", w, pipeline)
}

// known lists the windows of up that are committed, planned or failed: what there is of it.
func (pl *planner) known(up *twice.Pipeline) []twice.Window {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	seen := map[string]twice.Window{}
	for key, r := range pl.state[up.Name] {
		seen[key] = r.Window
	}
	for i := range pl.plan.Steps {
		st := &pl.plan.Steps[i]
		if st.Pipeline.Name != up.Name {
			continue
		}
		key := st.Window.Key()
		if pl.failed[up.Name][key] || (pl.predict && pl.dirty[up.Name][key]) {
			seen[key] = st.Window
		}
	}
	ws := make([]twice.Window, 0, len(seen))
	for _, w := range seen {
		ws = append(ws, w)
	}
	return ws
}

// merged is the fingerprint of a merge table's rows in a window: of those that its time column puts there, or of the
// whole table when it has none or the reader has no windows.
func (pl *planner) merged(ctx context.Context, up *twice.Pipeline, w twice.Window, ws []twice.Window) (twice.Fingerprint, error) {
	if up.TimeColumn == "" || w.IsWhole() {
		ws, w = []twice.Window{{}}, twice.Window{}
	}
	sums, ok := pl.sums[up.Name]
	if !ok {
		var err error
		if sums, err = pl.s.WindowFingerprints(ctx, up, ws, nil); err != nil {
			return twice.Fingerprint{}, fmt.Errorf("fingerprint of %s: %w", up.Name, err)
		}
		pl.sums[up.Name] = sums
	}
	return sums[w.Key()], nil
}
