package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/diff"
)

// differenceLine is one row that differs. Values are text; null is NULL. A row that one side does not have has no value
// there.
type differenceLine struct {
	Event   string             `json:"event"`
	Change  diff.Change        `json:"change"`
	Key     map[string]*string `json:"key"`
	Columns []cellJSON         `json:"columns,omitempty"`
	Count   int64              `json:"count"`
}

type cellJSON struct {
	Column string  `json:"column"`
	Left   *string `json:"left"`
	Right  *string `json:"right"`
}

// typeLine is a column that one side does not have, or of another type.
type typeLine struct {
	Event  string `json:"event"`
	Column string `json:"column"`
	Left   string `json:"left,omitempty"`
	Right  string `json:"right,omitempty"`
}

type diffSummaryLine struct {
	Event     string  `json:"event"`
	Left      string  `json:"left"`
	Right     string  `json:"right"`
	LeftRows  int64   `json:"left_rows"`
	RightRows int64   `json:"right_rows"`
	Added     int64   `json:"added"`
	Removed   int64   `json:"removed"`
	Changed   int64   `json:"changed"`
	Columns   int     `json:"columns"`
	Fetched   int64   `json:"fetched"` // rows that were moved to be shown
	Hashes    int64   `json:"hashes"`  // row hashes that were moved to be counted
	Seconds   float64 `json:"seconds"`
}

// report prints what a comparison found; a difference is the error that leads to exit code 1.
func (d *differ) report(r *diff.Result, left, right string) error {
	if d.json {
		d.reportJSON(r, left, right)
	} else {
		d.reportText(r, left, right)
	}
	if r.Same() {
		return nil
	}
	return toldAlready(twice.Errorf("difference", "%s and %s differ", left, right))
}

func (d *differ) reportJSON(r *diff.Result, left, right string) {
	for _, c := range r.Columns {
		d.line(typeLine{"column", c.Column, c.Left, c.Right})
	}
	for _, df := range r.Shown {
		l := differenceLine{Event: "difference", Change: df.Change, Key: map[string]*string{}, Count: df.Count}
		for _, v := range df.Key {
			l.Key[v.Column] = v.Text
		}
		for _, c := range df.Cells {
			l.Columns = append(l.Columns, cellJSON(c))
		}
		d.line(l)
	}
	d.line(diffSummaryLine{
		Event: "summary", Left: left, Right: right, LeftRows: r.LeftRows, RightRows: r.RightRows, Added: r.Added,
		Removed: r.Removed, Changed: r.Changed, Columns: len(r.Columns), Fetched: r.Rows, Hashes: r.Hashes,
		Seconds: seconds(time.Since(d.began)),
	})
}

func (d *differ) reportText(r *diff.Result, left, right string) {
	if len(r.Columns) > 0 {
		t := newTable("COLUMN", strings.ToUpper(left), strings.ToUpper(right))
		for _, c := range r.Columns {
			t.add(c.Column, orDash(c.Left), orDash(c.Right))
		}
		t.print(d.stdout)
	}
	if len(r.Shown) > 0 {
		t := newTable("CHANGE", "KEY", "COLUMN", strings.ToUpper(left), strings.ToUpper(right))
		for _, df := range r.Shown {
			addDifference(t, df)
		}
		t.print(d.stdout)
	}
	if r.Same() {
		fmt.Fprintf(d.stdout, "no difference: %s in %s and in %s\n", counted(int(r.LeftRows), "row"), left, right)
		return
	}
	if n := int64(len(r.Shown)); n < r.Added+r.Removed+r.Changed && n == int64(d.opts.limit) {
		fmt.Fprintf(d.stdout, "… the first %d are shown; --limit shows more\n", n)
	}
	fmt.Fprintf(d.stdout, "%d added, %d removed, %d changed: %s in %s, %d in %s\n", r.Added, r.Removed, r.Changed,
		counted(int(r.LeftRows), "row"), left, r.RightRows, right)
	if len(r.Columns) > 0 {
		fmt.Fprintf(d.stdout, "%s without a counterpart, left out of the rows' comparison\n",
			counted(len(r.Columns), "column"))
	}
}

