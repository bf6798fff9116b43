package lint

import (
	"strings"

	"github.com/twice-data/twice/engine"
)

// calls checks every function that is used.
func (c *checker) calls() {
	for _, call := range c.query.Calls {
		switch {
		case call.Table:
			c.tableFunction(call)
		case session[call.Name] && !c.isColumn(call):
			c.report("session-lookup", call.Place, "%s depends on the session that runs the SQL", call.Name)
		case c.unstable(call.Name) && !c.isColumn(call):
			c.report("volatile-function", call.Place, "%s is %s: its result changes from one run to the next",
				call.Name, c.volatility[call.Name])
		}
		c.floatSum(call)
		if call.In == nil {
			continue
		}
		if call.Over != nil {
			c.ranking(call)
		}
		c.aggregate(call)
	}
}

func (c *checker) unstable(name string) bool {
	v, known := c.volatility[name]
	return known && v != engine.Immutable
}

// isColumn says whether a function that is written like a column is one after all.
func (c *checker) isColumn(call *engine.Call) bool {
	if !call.Keyword || call.In == nil {
		return false
	}
	for _, s := range call.In.From {
		if c.hasColumn(s, call.Name) {
			return true
		}
	}
	return false
}

func (c *checker) hasColumn(s *engine.Source, name string) bool {
	switch {
	case contains(s.Columns, name):
		return true
	case s.Select != nil:
		names, _ := outputNames(s.Select)
		return contains(names, name)
	case s.Table != nil:
		columns, _ := c.columns(s.Table.Table)
		for _, col := range columns {
			if strings.EqualFold(col.Name, name) {
				return true
			}
		}
	}
	return false
}

func (c *checker) tableFunction(call *engine.Call) {
	if pure[call.Name] || c.volatility[call.Name] == engine.Immutable || c.opened(call) {
		return
	}
	c.report("external-read", call.Place, "%s() reads what no manifest pins", call.Name)
}

// opened says whether a table function is a macro: what it reads was looked at itself.
func (c *checker) opened(call *engine.Call) bool {
	for _, s := range call.In.From {
		if s.Call == call {
			return false
		}
	}
	return true
}

// ranking checks that a window's ORDER BY tells rows apart where the function does.
func (c *checker) ranking(call *engine.Call) {
	if !ranking[call.Name] && !call.Over.Rows {
		return
	}
	f := c.facts(call.In)
	for _, e := range append(append([]engine.Expr{}, call.Over.Partition...), call.Over.Order...) {
		f.add(e)
	}
	for _, e := range call.Order {
		f.add(e)
	}
	if f.input() || value[call.Name] && f.hasAll(call.Args[:min(1, len(call.Args))]) {
		return
	}
	order := exprNames(append(append([]engine.Expr{}, call.Over.Order...), call.Order...))
	if c.tieBreaker(union(order, exprNames(call.Over.Partition)), order) {
		return
	}
	switch {
	case len(call.Over.Order)+len(call.Order) == 0:
		c.report("ranking-ties", call.Place, "%s over a window without ORDER BY", call.Name)
	case !ranking[call.Name]:
		c.report("ranking-ties", call.Place, "%s over a frame of ROWS, but ORDER BY does not tell rows apart", call.Name)
	default:
		c.report("ranking-ties", call.Place, "%s, but its PARTITION BY and ORDER BY do not tell rows apart", call.Name)
	}
}

func exprNames(es []engine.Expr) map[string]bool {
	names := map[string]bool{}
	for _, e := range es {
		if e.Column != "" {
			names[e.Column] = true
		}
	}
	return names
}

func union(a, b map[string]bool) map[string]bool {
	all := map[string]bool{}
	for _, names := range []map[string]bool{a, b} {
		for n := range names {
			all[n] = true
		}
	}
	return all
}

