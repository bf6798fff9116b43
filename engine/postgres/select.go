package postgres

import (
	"slices"
	"strings"

	"github.com/twice-data/twice/engine"
)

// reader turns a tree into a Query.
type reader struct {
	catalog *catalog
	query   *engine.Query
	via     string   // the view or function whose definition is being read
	from    int      // where the text names it
	opened  []string // definitions being read, against endless recursion
	err     error    // the first one
}

func (r *reader) place(v any) engine.Place {
	if r.via != "" {
		return engine.Place{At: r.from, Via: r.via}
	}
	if at, ok := first(v); ok {
		return engine.Place{At: at}
	}
	return engine.Place{At: -1}
}

// open reads the SELECT of a definition; its findings stand at the place where the text names it. What is not one SELECT
// is read no further.
func (r *reader) open(name, definition string, at int) *engine.Select {
	statements, err := tree(definition)
	if err != nil || len(statements) != 1 || slices.Contains(r.opened, name) {
		return nil
	}
	root := statements[0].node("SelectStmt")
	if root == nil {
		return nil
	}
	via, from := r.via, r.from
	defer func() { r.via, r.from, r.opened = via, from, r.opened[:len(r.opened)-1] }()
	if r.via == "" {
		r.via, r.from = name, at
	} else {
		r.via += ", " + name
	}
	r.opened = append(r.opened, name)
	return r.selectStmt(root, nil)
}

// scope holds the CTEs that a name may mean.
type scope struct {
	outer   *scope
	name    string
	body    *engine.Select // nil: the CTE that is being defined, which reads itself
	columns []string
}

func (s *scope) find(name string) *scope {
	for ; s != nil && s.name != name; s = s.outer {
	}
	return s
}

func (r *reader) selectStmt(n node, sc *scope) *engine.Select {
	sel := &engine.Select{Place: r.place(map[string]any(n))}
	r.query.Selects = append(r.query.Selects, sel)
	sc = r.with(n.node("withClause"), sc)
	if op := n.text("op"); op != "" && op != "SETOP_NONE" {
		sel.Op = strings.ToLower(strings.TrimPrefix(op, "SETOP_"))
		if n.is("all") {
			sel.Op += " all"
		}
		sel.Arms = []*engine.Select{r.selectStmt(n.node("larg"), sc), r.selectStmt(n.node("rarg"), sc)}
	} else {
		r.core(n, sel, sc)
	}
	f := frame{sel: sel, scope: sc, windows: windows(n)}
	for _, o := range n.nodes("sortClause") {
		sel.Order = append(sel.Order, r.position(o.node("SortBy").node("node"), f))
	}
	r.limit(n, sel, f)
	return sel
}

func (r *reader) with(clause node, sc *scope) *scope {
	for _, item := range clause.nodes("ctes") {
		cte := item.node("CommonTableExpr")
		name, columns := cte.text("ctename"), cte.names("aliascolnames")
		inner := sc
		if clause.is("recursive") {
			inner = &scope{outer: sc, name: name, columns: columns}
		}
		body := cte.node("ctequery").node("SelectStmt")
		if body == nil { // INSERT, UPDATE, DELETE … RETURNING
			r.err = notASelect()
			continue
		}
		sc = &scope{outer: sc, name: name, columns: columns, body: r.selectStmt(body, inner)}
	}
	return sc
}

func (r *reader) core(n node, sel *engine.Select, sc *scope) {
	if n.node("intoClause") != nil {
		r.err = notASelect()
	}
	for _, item := range n.nodes("fromClause") {
		r.sources(item, sel, sc)
	}
	f := frame{sel: sel, scope: sc, windows: windows(n)}
	for _, item := range n.nodes("targetList") {
		sel.Columns = append(sel.Columns, r.output(item.node("ResTarget"), f))
	}
	for _, g := range n.nodes("groupClause") {
		sel.Aggregated = true
		if set := g.node("GroupingSet"); set != nil {
			sel.GroupingSets = true
			r.children(set, f)
			continue
		}
		sel.Group = append(sel.Group, r.position(g, f))
	}
	if where := n.node("whereClause"); where != nil {
		sel.Filters = append(sel.Filters, engine.Filter{Word: "WHERE", At: r.expr(where, f).At})
		r.equalities(where, sel, f)
	}
	if having := n.node("havingClause"); having != nil {
		sel.Filters = append(sel.Filters, engine.Filter{Word: "HAVING", At: r.expr(having, f).At})
		sel.Aggregated = true
	}
	for _, item := range n.nodes("distinctClause") {
		if kind, _ := item.kind(); kind != "" {
			sel.DistinctOn = append(sel.DistinctOn, r.position(item, f))
		}
	}
	sel.Distinct = n["distinctClause"] != nil && len(sel.DistinctOn) == 0
	for _, row := range n.nodes("valuesLists") {
		r.children(row, f)
	}
	if rows := n.nodes("valuesLists"); len(rows) > 0 {
		for range rows[0].node("List").nodes("items") {
			sel.Columns = append(sel.Columns, engine.Output{})
		}
	}
}

func (r *reader) output(n node, f frame) engine.Output {
	value := n.node("val")
	e := r.expr(value, f)
	if fields := value.node("ColumnRef").names("fields"); len(fields) > 0 && fields[len(fields)-1] == "*" {
		e.Of = strings.Join(fields[:len(fields)-1], ".")
		return engine.Output{Star: true, Expr: e}
	}
	name := n.text("name")
	if name == "" {
		name = e.Column
	}
	return engine.Output{Name: name, Expr: e}
}

func (r *reader) limit(n node, sel *engine.Select, f frame) {
	count, offset := n.node("limitCount"), n.node("limitOffset")
	all := count != nil && count.node("A_Const").is("isnull") // LIMIT ALL
	if offset == nil && (count == nil || all) {
		return
	}
	at := count
	if at == nil {
		at = offset
	}
	sel.Limit = &engine.Limit{At: r.place(map[string]any(at)).At, Ties: n.text("limitOption") == "LIMIT_OPTION_WITH_TIES"}
	if rows, ok := integer(count); ok && !sel.Limit.Ties {
		sel.Limit.One = rows <= 1
	}
	for _, e := range []node{count, offset} {
		if e != nil {
			r.expr(e, f)
		}
	}
}

// integer is the value of an integer literal.
func integer(n node) (int, bool) {
	c := n.node("A_Const")
	if c == nil || c.node("ival") == nil {
		return 0, false
	}
	return c.node("ival").number("ival"), true
}

// position reads an item of ORDER BY, GROUP BY or DISTINCT ON, where an integer is the position of an output column.
func (r *reader) position(n node, f frame) engine.Expr {
	e := r.expr(n, f)
	e.Ordinal, _ = integer(n)
	return e
}

func (r *reader) pick(what string, n node) {
	r.query.Picks = append(r.query.Picks, engine.Pick{Place: r.place(map[string]any(n)), What: what})
}
