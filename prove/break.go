package prove

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/twice-data/twice"
)

// mostExamples is how many differing rows a report shows.
const mostExamples = 5

// Break is how a law was seen broken.
type Break struct {
	Steps   []string // what was done, in order
	Point   string   // the statement at which a process was killed or paused; empty: none was
	Windows []twice.Window
	Inputs  int // rows of input that it takes; -1: they were not counted

	Diff  *Diff        // the rows that differ; nil: none do
	Err   *twice.Error // a run that the clean run has no error for ended in this
	Found string       // what else was found: a lying receipt, a table left behind

	Cause string // what most likely causes it
	File  string // and where that is
	Line  int
	Next  string // what to change
}

// Diff is the difference between the clean table and the one found.
type Diff struct {
	Columns  []string
	Missing  []Row // in the clean table alone
	Extra    []Row // in the table found alone
	Lost     int   // how many rows are missing in all
	Doubled  int   // how many extra rows are copies of rows that belong there
	Added    int   // how many rows are extra in all
	LastBits bool  // rows differ in nothing but the last digits of floating-point numbers
	Counted  bool  // only counts are known: the table is too large to show
}

// Row is one row of a Diff, as text; several equal ones are one Row.
type Row struct {
	Values []string
	Times  int
}

func (br *Break) from(s scenario, b *bench) *Break {
	if br.Steps == nil {
		br.Steps = s.steps
	}
	if br.Windows == nil {
		br.Windows = b.windows
	}
	return br
}

// Reason is the break in one line.
func (br *Break) Reason() string {
	var parts []string
	if br.Point != "" {
		parts = append(parts, br.Point)
	} else if n := len(br.Steps); n > 0 {
		parts = append(parts, br.Steps[n-1])
	}
	switch {
	case br.Err != nil:
		parts = append(parts, "the run fails: "+firstLine(br.Err.Message))
	case br.Diff != nil:
		parts = append(parts, br.Diff.String())
	}
	if br.Found != "" {
		parts = append(parts, br.Found)
	}
	return strings.Join(parts, ": ")
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// String is "2 rows missing, 1 row extra".
func (d *Diff) String() string {
	if d.LastBits {
		return fmt.Sprintf("%s differ in the last digits of floating-point numbers", counted(d.Added, "row"))
	}
	var parts []string
	if d.Lost > 0 {
		parts = append(parts, counted(d.Lost, "row")+" missing")
	}
	if extra := d.Added - d.Doubled; extra > 0 {
		parts = append(parts, counted(extra, "row")+" extra")
	}
	if d.Doubled > 0 {
		parts = append(parts, counted(d.Doubled, "row")+" doubled")
	}
	if len(parts) == 0 {
		return "the rows differ"
	}
	return strings.Join(parts, ", ")
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// compare holds what was found against what should be; nil: they are equal, and the receipts are true.
func compare(want, got *state) *Break {
	switch {
	case !got.equal(want):
		return &Break{Inputs: -1, Diff: difference(want, got)}
	case len(got.lies) > 0:
		return &Break{Inputs: -1, Found: got.lies[0]}
	default:
		return nil
	}
}

func difference(want, got *state) *Diff {
	if want.rows == nil || got.rows == nil {
		d := &Diff{Counted: true}
		if n := int(got.Table.Rows - want.Table.Rows); n < 0 {
			d.Lost = -n
		} else {
			d.Added = n
		}
		return d
	}
	d := &Diff{Columns: want.rows.columns}
	if len(d.Columns) == 0 {
		d.Columns = got.rows.columns
	}
	missing, extra := minus(want.rows, got.rows), minus(got.rows, want.rows)
	for _, r := range missing {
		d.Lost += r.Times
	}
	for _, r := range extra {
		d.Added += r.Times
		if want.rows.count[strings.Join(r.Values, separator)] > 0 {
			d.Doubled += r.Times
		}
	}
	d.LastBits = lastBits(missing, extra)
	m, e := len(missing), len(extra)
	if m+e > mostExamples {
		m = min(m, max(mostExamples-e, mostExamples/2))
		e = min(e, mostExamples-m)
	}
	d.Missing, d.Extra = missing[:m], extra[:e]
	return d
}

// minus lists the rows of a that b does not have as often, sorted.
func minus(a, b *rows) []Row {
	var rs []Row
	for key, n := range a.count {
		if more := n - b.count[key]; more > 0 {
			rs = append(rs, Row{strings.Split(key, separator), more})
		}
	}
	sort.Slice(rs, func(i, j int) bool { return slices.Compare(rs[i].Values, rs[j].Values) < 0 })
	return rs
}

// lastBits says whether missing and extra are the same rows but for the last digits of floating-point numbers.
func lastBits(missing, extra []Row) bool {
	if len(missing) == 0 || len(missing) != len(extra) {
		return false
	}
	rounded := map[string]int{}
	for _, r := range missing {
		rounded[roundRow(r.Values)] += r.Times
	}
	for _, r := range extra {
		rounded[roundRow(r.Values)] -= r.Times
	}
	for _, n := range rounded {
		if n != 0 {
			return false
		}
	}
	return true
}

func roundRow(values []string) string {
	short := make([]string, len(values))
	for i, v := range values {
		short[i] = v
		if f, err := strconv.ParseFloat(v, 64); err == nil && len(v) >= 15 && strings.ContainsAny(v, ".e") {
			short[i] = strconv.FormatFloat(f, 'g', 11, 64)
		}
	}
	return strings.Join(short, separator)
}
