package prove

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/twice-data/twice"
)

//go:embed report.html
var page string

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"counted": counted,
	"windows": list,
	"outcome": func(o Outcome) string { return strings.ReplaceAll(string(o), "_", " ") },
	"round":   func(d time.Duration) string { return d.Round(10 * time.Millisecond).String() },
	"place":   func(b *Break) string { return (&twice.Error{File: b.File, Line: b.Line}).Place() },
	"holds":   func(v Verdict) bool { return v.Outcome == Holds },
	"broken":  func(v Verdict) bool { return v.Outcome == Broken },
	"steps":   stepsOf,
	"summary": summaryOf,
}).Parse(page))

// HTML is the report as one page without references to anything outside of it.
func HTML(r *Report) ([]byte, error) {
	var b bytes.Buffer
	err := pageTemplate.Execute(&b, r)
	return b.Bytes(), err
}

// tally counts verdicts by outcome.
type tally struct {
	Holds, Broken, NotApplicable, Untried, Trials, Crashes int
}

func summaryOf(r *Report) tally {
	var t tally
	for _, s := range r.Subjects {
		t.Crashes += s.Crashes
		for _, v := range s.Verdicts {
			t.Trials += v.Trials
			switch v.Outcome {
			case Holds:
				t.Holds++
			case Broken:
				t.Broken++
			case NotApplicable:
				t.NotApplicable++
			case Untried:
				t.Untried++
			}
		}
	}
	return t
}

// step is one stage of a pipeline's walk from source to commit: what could break there, and the laws that tried it.
type step struct {
	Name   string
	Danger string
	Laws   []Verdict
	Points []string // the statements of it
}

// stages are the steps, with the names of their statements.
var stages = []struct {
	name, danger string
	laws         []string
	statements   []string
}{
	{"Source", "rows come in another order, twice, late, wrong, or change afterwards", []string{"shuffle", "duplicate", "late", "replay", "hostile"},
		[]string{"attach", "describe"}},
	{"Lease and manifest", "two runs start at once; one is paused and wakes when another has replaced it", []string{"overlap", "zombie"},
		[]string{"ledger", "receipts", "files", "old run", "start run", "leases", "lease", "first lease", "record manifest", "old files"}},
	{"Rows", "the SELECT asks the clock, chance, or what the table held before", []string{"repeat", "order", "split", "rebuild", "clock"},
		[]string{"stage", "insert", "delete", "changes", "update", "weigh", "fence", "reset", "create table", "delete missing", "missing"}},
	{"Checks", "bad rows are seen by readers before somebody says no", []string{"reader"},
		[]string{"check", "rows view", "guard", "fingerprint", "staged rows", "rows before"}},
	{"Commit", "the process dies, before or after; the answer is lost; something is left behind", []string{"crash", "ack", "residue"},
		[]string{"commit", "old receipt", "receipt", "history", "release", "total", "end run", "rename", "drop", "keep previous"}},
}

func stepsOf(s Subject) []step {
	var steps []step
	for _, st := range stages {
		one := step{Name: st.name, Danger: st.danger, Laws: laws(s, st.laws)}
		for _, name := range s.Walk {
			prefixed := func(p string) bool { return name == p || strings.HasPrefix(name, p+" ") }
			if slices.ContainsFunc(st.statements, prefixed) && !slices.Contains(one.Points, name) {
				one.Points = append(one.Points, name)
			}
		}
		steps = append(steps, one)
	}
	return steps
}

func laws(s Subject, names []string) []Verdict {
	var vs []Verdict
	for _, name := range names {
		for _, v := range s.Verdicts {
			if v.Law.Name == name {
				vs = append(vs, v)
			}
		}
	}
	return vs
}

// RowCount is the number of rows of the clean result.
func (s Subject) RowCount() int { return int(s.Rows) }

// Title is the report's outcome in a few words.
func (r *Report) Title() string {
	switch n := r.Broken(); {
	case n > 0:
		return fmt.Sprintf("%s broken", counted(n, "law"))
	case summaryOf(r).Untried > 0:
		return fmt.Sprintf("nothing broken, %d not tried", summaryOf(r).Untried)
	default:
		return "every law holds"
	}
}
