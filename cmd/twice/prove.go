package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/capture"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/engine/duckdb"
	"github.com/twice-data/twice/manifest"
	"github.com/twice-data/twice/project"
	"github.com/twice-data/twice/prove"
)

// proveFlags are the options of prove.
type proveFlags struct {
	start, end string
	windows    int
	laws       []string
	seed       int64
	time       time.Duration
	junit      string
	html       string
}

func (a *app) proveCommand() *cobra.Command {
	var f proveFlags
	c := &cobra.Command{
		Use:   "prove [PIPELINE ...]",
		Short: "Try whether pipelines survive being run twice, killed, overlapped and disturbed",
		Long: "Run pipelines in a scratch target again and again: twice, in another order, killed at every statement,\n" +
			"beside each other, with disturbed inputs, under another clock. Every result is compared with a clean run's.\n" +
			"The target and the inputs themselves are never written.",
		Example: "twice prove\ntwice prove mart.daily --time 5m\ntwice prove --html proof.html --junit proof.xml",
		RunE:    func(c *cobra.Command, args []string) error { return a.prove(c.Context(), args, &f) },
	}
	fl := c.Flags()
	fl.StringVar(&f.start, "start", "", "choose windows from this `DATE` on: 2020-03-01 or RFC 3339")
	fl.StringVar(&f.end, "end", "", "choose windows up to this `DATE`, which is not included")
	fl.IntVar(&f.windows, "windows", 4, "how many windows of each pipeline to choose")
	fl.StringSliceVar(&f.laws, "law", nil, "try only this `LAW`: repeat, order, crash, ...; may be given again")
	fl.Int64Var(&f.seed, "seed", 0, "repeat the choices of the run with this `SEED`; 0: new ones")
	fl.DurationVar(&f.time, "time", 55*time.Second, "how long to try; 0: until everything has been tried")
	fl.StringVar(&f.junit, "junit", "", "also write a report for CI to this `FILE`")
	fl.StringVar(&f.html, "html", "", "also write a page to show to people to this `FILE`")
	return c
}

func (a *app) prove(ctx context.Context, args []string, f *proveFlags) error {
	o, err := a.proving(ctx, args)
	if err != nil {
		return err
	}
	span := rangeFlags{f.start, f.end}
	w, err := span.window()
	if err != nil {
		return err
	}
	if f.windows < 1 {
		return usage("--windows %d: at least one window is needed", f.windows)
	}
	for _, name := range f.laws {
		if !slices.ContainsFunc(prove.Laws, func(l prove.Law) bool { return l.Name == name }) {
			return usage("--law %s: there is no such law; docs/laws.md lists them", name)
		}
	}
	o.Start, o.End, o.Windows, o.Laws, o.Seed, o.Time = w.Start, w.End, f.windows, f.laws, f.seed, f.time
	if o.Seed == 0 {
		o.Seed = a.now().UnixNano() % 1_000_000
	}
	v := &proveView{app: a}
	o.On, o.Progress = v.verdict, v.progress
	files := new(duckdb.Instances)
	defer files.Close()
	o.Open = func(ctx context.Context, t project.Target) (engine.Driver, error) {
		return openScratch(ctx, t, patience{wait: a.wait}, files.Open)
	}
	r, err := prove.Run(ctx, *o)
	v.clear()
	if err != nil {
		return err
	}
	if err := reports(r, f); err != nil {
		return err
	}
	v.summary(r)
	if n := r.Broken(); n > 0 {
		return toldAlready(twice.Errorf("law-broken", "%d laws are broken", n))
	}
	return nil
}

// reports writes the files that were asked for.
func reports(r *prove.Report, f *proveFlags) error {
	for _, file := range []struct {
		path  string
		write func(*prove.Report) ([]byte, error)
	}{{f.junit, prove.JUnit}, {f.html, prove.HTML}} {
		if file.path == "" {
			continue
		}
		b, err := file.write(r)
		if err != nil {
			return err
		}
		if err := os.WriteFile(file.path, b, 0o644); err != nil {
			return twice.Errorf("unwritable", "the report could not be written: %w", err).WithExit(twice.ExitProject)
		}
	}
	return nil
}

