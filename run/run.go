package run

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/ledger"
	"github.com/twice-data/twice/manifest"
)

// Options narrow and change what a run does. The zero value does what is new or stale, up to the last complete window.
type Options struct {
	Now        time.Time // the only reading of the clock, made by the caller
	Start, End time.Time // only windows inside [Start, End); zero: no bound
	// Only narrows these windows further; nil: all.
	Only func(*twice.Pipeline, twice.Window) bool

	Incomplete  bool // allow windows that have not ended at Now
	Force       bool // redo windows that are up to date
	FullRefresh bool // rebuild: forget everything, then redo
	Pinned      bool // replay the recorded manifests instead of resolving inputs anew
	Jobs        int  // windows at a time, where the engine allows several; 0: 4
	Wait        time.Duration
	LeaseTTL    time.Duration // 0: a minute
	Losses      []Accepted    // gaps in topics over which streams may go on
}

// Runner runs pipelines on a target.
type Runner struct {
	DB      *engine.DB
	Project []*twice.Pipeline           // all of the project's, linked
	Dir     string                      // the project's folder, for file inputs
	Env     func(string) (string, bool) // for ${VAR} in paths
	Rehash  bool                        // never reuse the recorded hash of a file
	Me      ledger.Process
	ID      string // of this run
	Command string // as it was typed, for the ledger
	Version string // of the program
	Temp    string // a folder for files that need converting; the caller removes it

	Memory   *engine.DB // an engine in memory, for SELECTs whose rows no table takes; nil where there are none
	Captures Captures   // for inputs that cannot be read twice
	Copies   Copies     // of streams, to be read in their place
	Monitor  bool       // show where streams are as their groups' committed offsets
	Options

	On      func(Event)     // called for each window that ended, one at a time
	Planned func(*Plan)     // called once, before any work
	Reading func(bytes int) // called with each piece of an input file that is hashed, from several goroutines

	mu     sync.Mutex
	files  map[string]*manifest.Files // by pipeline
	hashes map[string]twice.File      // recorded, by path
	known  bool                       // the target has a ledger
	state  ledger.State
	failed map[string]map[string]bool // pipeline -> windows that did not commit in this run
	topics map[string]*Topic          // of streams, by pipeline

	starting sync.Mutex           // guards tried and started
	tried    bool                 // the ledger may have the run's row
	started  bool                 // it has
	hoped    map[twice.Status]int // how the windows end if all goes well
	ended    bool                 // the run's row says how it ended

	stop context.Context // while a run follows: done when it should end
}

// Copies are logs that stream.Copy has written, which stand for the streams themselves. The zero value: none do.
type Copies struct {
	Dir  string // holds a folder for each pipeline
	Rows int    // of a batch, at most; 0: as the input says
}

// Event is how one window ended.
type Event struct {
	Pipeline    *twice.Pipeline
	Window      twice.Window
	Status      twice.Status
	Reason      twice.Reason
	Rows        int64
	Changed     int64
	Fingerprint twice.Fingerprint
	Took        time.Duration
	Offsets     []twice.OffsetSpan // of a stream: the window
	Poison      int                // records of it that do not parse
	Late        int                // records that cannot be told from ones that were sent again
	Repeated    int                // records that were sent again, and left out by dedupe
	Warnings    []engine.Violation
	Err         *twice.Error
}

// Summary counts how the windows of a run ended.
type Summary struct {
	Counts map[twice.Status]int
	Held   bool // windows failed because somebody else holds them, and for no other reason
	Took   time.Duration
}

// Err is what the run as a whole leads to: nil, or an error with the exit code.
func (s *Summary) Err() error {
	bad := s.Counts[twice.Failed] + s.Counts[twice.Blocked] + s.Counts[twice.Skipped]
	if bad == 0 {
		return nil
	}
	err := twice.Errorf("incomplete", "%d of the windows did not commit", bad)
	if s.Held {
		err.Exit = twice.ExitHeld
	}
	return err
}

