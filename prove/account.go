package prove

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// Fate is what became of something strange that was put into the input.
type Fate string

// The fates.
const (
	Refused     Fate = "refused"     // by a documented error, and the table is as it was
	Quarantined Fate = "quarantined" // with the reason
	Added       Fate = "added"       // the table has more rows, or fewer
	Changed     Fate = "changed"     // the table has as many rows, and some are other ones
	BecameNull  Fate = "null"        // the table is what NULL in its place would have made of it
	Altered     Fate = "altered"     // a column that the SELECT hands through holds another value
	NoTrace     Fate = "no_trace"    // the table is as it was
)

// Fates lists them as reports show them, what deserves a look first, with the words for it.
var Fates = []struct {
	Fate  Fate
	Words string
}{
	{NoTrace, "in no row"}, {BecameNull, "became NULL"}, {Altered, "altered"}, {Changed, "changed rows"}, {Added, "added rows"},
	{Quarantined, "in quarantine"}, {Refused, "refused"},
}

// Words are the fate as reports show it.
func (f Fate) Words() string {
	for _, known := range Fates {
		if known.Fate == f {
			return known.Words
		}
	}
	return string(f)
}

// Account says where something has gone that was put into the input.
type Account struct {
	Put    string // "amount = NULL"
	Fate   Fate
	Detail string // the error's code; the rows that are other ones: "n 5 → 6 (customer c1)"
}

// Tally counts a verdict's accounts: "2 in no row, 31 refused".
func (v Verdict) Tally() string {
	var texts []string
	for _, f := range Fates {
		n := 0
		for _, a := range v.Accounts {
			if a.Fate == f.Fate {
				n++
			}
		}
		if n > 0 {
			texts = append(texts, fmt.Sprintf("%d %s", n, f.Words))
		}
	}
	return strings.Join(texts, ", ")
}

// account is an Account that others are held against.
type account struct {
	Account
	in  injection
	sum twice.Fingerprint // of the table after it
}

// account keeps what became of an injection.
func (t *trials) account(in injection, fate Fate, detail string, sum twice.Fingerprint) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.ContainsFunc(t.accounts, func(a account) bool { return a.Put == in.name }) {
		t.accounts = append(t.accounts, account{Account{in.name, fate, detail}, in, sum})
	}
}

// settled are the accounts in the order of Fates. A value that was taken in is told from one that was lost on the way by
// what NULL in its place has made of the table, and by what an exact copy of the row has.
func (t *trials) settled() []Account {
	var all []Account
	for _, a := range t.accounts {
		twin := func(is func(in injection) bool) bool {
			return slices.ContainsFunc(t.accounts, func(b account) bool { return is(b.in) && b.sum == a.sum && b.Fate == a.Fate })
		}
		switch {
		case !a.in.put || a.in.copy || a.Fate != Added && a.Fate != Changed:
		case twin(func(in injection) bool { return in.copy }):
			a.Detail += "; an exact copy of the row does the same"
		case !a.in.null && twin(func(in injection) bool { return in.null && in.column == a.in.column }):
			a.Fate = BecameNull
		}
		all = append(all, a.Account)
	}
	slices.SortStableFunc(all, func(a, b Account) int {
		if d := fateRank(a.Fate) - fateRank(b.Fate); d != 0 {
			return d
		}
		return strings.Compare(a.Put, b.Put)
	})
	return all
}

func fateRank(f Fate) int {
	for i, known := range Fates {
		if known.Fate == f {
			return i
		}
	}
	return len(Fates)
}

// fate holds a table with something strange in its input against the clean one.
func (s *sitting) fate(in injection, st *state) (Fate, string) {
	if st.equal(s.b.clean) {
		if len(s.b.sieves) == 0 || in.column < 0 {
			return NoTrace, ""
		}
		return NoTrace, "what can leave it out: " + strings.Join(s.b.sieves, ", ")
	}
	more := int(st.Table.Rows - s.b.clean.Table.Rows)
	fate := Changed
	if more != 0 {
		fate = Added
	}
	if st.rows == nil || s.b.clean.rows == nil {
		return fate, fmt.Sprintf("%+d rows", more)
	}
	if s.b.altered(in, st.rows) {
		fate = Altered
	}
	return fate, told(s.b.clean.rows, st.rows)
}

