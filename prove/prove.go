package prove

import (
	"context"
	"runtime"
	"slices"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/ledger"
	"github.com/twice-data/twice/project"
)

// Options say what to prove, and with what. Time, Windows, Seed and Workers may be zero.
type Options struct {
	Project   string            // its name
	Dir       string            // its folder, absolute
	Pipelines []*twice.Pipeline // all of it, linked, upstream first
	Selected  []*twice.Pipeline // those to prove, upstream first
	Target    project.Target    // the real one: it says which engine, and is never written
	Env       project.Env

	// Open opens a scratch target.
	Open func(context.Context, project.Target) (engine.Driver, error)
	// Peek opens the real target for reading, or gives nil when there is none yet. It is only called for pipelines that
	// read tables which no pipeline fills.
	Peek func(context.Context) (engine.Driver, error)

	// Take captures inputs that cannot be read twice; see run.Captures. Each window's are taken once.
	Take Take

	Binary  string // this program, for child processes
	Me      ledger.Process
	Version string

	Now        time.Time
	Start, End time.Time     // only windows inside [Start, End); zero: no bound
	Windows    int           // how many of each pipeline; 0: 4
	Laws       []string      // only these, by name; none: all
	Seed       int64         // decides every choice that is left to chance
	Time       time.Duration // a budget for everything; 0: none
	Workers    int           // trials at a time; 0: one more than there are processors, as each waits for the disk

	On       func(Verdict)                          // called for each verdict as it falls
	Progress func(pipeline, law string, trials int) // called often
}

// Verdict is what became of one law for one pipeline.
type Verdict struct {
	Pipeline string
	Law      Law
	Outcome  Outcome
	Trials   int
	Left     int // trials that the budget left untried
	Took     time.Duration
	Reason   string    // why it does not apply, or was not tried, or what broke
	Notes    []string  // what was seen on the way, each kind once
	Accounts []Account // of what was put into the input, what deserves a look first
	Break    *Break    // of a broken law
}

// Report is everything that a Run found.
type Report struct {
	Project  string
	Engine   string
	Seed     int64
	Began    time.Time
	Took     time.Duration
	Subjects []Subject
}

// Subject is one pipeline with its verdicts.
type Subject struct {
	Pipeline *twice.Pipeline
	Windows  []twice.Window // on which the laws were tried
	Rows     int64          // of the clean result
	Walk     []string       // the named statements of a clean run
	Crashes  int            // children killed and re-run
	Crashing time.Duration  // how long that took; cutting logs is not in it
	Verdicts []Verdict
}

// Broken counts the broken laws.
func (r *Report) Broken() int {
	n := 0
	for _, s := range r.Subjects {
		for _, v := range s.Verdicts {
			if v.Outcome == Broken {
				n++
			}
		}
	}
	return n
}

// Run proves the selected pipelines. The error is about proving itself; a broken law is in the report.
func Run(ctx context.Context, o Options) (*Report, error) {
	if o.Windows == 0 {
		o.Windows = 4
	}
	if o.Workers == 0 {
		o.Workers = runtime.NumCPU() + 1
	}
	r := &Report{Project: o.Project, Engine: o.Target.Engine, Seed: o.Seed, Began: time.Now()}
	sc, err := newScratch(ctx, &o)
	if err != nil {
		return nil, err
	}
	defer sc.remove(context.WithoutCancel(ctx))
	for i, p := range o.Selected {
		var until budget
		if o.Time > 0 {
			until.end = r.Began.Add(o.Time)
			until.share = time.Now().Add(time.Until(until.end) / time.Duration(len(o.Selected)-i))
		}
		s, err := proveOne(ctx, sc, p, until)
		if err != nil {
			return r, err
		}
		r.Subjects = append(r.Subjects, s)
	}
	r.Took = time.Since(r.Began)
	return r, ctx.Err()
}

// budget is until when a pipeline may be tried. Zero: there is no end.
type budget struct {
	share time.Time // its fair part
	end   time.Time // of everything
}

// proveOne tries every law on one pipeline in rounds: first each law's least, so that none goes without because another one
// has much to try, and then what more there is, until the pipeline's share of the time is over. On a slow machine even the
// first round is cut to that share, but for one trial of each law.
func proveOne(ctx context.Context, sc *scratch, p *twice.Pipeline, until budget) (Subject, error) {
	subject := Subject{Pipeline: p}
	verdict := func(v Verdict) {
		subject.Verdicts = append(subject.Verdicts, v)
		if sc.On != nil {
			sc.On(v)
		}
	}
	if p.To != nil {
		for _, l := range Laws {
			verdict(Verdict{Pipeline: p.Name, Law: l, Outcome: NotApplicable, Reason: "its rows go to a topic, in a transaction of the brokers: there is no table to compare"})
		}
		return subject, nil
	}
	b, err := newBench(ctx, sc, p)
	if err != nil {
		if ctx.Err() != nil {
			return subject, ctx.Err()
		}
		e := twice.AsError(err)
		for _, l := range Laws {
			verdict(Verdict{Pipeline: p.Name, Law: l, Outcome: Untried, Reason: "there is no clean run to compare with: " + firstLine(e.Error())})
		}
		return subject, nil
	}
	defer b.drop(context.WithoutCancel(ctx))
	subject.Windows, subject.Rows = b.windows, b.clean.Table.Rows
	var first, more []*trials
	for _, name := range lawOrder {
		if len(sc.Laws) > 0 && !slices.Contains(sc.Laws, name) {
			continue
		}
		l := Laws[slices.IndexFunc(Laws, func(l Law) bool { return l.Name == name })]
		if why := l.unless(b); why != "" {
			verdict(Verdict{Pipeline: p.Name, Law: l, Outcome: NotApplicable, Reason: why})
			continue
		}
		first = append(first, &trials{b: b, law: l, end: until.end, caveat: b.leftAlone(l)})
	}
	unstable := false
	for i, t := range first {
		if unstable {
			verdict(Verdict{Pipeline: p.Name, Law: t.law, Outcome: Untried, Reason: "two clean runs differ already: mend repeat first"})
			continue
		}
		t.round(ctx, least(t.law.Name), shareOf(first[i:], until.share))
		if ctx.Err() != nil {
			return subject, ctx.Err()
		}
		if t.open() {
			more = append(more, t)
			continue
		}
		v := t.verdict(ctx)
		verdict(v)
		unstable = t.law.Name == "repeat" && v.Outcome == Broken
	}
	for len(more) > 0 {
		var left []*trials
		for i, t := range more {
			t.round(ctx, 0, shareOf(more[i:], until.share))
			if ctx.Err() != nil {
				return subject, ctx.Err()
			}
			if t.open() && time.Now().Before(until.share) {
				left = append(left, t)
				continue
			}
			verdict(t.verdict(ctx))
		}
		more = left
	}
	slices.SortStableFunc(subject.Verdicts, func(a, b Verdict) int { return rank(a.Law) - rank(b.Law) })
	subject.Walk, subject.Crashes, subject.Crashing = b.walk, b.crashes, b.crashing
	return subject, nil
}

// shareOf is until when the first of the laws may take its time, if the others are to have theirs before the deadline.
func shareOf(laws []*trials, deadline time.Time) time.Time {
	if deadline.IsZero() {
		return deadline
	}
	sum := 0
	for _, t := range laws {
		sum += max(weight[t.law.Name], 1)
	}
	return time.Now().Add(time.Until(deadline) * time.Duration(max(weight[laws[0].law.Name], 1)) / time.Duration(sum))
}

func rank(l Law) int {
	return slices.IndexFunc(Laws, func(m Law) bool { return m.Name == l.Name })
}