// Run does what Plan shows, pipelines in the given order, which must be upstream first.
func (r *Runner) Run(ctx context.Context, pipelines []*twice.Pipeline) (*Summary, error) {
	began := time.Now()
	plan, err := r.Plan(ctx, pipelines)
	if err != nil {
		return nil, err
	}
	if r.Planned != nil {
		r.Planned(plan)
	}
	sum := &Summary{Counts: map[twice.Status]int{}}
	held := 0
	events := func(e Event) {
		r.mu.Lock()
		defer r.mu.Unlock()
		sum.Counts[e.Status]++
		if e.Err != nil && e.Err.Exit == twice.ExitHeld {
			held++
		}
		sum.Held = held > 0 && held == sum.Counts[twice.Failed]+sum.Counts[twice.Blocked]
		if r.On != nil {
			r.On(e)
		}
	}
	if plan.Work() == 0 {
		for _, st := range plan.Steps {
			events(st.event())
		}
		sum.Took = time.Since(began)
		return sum, nil
	}
	r.hoped = plan.hope()
	work := func() error { return r.execute(ctx, plan, events) }
	if Relays(pipelines) {
		err = work() // nothing of it is in the target
	} else {
		err = r.recorded(ctx, sum, work)
	}
	sum.Took = time.Since(began)
	return sum, err
}

// Relays says whether the pipelines go to topics, all of them, so that they need no target.
func Relays(pipelines []*twice.Pipeline) bool {
	return len(pipelines) > 0 && !slices.ContainsFunc(pipelines, func(p *twice.Pipeline) bool { return p.To == nil })
}

// execute carries the steps out: each pipeline after those it reads; independent pipelines, and independent windows of
// one, at the same time where the engine allows it.
func (r *Runner) execute(ctx context.Context, plan *Plan, events func(Event)) error {
	done := map[string]chan struct{}{}
	for _, p := range plan.Pipelines {
		done[p.Name] = make(chan struct{})
	}
	slots := make(chan struct{}, r.jobs())
	var wg sync.WaitGroup
	one := func(i int, p *twice.Pipeline) {
		defer close(done[p.Name])
		for _, up := range p.Upstreams {
			if c, ok := done[up]; ok {
				<-c
			}
		}
		for _, earlier := range plan.Pipelines[:i] { // only those, as two may look into each other's tables
			if p.Awaits(earlier) {
				<-done[earlier.Name]
			}
		}
		r.pipeline(ctx, plan, p, slots, events)
	}
	for i, p := range plan.Pipelines {
		if r.jobs() == 1 {
			one(i, p) // in order, so that two runs send the engine the same statements
			continue
		}
		wg.Add(1)
		go func() { defer wg.Done(); one(i, p) }()
	}
	wg.Wait()
	return ctx.Err()
}

func (r *Runner) jobs() int {
	switch {
	case !r.DB.Features().ConcurrentWriters:
		return 1
	case r.Jobs == 0:
		return 4
	default:
		return r.Jobs
	}
}

// pipeline carries out one pipeline's steps. They are planned again when an upstream had work to do: what it wrote
// decides whether they have.
func (r *Runner) pipeline(ctx context.Context, plan *Plan, p *twice.Pipeline, slots chan struct{}, events func(Event)) {
	steps := plan.Of(p)
	if plan.Predicted(p) {
		s, err := r.DB.Session(ctx)
		if err == nil {
			steps, err = r.newPlanner(s, plan).pipeline(ctx, p)
			s.Close()
		}
		if err != nil {
			steps = failAll(plan.Of(p), err)
		}
	}
	if p.To != nil && steps[0].Do && ctx.Err() == nil {
		r.relay(ctx, steps[0], slots, events)
		return
	}
	if p.Stream() != nil && steps[0].Do && ctx.Err() == nil {
		r.drain(ctx, steps[0], slots, events)
		return
	}
	var wg sync.WaitGroup
	stopped := false
	batches := r.batches(p, steps)
	last := keepLease(p, batches)
	kept := last > 0 // the lease may be this run's still
	for i, b := range batches {
		if stopped && b[0].Do {
			b = skip(b, "an earlier window of it did not commit, and without a version the order of its windows matters")
		}
		if !b[0].Do || ctx.Err() != nil {
			for _, st := range b {
				r.note(st.Pipeline, st.Window, st.Status)
				events(st.event())
			}
			continue
		}
		work := func(reset bool) bool {
			slots <- struct{}{}
			defer func() { <-slots }()
			ok := true
			for _, e := range r.batch(ctx, p, b, reset) {
				r.note(e.Pipeline, e.Window, e.Status)
				ok = ok && (e.Status == twice.Committed || e.Status == twice.Unchanged)
				events(e)
			}
			return ok
		}
		reset := r.FullRefresh && firstWork(steps) == b[0].Window
		if r.jobs() == 1 || reset || !independent(p) {
			ok := work(reset)
			kept = kept && !(ok && i == last && r.receipt(p.Name, b[0].Window).Run == r.ID)
			stopped = stopped || (!ok && (ordered(p) || reset))
			continue
		}
		wg.Add(1)
		go func() { defer wg.Done(); work(false) }()
	}
	wg.Wait()
	if kept {
		r.free(context.WithoutCancel(ctx), p)
	}
}