// altered says that the row which came with a value holds another number instead, or the beginning of its text. What cannot
// be compared was not altered.
func (b *bench) altered(in injection, after *rows) bool {
	c := slices.IndexFunc(after.columns, func(name string) bool { return strings.EqualFold(name, in.of) })
	come := minus(after, b.clean.rows)
	if c < 0 || !in.put || in.null || !b.handsOn(in.of) || len(come) != 1 {
		return false
	}
	put, holds := strings.Trim(in.value, `"'()`), come[0].Values[c]
	if put == holds {
		return false
	}
	x, notX := strconv.ParseFloat(put, 64)
	y, notY := strconv.ParseFloat(holds, 64)
	if notX == nil && notY == nil {
		return x < y || x > y
	}
	return len(holds) > len(time.DateOnly) && strings.HasPrefix(put, holds)
}

// handsOn says that a column of the input is one of the table, just as it is. A star that replaces columns is none.
func (b *bench) handsOn(column string) bool {
	star := !strings.Contains(strings.ToLower(b.p.SQL), "replace")
	return b.rowByRow && slices.ContainsFunc(b.outputs, func(o engine.Output) bool {
		return o.Star && star || strings.EqualFold(o.Name, column) && strings.EqualFold(o.Expr.Column, column)
	})
}

// Bounds of what is told of rows that differ.
const (
	mostPaired = 400 // rows that are looked at
	mostTold   = 2   // rows
	mostCells  = 3   // of each
)

// told says in a line how rows differ: "n 5 → 6 (customer c1), 1 row more: 7, c9, 12".
func told(before, after *rows) string {
	gone, come := minus(before, after), minus(after, before)
	var texts []string
	left := 0
	for _, g := range gone[:min(len(gone), mostPaired)] {
		at := likest(g, come[:min(len(come), mostPaired)])
		if at < 0 {
			left += g.Times
			continue
		}
		texts = append(texts, change(before.columns, g.Values, come[at].Values, true))
		come = slices.Delete(come, at, at+1)
	}
	for _, g := range gone[min(len(gone), mostPaired):] {
		left += g.Times
	}
	more := 0
	for _, c := range come {
		more += c.Times
	}
	if n := len(texts) - mostTold; n > 0 {
		texts = append(texts[:mostTold], counted(n, "row")+" more changed")
	}
	if more > 0 {
		texts = append(texts, counted(more, "row")+" more: "+newcomer(before, after.columns, come[0]))
	}
	if left > 0 {
		texts = append(texts, counted(left, "row")+" less")
	}
	return strings.Join(texts, "; ")
}

// likest finds the row that has the most values in common with r; -1: none has any.
func likest(r Row, among []Row) int {
	best, most := -1, 0
	for i, other := range among {
		same := 0
		for c, v := range r.Values {
			if c < len(other.Values) && other.Values[c] == v {
				same++
			}
		}
		if same > most || len(r.Values) == 1 && best < 0 {
			best, most = i, same
		}
	}
	return best
}

// newcomer tells a row by what sets it apart from the one before that it is most like.
func newcomer(before *rows, columns []string, r Row) string {
	if len(before.count) > mostPaired {
		return change(columns, nil, r.Values, false)
	}
	old := minus(before, &rows{})
	like := likest(r, old)
	if like < 0 {
		return change(columns, nil, r.Values, false)
	}
	return change(columns, old[like].Values, r.Values, false)
}

// change tells the cells that differ, if both then as "5 → 6", and by some of the others which row it is.
func change(columns, before, after []string, both bool) string {
	var differ, same []string
	for i, v := range after {
		switch {
		case i >= len(columns):
		case i < len(before) && before[i] == v:
			if len(same) < mostCells {
				same = append(same, columns[i]+" "+short(v))
			}
		case len(differ) >= mostCells:
		case both:
			differ = append(differ, fmt.Sprintf("%s %s → %s", columns[i], short(before[i]), short(v)))
		default:
			differ = append(differ, columns[i]+" "+short(v))
		}
	}
	if len(same) == 0 {
		return strings.Join(differ, ", ")
	}
	return strings.TrimSpace(strings.Join(differ, ", ") + " (" + strings.Join(same, ", ") + ")")
}

