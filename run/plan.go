package run

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/ledger"
	"github.com/twice-data/twice/manifest"
)

// Plan is every window in range, upstream first, and what is to be done with it.
type Plan struct {
	Pipelines []*twice.Pipeline
	Steps     []Step

	predicted map[string]bool // pipelines whose steps depend on what an upstream is going to write
	ranges    map[string][2]int
}

// Step is one window of a plan.
type Step struct {
	Pipeline *twice.Pipeline
	Window   twice.Window
	Do       bool         // there is work
	Reason   twice.Reason // why
	Status   twice.Status // without work: unchanged, waiting, failed or skipped
	Err      *twice.Error // why it is waiting, failed or skipped
	Receipt  *twice.Receipt
	Manifest twice.Manifest
	Code     string

	flow *flow // of a stream

	keep    bool   // the lease is kept for the pipeline's next window
	pending bool   // its captured inputs are still to be captured
	open    bool   // its captures are those of a run that was killed
	temp    string // a folder for its captures
}

func (st *Step) event() Event {
	e := Event{Pipeline: st.Pipeline, Window: st.Window, Status: st.Status, Reason: st.Reason, Err: st.Err}
	if st.Receipt != nil && st.Status == twice.Unchanged {
		e.Rows, e.Fingerprint = st.Receipt.Fingerprint.Rows, st.Receipt.Fingerprint
	}
	return e
}

// Work counts the windows with work to do.
func (p *Plan) Work() int {
	n := 0
	for i := range p.Steps {
		if p.Steps[i].Do {
			n++
		}
	}
	return n
}

// hope counts how the windows end if each one with work to do is committed.
func (p *Plan) hope() map[twice.Status]int {
	counts := map[twice.Status]int{}
	for i := range p.Steps {
		if p.Steps[i].Do {
			counts[twice.Committed]++
		} else {
			counts[p.Steps[i].Status]++
		}
	}
	return counts
}

// Of lists one pipeline's steps.
func (p *Plan) Of(pl *twice.Pipeline) []Step {
	r := p.ranges[pl.Name]
	return p.Steps[r[0]:r[1]]
}

// Predicted says whether pl reads a table that the plan is going to change, so that its steps may turn out to be up to
// date after all.
func (p *Plan) Predicted(pl *twice.Pipeline) bool { return p.predicted[pl.Name] }

// Plan decides for every window whether it is new, stale or up to date. It reads the ledger and the inputs' state, and
// changes nothing.
func (r *Runner) Plan(ctx context.Context, pipelines []*twice.Pipeline) (*Plan, error) {
	s, err := r.DB.Session(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return r.plan(ctx, s, pipelines)
}

func (r *Runner) plan(ctx context.Context, s *engine.Session, pipelines []*twice.Pipeline) (*Plan, error) {
	r.failed = map[string]map[string]bool{}
	r.files = map[string]*manifest.Files{}
	ok, err := ledger.Exists(ctx, s)
	if err != nil {
		return nil, err
	}
	r.known, r.hashes, r.state = ok, nil, ledger.State{}
	if r.known {
		if r.hashes, err = ledger.Files(ctx, s); err != nil {
			return nil, err
		}
	}
	plan := &Plan{Pipelines: pipelines, predicted: map[string]bool{}, ranges: map[string][2]int{}}
	pl := r.newPlanner(s, plan)
	pl.predict = true
	found := pl.find(ctx, pipelines)
	if r.known {
		r.state, err = ledger.Glance(ctx, s, withUpstreams(pipelines))
	}
	if err := errors.Join(<-found, err); err != nil {
		return nil, err
	}
	for _, p := range pipelines {
		steps, err := pl.pipeline(ctx, p)
		if err != nil {
			return nil, err
		}
		for i := range steps {
			if st := &steps[i]; !st.Do {
				r.note(p, st.Window, st.Status) // what reads a window that cannot be written is skipped
			}
		}
		first := len(plan.Steps)
		if first == 0 {
			plan.Steps = steps
		} else {
			plan.Steps = append(plan.Steps, steps...)
		}
		plan.ranges[p.Name] = [2]int{first, len(plan.Steps)}
		for _, up := range p.Upstreams {
			if pl.dirty[up] != nil || plan.predicted[up] {
				plan.predicted[p.Name] = true
			}
		}
	}
	return plan, nil
}

// withUpstreams lists the pipelines and those that they read, each once.
func withUpstreams(pipelines []*twice.Pipeline) []string {
	var names []string
	for _, p := range pipelines {
		names = append(append(names, p.Name), p.Upstreams...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// filesOf resolves the file inputs of p.
func (r *Runner) filesOf(p *twice.Pipeline) *manifest.Files {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.files[p.Name] == nil {
		r.files[p.Name] = &manifest.Files{
			Dir: r.Dir, Source: p.File, Zone: p.Calendar.Zone, Env: r.Env, Rehash: r.Rehash, Read: r.Reading,
			Known: func(path string) (twice.File, bool) { f, ok := r.hashes[path]; return f, ok },
		}
	}
	return r.files[p.Name]
}

// windows lists the windows of p that the options select.
func (r *Runner) windows(p *twice.Pipeline) ([]twice.Window, error) {
	if !p.Windowed() {
		return []twice.Window{{}}, nil
	}
	from, to := p.Calendar.Begin, r.Now
	if !r.Start.IsZero() {
		from = r.Start
	}
	if !r.End.IsZero() {
		to = r.End
	}
	ws := p.Calendar.Range(from, to)
	if n := len(ws); n > 0 && ws[n-1].End.After(r.Now) && !r.Incomplete {
		return nil, twice.Errorf("window-not-ended", "window %s of %s has not ended: it is %s", ws[n-1], p.Name,
			r.Now.UTC().Format(time.RFC3339)).
			WithNext("take an earlier --end, or add --incomplete to write it as far as it goes").WithExit(twice.ExitProject)
	}
	if r.Only != nil {
		ws = slices.DeleteFunc(ws, func(w twice.Window) bool { return !r.Only(p, w) })
	}
	return ws, nil
}