// aggregate checks aggregates whose result depends on the order of their rows.
func (c *checker) aggregate(call *engine.Call) {
	isOrdered, isExtreme := ordered[call.Name], extreme[call.Name]
	if !isOrdered && !isExtreme && !arbitrary[call.Name] || !call.Aggregate || sorting[call.Inside] {
		return
	}
	if call.Over != nil && ranking[call.Name] {
		return // said by ranking-ties
	}
	f := c.group(call)
	order := call.Order
	if isExtreme && len(call.Args) > 1 {
		order = call.Args[1:2]
	}
	if call.Over != nil {
		order = append(append([]engine.Expr{}, order...), call.Over.Order...)
	}
	for _, e := range order {
		f.add(e)
	}
	names := exprNames(order)
	for _, e := range order {
		if e.Call != nil && tuples[e.Call.Name] {
			names = union(names, exprNames(e.Call.Args))
		}
	}
	args := call.Args
	if isExtreme {
		args = args[:min(1, len(args))]
	}
	decided := f.from() || len(args) > 0 && f.hasAll(args) || c.tieBreaker(union(names, c.groupNames(call)), names)
	switch {
	case arbitrary[call.Name] && !(len(call.Args) > 0 && f.hasAll(call.Args)):
		c.report("order-dependent-aggregate", call.Place, "%s breaks ties by the order in which rows arrive", call.Name)
	case decided || arbitrary[call.Name]:
	case isExtreme:
		c.report("order-dependent-aggregate", call.Place, "%s takes any of the rows that tie", call.Name)
	case len(order) == 0:
		c.report("order-dependent-aggregate", call.Place, "%s without ORDER BY depends on the order in which rows arrive", call.Name)
	default:
		c.report("aggregate-ties", call.Place, "%s, but its ORDER BY lets values that tie change places", call.Name)
	}
}

// group is what is known of every row that an aggregate folds: what its rows are grouped by.
func (c *checker) group(call *engine.Call) *facts {
	f := c.facts(call.In)
	for _, e := range c.groupedBy(call) {
		f.add(e)
	}
	return f
}

func (c *checker) groupedBy(call *engine.Call) []engine.Expr {
	if call.Over != nil {
		return call.Over.Partition
	}
	if call.In.GroupingSets {
		return nil
	}
	return call.In.Group
}

func (c *checker) groupNames(call *engine.Call) map[string]bool { return exprNames(c.groupedBy(call)) }

// floatSum warns of sums over floating-point numbers, where their type can be seen.
func (c *checker) floatSum(call *engine.Call) {
	switch {
	case !call.Aggregate:
	case floating[call.Name]:
		c.report("float-sum", call.Place, "%s adds floating-point numbers up in the order in which rows arrive", call.Name)
	case adding[call.Name] && len(call.Args) > 0 && c.isFloat(call.In, call.Args[0], 0):
		c.report("float-sum", call.Place, "%s over floating-point numbers depends on the order of its rows", call.Name)
	}
}

// isFloat says whether an expression is known to be a floating-point number, by a cast in it or by the declared type of
// a column that it is made of.
func (c *checker) isFloat(sel *engine.Select, e engine.Expr, depth int) bool {
	for _, t := range e.Casts {
		if floats[t] {
			return true
		}
	}
	if e.Call != nil && carrying[e.Call.Name] {
		for _, arg := range e.Call.Args {
			if c.isFloat(sel, arg, depth+1) {
				return true
			}
		}
	}
	if sel == nil || e.Column == "" || depth > 20 {
		return false
	}
	for _, s := range sel.From {
		if e.Of != "" && s.Alias != e.Of {
			continue
		}
		if c.floatColumn(s, e.Column, depth) {
			return true
		}
	}
	return false
}

func (c *checker) floatColumn(s *engine.Source, name string, depth int) bool {
	switch {
	case s.Select != nil && s.Select.Op == "" && len(s.Columns) == 0:
		for _, o := range s.Select.Columns {
			if o.Name == name && c.isFloat(s.Select, o.Expr, depth+1) {
				return true
			}
			if o.Star && c.isFloat(s.Select, engine.Expr{Column: name, Of: o.Expr.Of}, depth+1) {
				return true
			}
		}
	case s.Table != nil && len(s.Columns) == 0:
		columns, _ := c.columns(s.Table.Table)
		for _, col := range columns {
			if strings.EqualFold(col.Name, name) {
				return floats[strings.ToLower(col.Type)]
			}
		}
	}
	return false
}