// addDifference adds a line for each column of a changed row, and one line for a row that only one side has.
func addDifference(t *table, df diff.Difference) {
	change, key := string(df.Change), ""
	if df.Count > 1 {
		change = fmt.Sprintf("%s x%d", change, df.Count)
	}
	for i, v := range df.Key {
		if i > 0 {
			key += ", "
		}
		key += v.Column + "=" + shown(v.Text)
	}
	if df.Change == diff.Changed {
		for i, c := range df.Cells {
			if i > 0 {
				change, key = "", ""
			}
			t.add(change, key, c.Column, shown(c.Left), shown(c.Right))
		}
		return
	}
	var rest []string
	for _, c := range df.Cells {
		value := c.Left
		if df.Change == diff.Added {
			value = c.Right
		}
		rest = append(rest, c.Column+"="+shown(value))
	}
	row := "the row"
	if len(rest) > 0 {
		row = clip(strings.Join(rest, ", "), 60)
	}
	if df.Change == diff.Added {
		t.add(change, key, "", "-", row)
	} else {
		t.add(change, key, "", row, "-")
	}
}

// shown is a value in a table's cell.
func shown(text *string) string {
	if text == nil {
		return "NULL"
	}
	if *text == "" {
		return "''"
	}
	return clip(*text, 40)
}

func clip(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "…"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// receiptLine is a window whose receipts differ.
type receiptDifferenceLine struct {
	Event    string           `json:"event"`
	Pipeline string           `json:"pipeline"`
	Start    *time.Time       `json:"start"`
	End      *time.Time       `json:"end"`
	Why      []string         `json:"why"`
	Left     *receiptSideJSON `json:"left"`
	Right    *receiptSideJSON `json:"right"`
}

type receiptSideJSON struct {
	Run         string `json:"run"`
	Rows        int64  `json:"rows"`
	Fingerprint string `json:"fingerprint"`
}

type receiptSummaryLine struct {
	Event     string  `json:"event"`
	Left      string  `json:"left"`
	Right     string  `json:"right"`
	Same      int     `json:"same"`
	Different int     `json:"different"`
	Seconds   float64 `json:"seconds"`
}

// reportReceipts compares receipts and prints the windows whose rows differ.
func (d *differ) reportReceipts(left, right []*twice.Receipt, leftName, rightName string) error {
	same, changes := diff.Receipts(left, right)
	t := newTable("PIPELINE", "WINDOW", leftName, rightName, "ALSO DIFFERENT")
	for i, c := range changes {
		if i == d.opts.limit {
			break
		}
		if d.json {
			l := receiptDifferenceLine{
				Event: "difference", Pipeline: c.Any().Pipeline, Why: c.Why(),
				Left: sideOf(c.Left), Right: sideOf(c.Right),
			}
			l.Start, l.End = bounds(c.Any().Window)
			d.line(l)
			continue
		}
		t.add(c.Any().Pipeline, c.Any().Window.String(), receiptText(c.Left), receiptText(c.Right),
			strings.Join(c.Why(), ", "))
	}
	if d.json {
		d.line(receiptSummaryLine{"summary", leftName, rightName, same, len(changes), seconds(time.Since(d.began))})
	} else {
		if len(t.rows) > 1 {
			t.print(d.stdout)
		}
		if len(changes) > d.opts.limit {
			fmt.Fprintf(d.stdout, "… the first %d are shown; --limit shows more\n", d.opts.limit)
		}
		fmt.Fprintf(d.stdout, "%s the same, %d different\n", counted(same, "window"), len(changes))
	}
	if len(changes) == 0 {
		return nil
	}
	return toldAlready(twice.Errorf("difference", "%d windows differ", len(changes)))
}

func sideOf(r *twice.Receipt) *receiptSideJSON {
	if r == nil {
		return nil
	}
	return &receiptSideJSON{r.Run, r.Fingerprint.Rows, r.Fingerprint.String()}
}

func receiptText(r *twice.Receipt) string {
	if r == nil {
		return "-"
	}
	return fmt.Sprintf("%s %s", counted(int(r.Fingerprint.Rows), "row"), r.Fingerprint)
}
