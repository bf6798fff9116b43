package lint

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// Engine is what lint asks of an engine. Every engine.Driver is one.
type Engine interface {
	Parse(ctx context.Context, query string) (*engine.Query, error)
	Volatility(ctx context.Context, names []string) (map[string]engine.Volatility, error)
}

// Finding is a place that breaks a rule.
type Finding struct {
	Pipeline string
	File     string // relative to the project's folder
	Line     int    // of the file, 1-based
	Rule     string
	Severity Severity
	Waived   bool
	Reason   string // of the waiver
	Message  string
	Next     string
}

// Error is f as an error of the project.
func (f Finding) Error() *twice.Error {
	return twice.Errorf(f.Rule, "%s", f.Message).WithNext("%s", f.Next).At(f.File, f.Line).WithExit(twice.ExitProject)
}

// Errors are the findings that stop a run: errors that nobody waived.
func Errors(findings []Finding) []Finding {
	var stop []Finding
	for _, f := range findings {
		if f.Severity == Error && !f.Waived {
			stop = append(stop, f)
		}
	}
	return stop
}

// Check gives the findings of pl, in the order of their lines; waived ones stay in the list. all are the pipelines of the
// project: what they fill may be read, and what their checks make unique is unique. SQL that does not parse is an error
// with code "syntax" or "not-a-select", placed in pl's file.
func Check(ctx context.Context, e Engine, pl *twice.Pipeline, all []*twice.Pipeline) ([]Finding, error) {
	all = slices.DeleteFunc(slices.Clone(all), func(p *twice.Pipeline) bool { return p.To != nil }) // they fill no table
	c, err := read(ctx, e, pl, all)
	if err != nil {
		return nil, err
	}
	c.header()
	for i := range pl.Inputs {
		if pl.Inputs[i].Table != "" {
			if err := c.tableInput(ctx, e, &pl.Inputs[i]); err != nil {
				return nil, err
			}
		}
	}
	c.waive()
	sort.SliceStable(c.findings, func(i, j int) bool { return c.findings[i].Line < c.findings[j].Line })
	return c.findings, nil
}

// read parses pl's SQL and checks what it says.
func read(ctx context.Context, e Engine, pl *twice.Pipeline, all []*twice.Pipeline) (*checker, error) {
	q, err := e.Parse(ctx, pl.SQL)
	if err != nil {
		return nil, inFile(err, pl)
	}
	volatility, err := e.Volatility(ctx, names(q))
	if err != nil {
		return nil, err
	}
	c := &checker{pl: pl, all: all, query: q, volatility: volatility, seen: map[string]bool{}, decided: map[string]bool{}}
	c.tables()
	c.calls()
	c.selects()
	c.picks()
	c.stream()
	return c, nil
}

// tableInput looks at what an existing relation of the target is: a view may ask the clock.
func (c *checker) tableInput(ctx context.Context, e Engine, in *twice.Input) error {
	look := *c.pl
	look.SQL, look.Line, look.UniqueKey, look.Checks = "select * from "+in.Table, in.Line, nil, nil
	look.Inputs = []twice.Input{{Name: in.Table, Table: in.Table}}
	inner, err := read(ctx, e, &look, c.all)
	if err != nil {
		return err
	}
	c.findings = append(c.findings, inner.findings...)
	return nil
}

func inFile(err error, pl *twice.Pipeline) error {
	e := *twice.AsError(err)
	if e.File == "" {
		e.File, e.Line = pl.File, pl.Line+max(e.Line, 1)-1
	}
	return &e
}

func names(q *engine.Query) []string {
	seen := map[string]bool{}
	var list []string
	for _, c := range q.Calls {
		if !seen[c.Name] {
			seen[c.Name] = true
			list = append(list, c.Name)
		}
	}
	return list
}

// checker looks at one pipeline.
type checker struct {
	pl         *twice.Pipeline
	all        []*twice.Pipeline
	query      *engine.Query
	volatility map[string]engine.Volatility
	findings   []Finding
	seen       map[string]bool // rules, and rule and place: one finding for each is enough
	decided    map[string]bool // answers of decides, by SELECT and names
}

// report notes that p breaks a rule. A place inside a view or macro is where the text names it.
func (c *checker) report(name string, p engine.Place, format string, args ...any) {
	line := c.pl.Line
	if p.At > 0 {
		line += strings.Count(c.pl.SQL[:min(p.At, len(c.pl.SQL))], "\n")
	}
	message := fmt.Sprintf(format, args...)
	if p.Via != "" {
		message += " (through " + p.Via + ")"
	}
	place := fmt.Sprintf("%s at %d", name, p.At)
	if c.seen[place] || p.At < 0 && c.seen[name] {
		return // without a place it is only news if the rule found nothing yet
	}
	c.seen[name], c.seen[place] = true, true
	c.add(name, line, message, rule(name).Cure)
}

func (c *checker) add(name string, line int, message, next string) {
	c.findings = append(c.findings, Finding{
		Pipeline: c.pl.Name, File: c.pl.File, Line: line,
		Rule: name, Severity: rule(name).Severity, Message: message, Next: next,
	})
}

// waive marks what pl.Allow waives, and checks the waivers themselves, which nothing waives.
func (c *checker) waive() {
	used := map[string]bool{}
	for i := range c.findings {
		f := &c.findings[i]
		for _, w := range c.pl.Allow {
			if w.Rule == f.Rule {
				f.Waived, f.Reason = true, w.Reason
				used[w.Rule] = true
			}
		}
	}
	for _, w := range c.pl.Allow {
		line := w.Line
		if line == 0 {
			line = c.pl.Line
		}
		switch known := ruleNames(); {
		case !contains(known, w.Rule):
			c.add("unknown-rule", line, fmt.Sprintf("allow: there is no rule %q", w.Rule),
				suggest(w.Rule, known, "write one of "+strings.Join(known, ", ")))
		case !used[w.Rule]:
			c.add("unused-waiver", line, fmt.Sprintf("allow: %s finds nothing in this pipeline", w.Rule),
				rule("unused-waiver").Cure)
		}
	}
}

func ruleNames() []string {
	var list []string
	for _, r := range Rules {
		list = append(list, r.Name)
	}
	return list
}