// short is a value as it can be printed in a line.
func short(v string) string {
	long := ""
	if r := []rune(v); len(r) > 40 {
		v, long = string(r[:20]), fmt.Sprintf("… (%d bytes)", len(v))
	}
	q := strconv.QuoteToGraphic(v)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`) + long
}

// readQueries finds out what in the family's SELECTs can make a row of input leave no trace.
func (b *bench) readQueries(ctx context.Context) error {
	s, err := b.done.sit(ctx, setup{})
	if err != nil {
		return err
	}
	defer s.close()
	for _, p := range b.family {
		q, err := s.db.Parse(ctx, p.SQL)
		if err != nil {
			return err
		}
		for _, w := range sievesOf(p, q) {
			if !slices.Contains(b.sieves, w) {
				b.sieves = append(b.sieves, w)
			}
		}
		b.rowByRow = len(b.family) == 1 && rowByRow(p, q)
		if len(q.Selects) > 0 {
			b.outputs = q.Selects[0].Columns
		}
	}
	return nil
}

// sievesOf lists what makes fewer rows of a query's input, with the place where a place is known.
func sievesOf(p *twice.Pipeline, q *engine.Query) []string {
	var words []string
	add := func(word string, at int, via string) {
		switch {
		case via != "":
			word += " in " + via
		case at >= 0:
			word += fmt.Sprintf(" (%s:%d)", p.File, p.Line+strings.Count(p.SQL[:min(at, len(p.SQL))], "\n"))
		}
		words = append(words, word)
	}
	for _, sel := range q.Selects {
		for _, f := range sel.Filters {
			add(f.Word, f.At, sel.Via)
		}
		if len(sel.From) > 1 && len(sel.Filters) == 0 {
			add("JOIN", -1, sel.Via)
		}
		for _, word := range []struct {
			is   bool
			word string
		}{
			{sel.Aggregated, "an aggregate that it does not change"}, {sel.Distinct || len(sel.DistinctOn) > 0, "DISTINCT"},
			{sel.Limit != nil, "LIMIT"}, {sel.Op != "" && sel.Op != "union all", strings.ToUpper(sel.Op)},
		} {
			if word.is {
				add(word.word, -1, sel.Via)
			}
		}
	}
	for _, pick := range q.Picks {
		add(pick.What, pick.At, pick.Via)
	}
	if p.Write == twice.Merge {
		add("the merge into rows that have its key", -1, "")
	}
	return words
}

// rowByRow says that a query makes one row of each row of its input, as far as can be seen.
func rowByRow(p *twice.Pipeline, q *engine.Query) bool {
	if len(q.Selects) != 1 || len(sievesOf(p, q)) > 0 {
		return false
	}
	sel := q.Selects[0]
	if len(sel.From) != 1 || sel.From[0].Select != nil || sel.From[0].Call != nil {
		return false
	}
	return !slices.ContainsFunc(q.Calls, func(c *engine.Call) bool { return c.Table || manyRows[c.Name] })
}

// manyRows are functions that make several rows of one, or none.
var manyRows = map[string]bool{
	"unnest": true, "unlist": true, "generate_series": true, "generate_subscripts": true, "regexp_split_to_table": true,
	"regexp_matches": true, "string_to_table": true, "json_array_elements": true, "jsonb_array_elements": true,
	"json_array_elements_text": true, "jsonb_array_elements_text": true, "json_each": true, "jsonb_each": true,
	"json_each_text": true, "jsonb_each_text": true, "json_object_keys": true, "jsonb_object_keys": true,
	"jsonb_path_query": true, "json_populate_recordset": true, "jsonb_populate_recordset": true, "json_to_recordset": true,
	"jsonb_to_recordset": true, "json_tree": true,
}
