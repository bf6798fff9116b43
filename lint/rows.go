package lint

import (
	"fmt"
	"sort"
	"strings"

	"github.com/twice-data/twice/engine"
)

// facts are what is known of one row of a SELECT when the values of some expressions are given: an ORDER BY is total if
// its expressions decide the row. It is the closure of functional dependencies: a key decides its relation's row, a
// relation's row decides its columns, and an equality of a join carries a value from one relation to another.
type facts struct {
	c       *checker
	sel     *engine.Select
	given   []engine.Expr
	keys    map[string]bool                    // Expr.Key of what is known
	columns map[*engine.Source]map[string]bool // column names that are known
	decided map[*engine.Source]bool            // relations whose row is known
	all     bool                               // every output column is known
}

func (c *checker) facts(sel *engine.Select) *facts {
	return &facts{
		c: c, sel: sel, keys: map[string]bool{},
		columns: map[*engine.Source]map[string]bool{}, decided: map[*engine.Source]bool{},
	}
}

// order adds items of ORDER BY, where a name may be that of an output column, and hides a relation's.
func (f *facts) order(items []engine.Expr) {
	for _, e := range items {
		out := f.output(e)
		switch {
		case e.All:
			f.all = true
		case out == nil:
			f.know(e)
		default:
			f.know(out.Expr)
		}
	}
}

// add makes the value of an expression known, and that of the output column that it may name.
func (f *facts) add(e engine.Expr) {
	if out := f.output(e); out != nil {
		f.know(out.Expr)
	}
	if e.Ordinal == 0 {
		f.know(e)
	}
}

// know makes the value of an expression over the relations in FROM known.
func (f *facts) know(e engine.Expr) {
	f.keys[e.Key] = true
	f.given = append(f.given, e)
	if e.Column != "" {
		for _, s := range f.sources(e.Of) {
			if f.columns[s] == nil {
				f.columns[s] = map[string]bool{}
			}
			f.columns[s][e.Column] = true
		}
	}
	if e.Call != nil && tuples[e.Call.Name] {
		for _, arg := range e.Call.Args {
			f.know(arg)
		}
	}
}

// output is the output column that an item of ORDER BY or GROUP BY names, by position or by name.
func (f *facts) output(e engine.Expr) *engine.Output {
	if e.Ordinal > 0 {
		for i := range f.sel.Columns {
			if f.sel.Columns[i].Star {
				return nil
			}
			if i == e.Ordinal-1 {
				return &f.sel.Columns[i]
			}
		}
		return nil
	}
	if e.Column == "" || e.Of != "" {
		return nil
	}
	for i := range f.sel.Columns {
		if o := &f.sel.Columns[i]; o.Name == e.Column && o.Expr.Column != e.Column {
			return o
		}
	}
	return nil
}

func (f *facts) sources(alias string) []*engine.Source {
	if alias == "" {
		return f.sel.From
	}
	var found []*engine.Source
	for _, s := range f.sel.From {
		if s.Alias == alias {
			found = append(found, s)
		}
	}
	return found
}

// knows says whether the value of an item of GROUP BY, PARTITION BY or DISTINCT ON is known, which may name an output
// column.
func (f *facts) knows(e engine.Expr) bool {
	if out := f.output(e); out != nil && f.has(out.Expr) {
		return true
	}
	return e.Ordinal == 0 && f.has(e)
}

func (f *facts) knowsAll(es []engine.Expr) bool {
	for _, e := range es {
		if e.All || !f.knows(e) {
			return false
		}
	}
	return true
}

// has says whether the value of an expression over the relations in FROM is known.
func (f *facts) has(e engine.Expr) bool {
	if e.Const || f.keys[e.Key] {
		return true
	}
	if e.Column != "" {
		if e.Of == "" && len(f.sel.From) > 0 && len(f.decided) == len(f.sel.From) {
			return true
		}
		for _, s := range f.sources(e.Of) {
			if f.columns[s][e.Column] || f.decided[s] && e.Of != "" {
				return true
			}
		}
	}
	return e.Call != nil && tuples[e.Call.Name] && f.hasAll(e.Call.Args)
}

func (f *facts) hasAll(es []engine.Expr) bool {
	for _, e := range es {
		if !f.has(e) {
			return false
		}
	}
	return true
}

// close follows the dependencies until nothing new is known.
func (f *facts) close() {
	for _, e := range f.sel.Fixed {
		f.know(e)
	}
	for more := true; more; {
		more = false
		for _, i := range f.sel.Implied {
			if !f.keys[i.Then.Key] && f.has(i.Known) {
				f.know(i.Then)
				more = true
			}
		}
		before := true // every relation before this one is decided
		for _, s := range f.sel.From {
			if !f.decided[s] && (before || !s.Lateral) && (s.Single || f.c.sourceDecided(s, f.columns[s])) {
				f.decided[s] = true
				more = true
			}
			before = before && f.decided[s]
		}
	}
}

// input says whether a row that the SELECT's window functions see is decided: a row of FROM, or a group.
func (f *facts) input() bool {
	f.close()
	if f.sel.Aggregated {
		if len(f.sel.Group) == 0 && !f.sel.GroupingSets {
			return true
		}
		return !f.sel.GroupingSets && f.knowsAll(f.sel.Group)
	}
	return f.from()
}

