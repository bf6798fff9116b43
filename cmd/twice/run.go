package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/lint"
	"github.com/twice-data/twice/project"
	"github.com/twice-data/twice/run"
)

// runFlags are what run and plan have in common.
type runFlags struct {
	start, end  string
	incomplete  bool
	force       bool
	fullRefresh bool
	pinned      bool
	rehash      bool
	jobs        int
	lease       time.Duration
	now         string

	follow bool
	losses []string
}

func (f *runFlags) register(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&f.start, "start", "", "only windows from this `DATE` on: 2020-03-01 or RFC 3339")
	fl.StringVar(&f.end, "end", "", "only windows up to this `DATE`, which is not included")
	fl.BoolVar(&f.incomplete, "incomplete", false, "also windows that have not ended yet")
	fl.BoolVar(&f.force, "force", false, "redo windows that are up to date")
	fl.BoolVar(&f.fullRefresh, "full-refresh", false, "rebuild the tables from the first window on")
	fl.BoolVar(&f.pinned, "pinned", false, "replay the recorded inputs instead of looking for new ones")
	fl.BoolVar(&f.rehash, "rehash", false, "read every input file again, also those whose size and time are as before")
	fl.IntVar(&f.jobs, "jobs", 0, "windows at a `time`, where the target allows several (default 4)")
	fl.DurationVar(&f.lease, "lease", time.Minute, "how long a silent run keeps its windows from others")
	fl.StringVar(&f.now, "now", "", "take this `TIME` for the present, to find the last complete window")
	fl.StringArrayVar(&f.losses, "accept-loss", nil, "let a stream go on at TO where FROM was next: `[PARTITION:]FROM..TO`; the ledger keeps it")
}

// apply puts the flags into r's options.
func (f *runFlags) apply(r *run.Runner) error {
	var err error
	parse := func(flag, text string) (t time.Time) {
		if text == "" || err != nil {
			return t
		}
		if t, err = project.ParseTime(text, time.UTC); err != nil {
			err = usage("--%s: %q is not a date like 2020-03-01 or a time like 2020-03-01T06:00:00Z", flag, text)
		}
		return t
	}
	r.Start, r.End = parse("start", f.start), parse("end", f.end)
	if now := parse("now", f.now); !now.IsZero() {
		r.Now = now
	}
	if err != nil {
		return err
	}
	if !r.Start.IsZero() && !r.End.IsZero() && !r.Start.Before(r.End) {
		return usage("--start %s is not before --end %s", f.start, f.end).WithNext("the end is not included: for one day, --end is the next day")
	}
	if f.pinned && f.fullRefresh {
		return usage("--pinned and --full-refresh exclude each other")
	}
	r.Incomplete, r.Force, r.FullRefresh, r.Pinned, r.Rehash = f.incomplete, f.force, f.fullRefresh, f.pinned, f.rehash
	r.Jobs, r.LeaseTTL = f.jobs, f.lease
	for _, text := range f.losses {
		l, err := parseLoss(text)
		if err != nil {
			return err
		}
		r.Losses = append(r.Losses, l)
	}
	return nil
}

// parseLoss reads [PARTITION:]FROM..TO.
func parseLoss(text string) (run.Accepted, error) {
	l := run.Accepted{Partition: -1}
	part, offsets, ok := strings.Cut(text, ":")
	if !ok {
		offsets = part
	} else if n, err := strconv.ParseInt(part, 10, 32); err == nil && n >= 0 {
		l.Partition = int32(n)
	} else {
		offsets = ""
	}
	from, to, _ := strings.Cut(offsets, "..")
	var err1, err2 error
	l.From, err1 = strconv.ParseInt(from, 10, 64)
	l.To, err2 = strconv.ParseInt(to, 10, 64)
	if err1 != nil || err2 != nil {
		return l, usage("--accept-loss: %q is not [PARTITION:]FROM..TO", text).
			WithNext("copy it from the message that names the missing range: --accept-loss 0:120..400")
	}
	return l, nil
}

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run [PIPELINE ...]",
		Short: "Write every window that is new or stale",
		Long:  "Write every window that is new or stale, upstream first. A window that is up to date costs nothing.\nPipelines are selected by NAME, tag:TAG, +NAME (with what it reads) and NAME+ (with what reads it).",
		Example: `twice run
twice run mart.daily --start 2020-03-01 --end 2020-04-01
twice run +mart.daily --force`,
		RunE: func(c *cobra.Command, args []string) error { return a.run(c, args, &f) },
	}
	f.register(c)
	c.Flags().BoolVar(&f.follow, "follow", false, "go on with what comes, until SIGTERM or Ctrl-C; for streams and what reads them")
	return c
}