// proving loads the project without opening its target for writing.
func (a *app) proving(ctx context.Context, args []string) (*prove.Options, error) {
	p, t, err := a.load()
	if err != nil {
		return nil, err
	}
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir := p.Dir // of the project, in which commands run
	o := &prove.Options{
		Project: p.Name, Dir: p.Dir, Target: t, Env: a.env, Binary: binary, Me: me(), Version: version, Now: a.now(),
		Peek: func(ctx context.Context) (engine.Driver, error) { return peek(ctx, t, a.wait) },
		Take: func(ctx context.Context, s manifest.Store, p *twice.Pipeline, ws []twice.Window, tmp string) ([][]twice.Pin, error) {
			return (&capture.Capturer{Dir: dir, Store: s}).Capture(ctx, p, ws, tmp)
		},
	}
	if err := a.linked(ctx, p, o); err != nil {
		return nil, err
	}
	var relays []*twice.Pipeline
	o.Pipelines, _ = parted(p.Order())
	if o.Selected, err = p.Select(args); err == nil {
		o.Selected, relays = parted(o.Selected)
	}
	if len(relays) > 0 && len(o.Selected) == 0 {
		return nil, twice.Errorf("relay-prove", "%s goes to a topic, and the laws are about tables", relays[0].Name).
			At(relays[0].File, relays[0].To.Line).WithNext("docs/laws.md says how to prove its SELECT as a stream into a table").WithExit(twice.ExitProject)
	}
	return o, err
}