// from says whether the combination of rows of the relations in FROM is decided.
func (f *facts) from() bool {
	f.close()
	for _, s := range f.sel.From {
		if !f.decided[s] {
			return false
		}
	}
	return true
}

// result says whether a row of the SELECT's result, before its LIMIT, is decided, or at least all of its values are.
func (f *facts) result() bool {
	f.close()
	if f.all {
		return true
	}
	for _, e := range f.given {
		if e.Call != nil && e.Call.Name == "row_number" && e.Call.Over != nil && f.knowsAll(e.Call.Over.Partition) {
			return true
		}
	}
	if len(f.sel.DistinctOn) > 0 && f.knowsAll(f.sel.DistinctOn) {
		return true
	}
	return f.outputs() || !f.expands() && f.input()
}

// outputs says whether every output column is known: rows that are equal in all of them may be exchanged.
func (f *facts) outputs() bool {
	for _, o := range f.sel.Columns {
		if o.Star || !f.has(o.Expr) {
			return false
		}
	}
	return len(f.sel.Columns) > 0
}

// expands says whether an output column gives several rows for one of FROM.
func (f *facts) expands() bool {
	for _, call := range f.c.query.Calls {
		if call.In == f.sel && !call.Table && expanding[call.Name] {
			return true
		}
	}
	return false
}

// decides says whether the output columns of the given names decide a row of sel's result.
func (c *checker) decides(sel *engine.Select, names map[string]bool) bool {
	id := fmt.Sprintf("%p %s", sel, strings.Join(sorted(names), ","))
	if answer, ok := c.decided[id]; ok {
		return answer
	}
	c.decided[id] = false // a SELECT that reads itself decides nothing
	answer := sel.Limit != nil && sel.Limit.One || c.decide(sel, names)
	c.decided[id] = answer
	return answer
}

// decide is decides before sel's LIMIT.
func (c *checker) decide(sel *engine.Select, names map[string]bool) bool {
	if sel.Op != "" {
		switch columns, complete := outputNames(sel); {
		case complete && covers(names, columns):
			return true
		case sel.Op == "except" || sel.Op == "intersect":
			return c.decides(sel.Arms[0], names)
		default:
			return false
		}
	}
	f := c.facts(sel)
	explicit := map[string]bool{}
	for _, o := range sel.Columns {
		explicit[o.Name] = true
		if o.Name != "" && names[o.Name] {
			f.know(o.Expr)
		}
	}
	for _, o := range sel.Columns {
		if !o.Star {
			continue
		}
		for _, name := range sorted(names) {
			if !explicit[name] {
				f.know(engine.Expr{At: -1, Key: o.Expr.Of + "." + name, Column: name, Of: o.Expr.Of})
			}
		}
	}
	return f.result()
}

// sourceDecided says whether the columns of the given names decide a row of s.
func (c *checker) sourceDecided(s *engine.Source, names map[string]bool) bool {
	switch {
	case s.Select != nil:
		return c.decides(s.Select, inner(s, names))
	case s.Table != nil:
		for _, key := range c.keys(s.Table.Table) {
			if covers(names, renamed(s, key)) {
				return true
			}
		}
		return false
	case s.Call != nil && (s.Call.Name == "range" || s.Call.Name == "generate_series"):
		column := s.Alias
		if len(s.Columns) > 0 {
			column = s.Columns[0]
		}
		return names[column] || names[s.Call.Name]
	default:
		return false
	}
}

// inner turns the names by which s's columns are known outside into those of its SELECT.
func inner(s *engine.Source, names map[string]bool) map[string]bool {
	if len(s.Columns) == 0 {
		return names
	}
	columns, complete := outputNames(s.Select)
	if !complete {
		return nil
	}
	in := map[string]bool{}
	for i, column := range columns {
		if i < len(s.Columns) && names[s.Columns[i]] || i >= len(s.Columns) && names[column] {
			in[column] = true
		}
	}
	return in
}

// renamed are a table's columns if nothing renames them; with t(a, b) their order would have to be known.
func renamed(s *engine.Source, key []string) []string {
	if len(s.Columns) > 0 {
		return []string{""}
	}
	return key
}

// outputNames are the names of a SELECT's result; complete says that there is no star among them.
func outputNames(sel *engine.Select) (names []string, complete bool) {
	for len(sel.Arms) > 0 {
		sel = sel.Arms[0]
	}
	complete = len(sel.Columns) > 0
	for _, o := range sel.Columns {
		complete = complete && !o.Star
		names = append(names, o.Name)
	}
	return names, complete
}

// covers says whether every one of a key's columns is among the names.
func covers(names map[string]bool, key []string) bool {
	for _, column := range key {
		if !names[strings.ToLower(column)] {
			return false
		}
	}
	return len(key) > 0
}

func sorted(names map[string]bool) []string {
	var list []string
	for n, ok := range names {
		if ok {
			list = append(list, n)
		}
	}
	sort.Strings(list)
	return list
}
