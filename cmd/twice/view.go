package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/run"
)

// view prints a run while it goes on: a line a window on standard output, and a bar on standard error where that is a
// terminal.
type view struct {
	*app
	id    string
	bar   bool
	total int
	done  int
	began time.Time

	mu   sync.Mutex // guards total, read and told while files are read
	read int64      // bytes of input files
	told time.Time  // when the bar last said so
}

func (a *app) newView(r *run.Runner) *view {
	return &view{app: a, id: r.ID, bar: !a.json && isTerminal(a.stderr), began: time.Now()}
}

func (v *view) planned(p *run.Plan) {
	v.mu.Lock()
	v.total = p.Work()
	v.mu.Unlock()
	v.clear()
	v.draw()
}

// reading says how much of the input files has been hashed, where that takes a while.
func (v *view) reading(bytes int) {
	if !v.bar {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.read += int64(bytes)
	if now := time.Now(); v.total == 0 && now.Sub(v.began) > silence && now.Sub(v.told) > silence/3 {
		v.told = now
		fmt.Fprintf(v.stderr, "\r\x1b[Kreading input files  %.1f GB", float64(v.read)/1e9)
	}
}

// silence is how long nothing need be said.
const silence = 300 * time.Millisecond

func (v *view) window(e run.Event) {
	if v.json {
		v.line(eventLine(e, v.id))
		return
	}
	v.clear()
	if e.Status != twice.Unchanged {
		v.print(e)
	}
	if e.Status != twice.Unchanged && e.Status != twice.Waiting {
		v.done++
	}
	v.draw()
}

// news is window without those that are up to date.
func (v *view) news(e run.Event) {
	if e.Status != twice.Unchanged {
		v.window(e)
	}
}

func (v *view) print(e run.Event) {
	status := fmt.Sprintf("%-9s", e.Status)
	switch e.Status {
	case twice.Committed:
		status = paint(v.stdout, green, status)
	case twice.Failed, twice.Blocked, twice.Skipped:
		status = paint(v.stdout, red, status)
	default:
		status = paint(v.stdout, yellow, status)
	}
	line := fmt.Sprintf("%s  %s  %s", status, e.Pipeline.Name, span(e))
	if e.Status == twice.Committed {
		line += fmt.Sprintf("  %s, %d changed  %s", counted(int(e.Rows), "row"), e.Changed,
			paint(v.stdout, dim, fmt.Sprintf("%s, %s", e.Reason, e.Took.Round(time.Millisecond))))
	}
	fmt.Fprintln(v.stdout, line)
	if e.Poison > 0 {
		fmt.Fprintln(v.stdout, nest(fmt.Sprintf("%s not parse: on_error: %s", counted(e.Poison, "record")+" did", e.Pipeline.Stream().Records().OnError)))
	}
	if e.Late > 0 {
		fmt.Fprintln(v.stdout, nest(fmt.Sprintf("%s late for dedupe: on_error: %s", counted(e.Late, "record")+" came too", e.Pipeline.Stream().Records().OnError)))
	}
	if e.Repeated > 0 {
		fmt.Fprintln(v.stdout, nest(counted(e.Repeated, "record")+" had been sent before"))
	}
	if e.Err != nil && e.Status != twice.Waiting {
		fmt.Fprintln(v.stdout, nest(e.Err.Error()))
		if e.Err.Next != "" {
			fmt.Fprintf(v.stdout, "    next: %s\n", strings.ReplaceAll(e.Err.Next, "\n", "\n    "))
		}
	} else if e.Err != nil {
		fmt.Fprintln(v.stdout, nest(e.Err.Message))
	}
	for _, w := range e.Warnings {
		fmt.Fprintln(v.stdout, nest(fmt.Sprintf("warning: check %s: %s", w.Check.Name, w.Text())))
	}
}

// span is an event's window: of time, or of offsets by partition.
func span(e run.Event) string {
	if len(e.Offsets) == 0 {
		return e.Window.String()
	}
	parts := make([]string, len(e.Offsets))
	for i, o := range e.Offsets {
		parts[i] = fmt.Sprintf("%d:%d..%d", o.Partition, o.From, o.To)
	}
	return strings.Join(parts, " ")
}

func nest(s string) string { return "    " + strings.ReplaceAll(s, "\n", "\n    ") }

func (v *view) summary(s *run.Summary) {
	v.clear()
	v.bar = false
	if v.json {
		v.line(summaryOf(s))
		return
	}
	var parts []string
	for _, st := range []twice.Status{twice.Committed, twice.Failed, twice.Blocked, twice.Skipped, twice.Waiting} {
		if n := s.Counts[st]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, st))
		}
	}
	unchanged := s.Counts[twice.Unchanged]
	switch {
	case len(parts) == 0 && unchanged == 0:
		fmt.Fprintln(v.stdout, "nothing to do: no window in range")
		return
	case len(parts) == 0:
		fmt.Fprintf(v.stdout, "everything is up to date: %s  %s\n", counted(unchanged, "window"), s.Took.Round(time.Millisecond))
		return
	case unchanged > 0:
		parts = append(parts, fmt.Sprintf("%d up to date", unchanged))
	}
	fmt.Fprintf(v.stdout, "%s  %s\n", strings.Join(parts, ", "), s.Took.Round(time.Millisecond))
}

const barWidth = 30

// draw shows how far the run is, and how long the rest will take at the rate so far.
func (v *view) draw() {
	if !v.bar || v.total < 2 || v.done >= v.total {
		return
	}
	full := barWidth * v.done / v.total
	left := ""
	if v.done > 0 {
		rest := time.Since(v.began) / time.Duration(v.done) * time.Duration(v.total-v.done)
		left = fmt.Sprintf("  %s left", rest.Round(time.Second))
	}
	fmt.Fprintf(v.stderr, "\r%s%s %d/%d%s", strings.Repeat("█", full), strings.Repeat("░", barWidth-full), v.done, v.total, left)
}

func (v *view) clear() {
	if v.bar {
		fmt.Fprint(v.stderr, "\r\x1b[K")
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// table prints columns that line up; the last one is cut where the terminal ends.
type table struct {
	rows [][]string
}

func newTable(head ...string) *table { return &table{rows: [][]string{head}} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) print(w io.Writer) {
	widths := make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	limit := 0
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			limit = width
		}
	}
	for _, row := range t.rows {
		var b strings.Builder
		for i, c := range row {
			b.WriteString(c)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c)+2))
			}
		}
		line := strings.TrimRight(strings.ReplaceAll(b.String(), "\n", " "), " ")
		if rs := []rune(line); limit > 1 && len(rs) > limit {
			line = string(rs[:limit-1]) + "…"
		}
		fmt.Fprintln(w, line)
	}
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// edge is a window's bound in a table.
func edge(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	if t.Equal(t.Truncate(24 * time.Hour)) {
		return t.UTC().Format(time.DateOnly)
	}
	return t.UTC().Format("2006-01-02T15:04Z")
}