// peek opens a target for reading; nil: it does not exist yet.
func peek(ctx context.Context, t project.Target, wait time.Duration) (engine.Driver, error) {
	if t.Engine != "duckdb" {
		return drivers[t.Engine](ctx, t, patience{wait: wait})
	}
	if _, err := os.Stat(t.Path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	d, err := duckdb.Open(ctx, duckdb.Options{Path: t.Path, ReadOnly: true, Wait: wait})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// linked finds out which pipeline reads which: with the target's own views if it can be read, else by the SQL alone.
func (a *app) linked(ctx context.Context, p *project.Project, o *prove.Options) error {
	d, err := o.Peek(ctx)
	if d == nil && o.Target.Engine == "duckdb" && (err == nil || twice.AsError(err).Code == "target-held") {
		d, err = duckdb.Open(ctx, duckdb.Options{})
	}
	if err != nil {
		return err
	}
	defer d.Close()
	return p.Link(func(pl *twice.Pipeline) ([]engine.TableRef, error) {
		if pl.To != nil {
			return nil, nil
		}
		q, err := d.Parse(ctx, pl.SQL)
		if err != nil {
			return nil, err
		}
		return q.Tables, nil
	})
}

// proveView prints verdicts as they fall, under their pipeline.
type proveView struct {
	*app
	pipeline string
	drawn    bool
	last     time.Time
}

func (v *proveView) progress(pipeline, law string, trials int) {
	if v.json || !isTerminal(v.stderr) || time.Since(v.last) < 100*time.Millisecond {
		return
	}
	v.last, v.drawn = time.Now(), true
	fmt.Fprintf(v.stderr, "\r\x1b[K  %s  %s  %s", pipeline, law, counted(trials, "trial"))
}

func (v *proveView) clear() {
	if v.drawn {
		fmt.Fprint(v.stderr, "\r\x1b[K")
		v.drawn = false
	}
}

type lawLine struct {
	Event    string        `json:"event"`
	Pipeline string        `json:"pipeline"`
	Group    string        `json:"group"`
	Law      string        `json:"law"`
	Verdict  string        `json:"verdict"`
	Trials   int           `json:"trials"`
	Untried  int           `json:"untried,omitempty"`
	Seconds  float64       `json:"seconds"`
	Reason   string        `json:"reason,omitempty"`
	Notes    []string      `json:"notes,omitempty"`
	Accounts []accountJSON `json:"accounts,omitempty"`
	Example  *example      `json:"example,omitempty"`
}

// accountJSON says what became of something strange in the input.
type accountJSON struct {
	Put    string `json:"put"`
	Fate   string `json:"fate"`
	Detail string `json:"detail,omitempty"`
}

func accountsOf(as []prove.Account) []accountJSON {
	var all []accountJSON
	for _, a := range as {
		all = append(all, accountJSON{a.Put, string(a.Fate), a.Detail})
	}
	return all
}

// example is a broken law's shortest reproduction.
type example struct {
	Steps     []string       `json:"steps"`
	Point     string         `json:"point,omitempty"`
	Windows   []string       `json:"windows"`
	InputRows int            `json:"input_rows,omitempty"`
	Columns   []string       `json:"columns,omitempty"`
	Missing   []differingRow `json:"missing,omitempty"`
	Extra     []differingRow `json:"extra,omitempty"`
	LastBits  bool           `json:"last_digits_only,omitempty"`
	Found     string         `json:"found,omitempty"`
	Error     *errorJSON     `json:"error,omitempty"`
	Cause     string         `json:"cause,omitempty"`
	File      string         `json:"file,omitempty"`
	Line      int            `json:"line,omitempty"`
	Next      string         `json:"next,omitempty"`
}

type differingRow struct {
	Values []string `json:"values"`
	Times  int      `json:"times"`
}

func exampleOf(b *prove.Break) *example {
	if b == nil {
		return nil
	}
	e := &example{
		Steps: b.Steps, Point: b.Point, Found: b.Found, Error: jsonOf(b.Err), Cause: b.Cause, File: b.File, Line: b.Line,
		Next: b.Next, InputRows: max(b.Inputs, 0),
	}
	for _, w := range b.Windows {
		e.Windows = append(e.Windows, w.String())
	}
	if d := b.Diff; d != nil {
		e.Columns, e.LastBits = d.Columns, d.LastBits
		for _, r := range d.Missing {
			e.Missing = append(e.Missing, differingRow(r))
		}
		for _, r := range d.Extra {
			e.Extra = append(e.Extra, differingRow(r))
		}
	}
	return e
}

func (v *proveView) verdict(d prove.Verdict) {
	v.clear()
	if v.json {
		v.line(lawLine{
			Event: "law", Pipeline: d.Pipeline, Group: d.Law.Group, Law: d.Law.Name, Verdict: string(d.Outcome), Trials: d.Trials,
			Untried: d.Left, Seconds: seconds(d.Took), Reason: d.Reason, Notes: d.Notes, Accounts: accountsOf(d.Accounts), Example: exampleOf(d.Break),
		})
		return
	}
	if d.Pipeline != v.pipeline {
		if v.pipeline != "" {
			fmt.Fprintln(v.stdout)
		}
		v.pipeline = d.Pipeline
		fmt.Fprintln(v.stdout, d.Pipeline)
	}
	outcome, colour := string(d.Outcome), yellow
	switch d.Outcome {
	case prove.Holds:
		colour = green
	case prove.Broken:
		outcome, colour = "BROKEN", red
	case prove.NotApplicable:
		outcome, colour = "n/a", dim
	}
	detail := d.Reason
	if d.Outcome == prove.Holds {
		detail = strings.TrimSuffix(d.Law.Promise+"; "+d.Reason, "; ")
	}
	trials := ""
	if d.Trials > 0 {
		trials = counted(d.Trials, "trial")
	}
	fmt.Fprintf(v.stdout, "  %-9s  %s  %10s  %s\n", d.Law.Name, paint(v.stdout, colour, fmt.Sprintf("%-7s", outcome)), trials, detail)
	if d.Break != nil {
		v.reproduction(d.Break)
	}
	v.accounts(d)
}

// mostAccounts is how many of the accounts are shown on the terminal that deserve a look: what left no trace, or another value.
const mostAccounts = 4

// accounts says briefly where strange input has gone.
func (v *proveView) accounts(d prove.Verdict) {
	if len(d.Accounts) == 0 {
		return
	}
	fmt.Fprintf(v.stdout, "      put into the input: %s\n", d.Tally())
	shown := 0
	for _, a := range d.Accounts {
		if a.Fate != prove.NoTrace && a.Fate != prove.BecameNull && a.Fate != prove.Altered {
			continue
		}
		if shown == mostAccounts {
			fmt.Fprintln(v.stdout, "        ...; all of them: --html FILE")
			break
		}
		fmt.Fprintf(v.stdout, "        %s: %s\n", a.Put, strings.TrimSuffix(a.Fate.Words()+": "+a.Detail, ": "))
		shown++
	}
}

// reproduction shows how a law was seen broken.
func (v *proveView) reproduction(b *prove.Break) {
	for i, s := range b.Steps {
		fmt.Fprintf(v.stdout, "      %d. %s\n", i+1, s)
	}
	if n := len(b.Windows); n > 0 {
		names := make([]string, n)
		for i, w := range b.Windows {
			names[i] = w.String()
		}
		rows := ""
		if b.Inputs >= 0 {
			rows = " with " + counted(b.Inputs, "input row")
		}
		fmt.Fprintf(v.stdout, "      shortest: %s %s%s\n", counted(n, "window"), strings.Join(names, ", "), rows)
	}
	if d := b.Diff; d != nil && !d.Counted {
		t := newTable(append([]string{"      "}, d.Columns...)...)
		add := func(sign string, rows []prove.Row) {
			for _, r := range rows {
				times := ""
				if r.Times > 1 {
					times = fmt.Sprintf(" x%d", r.Times)
				}
				t.add(append([]string{"      " + sign + times}, r.Values...)...)
			}
		}
		add("missing", d.Missing)
		add("extra", d.Extra)
		t.print(v.stdout)
	}
	if b.Cause != "" {
		place := b.File
		if b.Line > 0 {
			place = fmt.Sprintf("%s:%d", b.File, b.Line)
		}
		fmt.Fprintf(v.stdout, "      likely cause: %s: %s\n", place, b.Cause)
	}
	if b.Next != "" {
		fmt.Fprintf(v.stdout, "      next: %s\n", b.Next)
	}
}

type proveSummary struct {
	Event         string  `json:"event"`
	Holds         int     `json:"holds"`
	Broken        int     `json:"broken"`
	NotApplicable int     `json:"not_applicable"`
	Untried       int     `json:"untried"`
	Trials        int     `json:"trials"`
	Crashes       int     `json:"crashes"`
	CrashesPerSec float64 `json:"crashes_per_second,omitempty"`
	Seed          int64   `json:"seed"`
	Seconds       float64 `json:"seconds"`
}

func (v *proveView) summary(r *prove.Report) {
	s := proveSummary{Event: "summary", Seed: r.Seed, Seconds: seconds(r.Took)}
	var crashing time.Duration
	for _, sub := range r.Subjects {
		s.Crashes += sub.Crashes
		crashing += sub.Crashing
		for _, d := range sub.Verdicts {
			s.Trials += d.Trials
			switch d.Outcome {
			case prove.Holds:
				s.Holds++
			case prove.Broken:
				s.Broken++
			case prove.NotApplicable:
				s.NotApplicable++
			case prove.Untried:
				s.Untried++
			}
		}
	}
	if crashing > 0 {
		s.CrashesPerSec = float64(int(10*float64(s.Crashes)/crashing.Seconds())) / 10
	}
	if v.json {
		v.line(s)
		return
	}
	parts := []string{fmt.Sprintf("%d hold", s.Holds)}
	for _, p := range []struct {
		n    int
		what string
	}{{s.Broken, "broken"}, {s.NotApplicable, "do not apply"}, {s.Untried, "untried"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	fmt.Fprintf(v.stdout, "\n%s: %s in %s, seed %d\n", counted(len(r.Subjects), "pipeline"), strings.Join(parts, ", "),
		r.Took.Round(100*time.Millisecond), r.Seed)
	fmt.Fprintf(v.stdout, "%s, %s and runs to the end after them", counted(s.Trials, "trial"), counted(s.Crashes, "kill"))
	if s.CrashesPerSec > 0 {
		fmt.Fprintf(v.stdout, " (%.1f a second)", s.CrashesPerSec)
	}
	fmt.Fprintln(v.stdout)
	if slices.ContainsFunc(r.Subjects, func(s prove.Subject) bool {
		return slices.ContainsFunc(s.Verdicts, func(v prove.Verdict) bool { return v.Left > 0 })
	}) {
		fmt.Fprintln(v.stdout, "next: --time 10m tries what did not fit; --time 0 tries everything")
	}
}