// keepLease lets a run keep the lease on a table from one window that it writes to the next, where windows exclude each
// other: otherwise two runs could get into each other's way such that windows are left that neither wrote. It gives the
// index of the batch that releases it; -1: every batch does.
func keepLease(p *twice.Pipeline, batches [][]Step) (last int) {
	last = -1
	for i, b := range batches {
		if b[0].Do && !independent(p) {
			last = i
		}
	}
	for i := range last {
		for j := range batches[i] {
			batches[i][j].keep = true
		}
	}
	return last
}

// free releases the lease on p's table if this run still has it: the window that should have released it was not written
// by this run. If it fails, the lease runs out.
func (r *Runner) free(ctx context.Context, p *twice.Pipeline) {
	s, err := r.DB.Session(ctx)
	if err != nil {
		return
	}
	defer s.Close()
	_ = ledger.Free(ctx, s, ledger.Scope(p, twice.Window{}), r.ID)
}

// independent says whether p's windows may be written at the same time.
func independent(p *twice.Pipeline) bool { return p.Write == twice.Overwrite }

// ordered says whether the order of p's windows decides which rows stay.
func ordered(p *twice.Pipeline) bool {
	return p.Write == twice.Merge && p.Windowed() && p.Version == "" && p.WhenMissing == ""
}

func firstWork(steps []Step) twice.Window {
	for _, st := range steps {
		if st.Do {
			return st.Window
		}
	}
	return twice.Window{}
}

// batches groups adjoining windows with work to do, up to the pipeline's batch size; every other window is alone.
func (r *Runner) batches(p *twice.Pipeline, steps []Step) [][]Step {
	var bs [][]Step
	for _, st := range steps {
		if n := len(bs); n > 0 && st.Do {
			last := bs[n-1]
			end := last[len(last)-1]
			if end.Do && len(last) < p.BatchSize && end.Window.End.Equal(st.Window.Start) &&
				(!captures(p) || end.pending && st.pending) { // a manifest of an earlier run is replayed as it was recorded
				bs[n-1] = append(last, st)
				continue
			}
		}
		bs = append(bs, []Step{st})
	}
	return bs
}

// note remembers a window that did not commit, so that what reads it is skipped.
func (r *Runner) note(p *twice.Pipeline, w twice.Window, status twice.Status) {
	if status == twice.Committed || status == twice.Unchanged || status == twice.Waiting {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed[p.Name] == nil {
		r.failed[p.Name] = map[string]bool{}
	}
	r.failed[p.Name][w.Key()] = true
}

func (r *Runner) didFail(pipeline string, w twice.Window) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed[pipeline][w.Key()]
}

func skip(steps []Step, why string) []Step {
	skipped := append([]Step(nil), steps...)
	for i := range skipped {
		skipped[i].Do, skipped[i].Status = false, twice.Skipped
		skipped[i].Err = twice.Errorf("skipped", "%s", why)
	}
	return skipped
}

func failAll(steps []Step, err error) []Step {
	failed := append([]Step(nil), steps...)
	for i := range failed {
		failed[i].Do, failed[i].Status, failed[i].Err = false, twice.Failed, twice.AsError(err)
	}
	return failed
}
