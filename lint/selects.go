package lint

import (
	"strings"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// selects checks what chooses rows: LIMIT and DISTINCT ON.
func (c *checker) selects() {
	for _, sel := range c.query.Selects {
		if sel.Limit != nil && !sel.Exists && !sel.Limit.Ties && !c.total(sel) {
			p := engine.Place{At: sel.Limit.At, Via: sel.Via}
			if len(sel.Order) == 0 {
				c.report("limit-without-order", p, "LIMIT or OFFSET without ORDER BY")
			} else {
				c.report("limit-without-order", p, "LIMIT or OFFSET, but ORDER BY does not decide the order of rows that tie")
			}
		}
		if len(sel.DistinctOn) > 0 {
			c.distinctOn(sel)
		}
		for _, s := range sel.From {
			if s.Single {
				c.asof(sel, s)
			}
		}
	}
}

// asof checks that an ASOF join finds one nearest row, not several that tie.
func (c *checker) asof(sel *engine.Select, s *engine.Source) {
	matched := map[string]bool{}
	for _, name := range s.Matched {
		matched[name] = true
	}
	if !c.sourceDecided(s, matched) {
		c.report("asof-ties", sel.Place, "ASOF JOIN %s, whose rows are not unique by the columns that the join compares", s.Alias)
	}
}

// total says whether the SELECT's ORDER BY leaves no two rows that differ in an order of their own.
func (c *checker) total(sel *engine.Select) bool {
	names := orderNames(sel)
	if sel.Op != "" {
		columns, complete := outputNames(sel)
		return hasAll(sel.Order) || complete && covers(names, columns) || c.decide(sel, names) || c.contract(sel, names)
	}
	f := c.facts(sel)
	f.order(sel.Order)
	return f.result() || c.contract(sel, names)
}

func hasAll(order []engine.Expr) bool {
	for _, e := range order {
		if e.All {
			return true
		}
	}
	return false
}

// contract says whether the names hold a key that the pipeline promises of its result. Inside the SELECT the promise is
// taken for one relation as well: its rows are what the key is meant to tell apart.
func (c *checker) contract(sel *engine.Select, names map[string]bool) bool {
	if sel != c.query.Selects[0] && len(sel.From) != 1 {
		return false
	}
	for _, key := range unique(c.pl) {
		if covers(names, key) {
			return true
		}
	}
	return false
}

// orderNames are the output columns by which a SELECT is ordered.
func orderNames(sel *engine.Select) map[string]bool {
	names := map[string]bool{}
	columns, complete := outputNames(sel)
	for _, e := range sel.Order {
		switch {
		case e.Ordinal > 0 && complete && e.Ordinal <= len(columns):
			names[columns[e.Ordinal-1]] = true
		case e.Column != "" && e.Of == "":
			names[e.Column] = true
		}
		for _, o := range sel.Columns {
			if o.Name != "" && (o.Expr.Key == e.Key || e.Column != "" && o.Expr.Column == e.Column) {
				names[o.Name] = true
			}
		}
		if e.Column != "" && hasStar(sel) {
			names[e.Column] = true
		}
	}
	return names
}

func hasStar(sel *engine.Select) bool {
	for _, o := range sel.Columns {
		if o.Star {
			return true
		}
	}
	return false
}

func (c *checker) distinctOn(sel *engine.Select) {
	f := c.facts(sel)
	for _, e := range sel.DistinctOn {
		f.add(e)
	}
	f.order(sel.Order)
	groups, order := exprNames(sel.DistinctOn), orderNames(sel)
	all := union(groups, order)
	for name := range groups {
		delete(order, name) // the same in every row that there is to choose from
	}
	if f.all || f.input() || f.outputs() || c.tieBreaker(all, order) {
		return
	}
	p := engine.Place{At: sel.DistinctOn[0].At, Via: sel.Via}
	if len(sel.Order) == 0 {
		c.report("distinct-on-without-order", p, "DISTINCT ON without ORDER BY")
	} else {
		c.report("distinct-on-without-order", p, "DISTINCT ON, but ORDER BY does not decide which of the rows that tie is first")
	}
}

// tieBreaker says whether a key that the pipeline promises is among all the names, and ORDER BY names a column of it: then
// its author says that the column tells the rows apart.
func (c *checker) tieBreaker(all, order map[string]bool) bool {
	for _, key := range unique(c.pl) {
		if !covers(all, key) {
			continue
		}
		for _, column := range key {
			if order[strings.ToLower(column)] {
				return true
			}
		}
	}
	return false
}

func (c *checker) picks() {
	for _, p := range c.query.Picks {
		c.report("sampling", p.Place, "%s", map[string]string{
			"sample":          "a sample takes other rows at each run",
			"positional join": "a positional join pairs rows by the order in which they arrive",
		}[p.What])
	}
}

// header checks what the header says of windows, against the SQL.
func (c *checker) header() {
	pl := c.pl
	if !pl.Windowed() {
		return
	}
	top := engine.Place{At: -1}
	if pl.Write == twice.Overwrite && !c.usesWindow() {
		c.report("unused-window", top, "no $start, no $end, and no input's path names the window")
	}
	if pl.Write == twice.Merge && pl.Version == "" && pl.WhenMissing == "" {
		c.report("merge-order", top, "write: merge by windows without version: the window that runs last wins")
	}
}

func (c *checker) usesWindow() bool {
	if usesParam(c.pl.SQL) {
		return true
	}
	for _, in := range c.pl.Inputs {
		switch {
		case in.Files != nil && usesTemplate(in.Files.Path),
			in.HTTP != nil && usesTemplate(in.HTTP.URL),
			in.Database != nil && usesParam(in.Database.Query),
			in.Command != nil,   // it gets the window in its environment
			in.Records() != nil: // its windows are offsets
			return true
		}
	}
	return false
}

func usesParam(sql string) bool { return len(twice.Params(sql)) > 0 }

func usesTemplate(path string) bool {
	return strings.Contains(path, "{start") || strings.Contains(path, "{end")
}