func (a *app) run(c *cobra.Command, args []string, f *runFlags) error {
	ctx := c.Context()
	var err error
	if a.trace, err = newTrace(a.env); err != nil {
		return err
	}
	if f.lease < time.Second {
		return usage("--lease %s: it must be a second or more", f.lease)
	}
	a.lease = f.lease
	return a.withPipelines(ctx, args, args, func(o *opened, pipelines []*twice.Pipeline) error {
		findings, err := o.lint(ctx, pipelines)
		if err != nil {
			return err
		}
		if bad := lint.Errors(findings); len(bad) > 0 {
			a.findings(bad)
			return toldAlready(usage("%d lint errors", len(bad)))
		}
		if err := a.create(ctx, o); err != nil {
			return err
		}
		return a.withRunner(o, f, func(r *run.Runner) error {
			view := a.newView(r)
			r.On, r.Planned, r.Reading = view.window, view.planned, view.reading
			sum, err := a.carryOut(ctx, r, view, pipelines, f)
			if sum != nil && (err == nil || len(sum.Counts) > 0) {
				view.summary(sum)
			}
			if err != nil {
				return err
			}
			return toldAlready(sum.Err())
		})
	})
}

// carryOut runs once, or follows.
func (a *app) carryOut(ctx context.Context, r *run.Runner, v *view, pipelines []*twice.Pipeline, f *runFlags) (*run.Summary, error) {
	if !f.follow {
		return r.Run(ctx, pipelines)
	}
	return r.Follow(ctx, pipelines, func() {
		r.On = v.news // what is up to date has been said
		r.Now, r.ID = a.now(), newRunID(a.now())
		v.id = r.ID
	})
}

func (a *app) planCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:     "plan [PIPELINE ...]",
		Short:   "Show what run would do, and why",
		Example: "twice plan\ntwice plan +mart.daily --start 2020-03-01",
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return a.withPipelines(ctx, args, args, func(o *opened, pipelines []*twice.Pipeline) error {
				return a.withRunner(o, &f, func(r *run.Runner) error {
					view := a.newView(r)
					r.Reading = view.reading
					plan, err := r.Plan(ctx, pipelines)
					view.clear()
					if err != nil {
						return err
					}
					a.showPlan(plan)
					return nil
				})
			})
		},
	}
	f.register(c)
	return c
}

func (a *app) showPlan(plan *run.Plan) {
	if a.json {
		for i := range plan.Steps {
			st := &plan.Steps[i]
			l := windowLine{Event: "plan", Pipeline: st.Pipeline.Name, Status: st.Status, Reason: st.Reason, Error: jsonOf(st.Err)}
			l.Start, l.End = bounds(st.Window)
			if st.Do {
				l.Status = "planned"
			}
			a.line(l)
		}
		return
	}
	t := newTable("PIPELINE", "WINDOWS", "FROM", "TO", "WHAT", "WHY")
	for _, g := range groups(plan.Steps) {
		first, last := plan.Steps[g[0]], plan.Steps[g[1]-1]
		what, why := string(first.Status), ""
		if first.Do {
			what, why = first.Pipeline.How(), string(first.Reason)
			if first.Reason == twice.UpNew && plan.Predicted(first.Pipeline) {
				why += ", unless its rows come out the same"
			}
		} else if first.Err != nil {
			why = first.Err.Message
		}
		t.add(first.Pipeline.Name, fmt.Sprint(g[1]-g[0]), edge(first.Window.Start), edge(last.Window.End), what, why)
	}
	t.print(a.stdout)
	fmt.Fprintf(a.stdout, "\n%s to write, of %d\n", counted(plan.Work(), "window"), len(plan.Steps))
}

// groups cuts steps where the pipeline, or what is to be done and why, changes: [from, to) indexes.
func groups(steps []run.Step) [][2]int {
	var gs [][2]int
	for i := range steps {
		if n := len(gs); n > 0 {
			p, st := &steps[gs[n-1][0]], &steps[i]
			if p.Pipeline == st.Pipeline && p.Do == st.Do && p.Reason == st.Reason && p.Status == st.Status &&
				(p.Err == nil) == (st.Err == nil) {
				gs[n-1][1] = i + 1
				continue
			}
		}
		gs = append(gs, [2]int{i, i + 1})
	}
	return gs
}
