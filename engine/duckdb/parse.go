package duckdb

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// Parse says what DuckDB's own parser finds in a SELECT. Views and macros of the database are opened.
func (d *Driver) Parse(ctx context.Context, query string) (*engine.Query, error) {
	conn, err := d.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	q, err := d.parse(ctx, conn, query)
	return q, d.Explain(err)
}

func (d *Driver) parse(ctx context.Context, conn *sql.Conn, query string) (*engine.Query, error) {
	statements, err := serialize(ctx, conn, query)
	if err != nil {
		return nil, err
	}
	if len(statements) != 1 {
		return nil, twice.Errorf("not-a-select", "expected one SELECT, got %d statements", len(statements)).
			WithNext("keep one SELECT in the file: use WITH for intermediate steps").WithExit(twice.ExitProject)
	}
	c, err := d.readCatalog(ctx, conn)
	if err != nil {
		return nil, err
	}
	r := &reader{ctx: ctx, catalog: c, query: &engine.Query{}}
	r.selectNode(statements[0], nil)
	r.boundCalls(query)
	return r.query, r.err
}

// serialize gives the tree of each statement in text.
func serialize(ctx context.Context, conn *sql.Conn, text string) ([]node, error) {
	var answer string
	const query = "SELECT CAST(json_serialize_sql(CAST(? AS VARCHAR)) AS VARCHAR)"
	if err := conn.QueryRowContext(ctx, query, text).Scan(&answer); err != nil {
		return nil, err
	}
	tree, err := decode(answer)
	if err != nil {
		return nil, fmt.Errorf("reading DuckDB's syntax tree: %w", err)
	}
	if tree.is("error") {
		return nil, syntaxError(tree, text)
	}
	var roots []node
	for _, s := range tree.nodes("statements") {
		roots = append(roots, s.node("node"))
	}
	return roots, nil
}

func syntaxError(tree node, text string) error {
	message := tree.text("error_message")
	if tree.text("error_type") == "not implemented" {
		return twice.Errorf("not-a-select", "the SQL is not a SELECT").At("", 1).WithExit(twice.ExitProject).
			WithNext("write one SELECT; twice writes its rows itself (PIVOT: select * from (pivot ...))")
	}
	line := 0
	if at, err := strconv.Atoi(tree.text("position")); err == nil {
		line = 1 + strings.Count(text[:min(at, len(text))], "\n")
	}
	message, _, _ = strings.Cut(message, "\n")
	return twice.Errorf("syntax", "%s", message).At("", line).WithExit(twice.ExitProject).
		WithNext("correct the SQL; it must parse as one SELECT of DuckDB")
}

// reader turns a tree into a Query.
type reader struct {
	ctx     context.Context
	catalog *catalog
	query   *engine.Query
	via     string   // the view or macro whose definition is being read
	from    int      // where the text names it
	opened  []string // definitions being read, against endless recursion
	err     error    // the first one
}

func (r *reader) place(n node) engine.Place {
	if r.via != "" {
		return engine.Place{At: r.from, Via: r.via}
	}
	return engine.Place{At: n.at()}
}

// open reads a definition with f, whose findings then stand at the place where the text names it.
func (r *reader) open(name, definition string, at int, f func(node)) {
	for _, open := range r.opened {
		if open == name {
			return
		}
	}
	roots, ok := r.catalog.statement[definition]
	if !ok {
		var err error
		if roots, err = serialize(r.ctx, r.catalog.conn, definition); err != nil {
			roots = nil // a definition that cannot be shown as a tree is read no further
		}
		r.catalog.statement[definition] = roots
	}
	if err := r.ctx.Err(); err != nil && r.err == nil {
		r.err = err
	}
	if len(roots) != 1 {
		return
	}
	via, from := r.via, r.from
	defer func() { r.via, r.from, r.opened = via, from, r.opened[:len(r.opened)-1] }()
	if r.via == "" {
		r.via, r.from = name, at
	} else {
		r.via += ", " + name
	}
	r.opened = append(r.opened, name)
	f(roots[0])
}

// scope holds the CTEs that a name may mean.
type scope struct {
	outer *scope
	ctes  map[string]cte
}

type cte struct {
	body    *engine.Select // nil: the CTE that is being defined, which reads itself
	columns []string
}

func (s *scope) find(name string) (cte, bool) {
	for ; s != nil; s = s.outer {
		if c, ok := s.ctes[strings.ToLower(name)]; ok {
			return c, true
		}
	}
	return cte{}, false
}

// with is a scope in which one more name is a CTE.
func (s *scope) with(name string, c cte) *scope {
	return &scope{outer: s, ctes: map[string]cte{strings.ToLower(name): c}}
}

func (r *reader) selectNode(n node, sc *scope) *engine.Select {
	sel := &engine.Select{Place: r.place(n)}
	r.query.Selects = append(r.query.Selects, sel)
	for _, entry := range n.node("cte_map").nodes("map") {
		value := entry.node("value")
		body := r.selectNode(value.node("query").node("node"), sc)
		sc = sc.with(entry.text("key"), cte{body, value.texts("aliases")})
	}
	switch n.text("type") {
	case "SELECT_NODE":
		r.core(n, sel, sc)
	case "SET_OPERATION_NODE":
		r.setOperation(n, sel, sc)
	case "RECURSIVE_CTE_NODE":
		left := r.selectNode(n.node("left"), sc)
		right := r.selectNode(n.node("right"), sc.with(n.text("cte_name"), cte{}))
		sel.Op, sel.Arms = "union all", []*engine.Select{left, right}
	}
	for _, m := range n.nodes("modifiers") {
		r.modifier(m, sel, sc)
	}
	return sel
}

func (r *reader) setOperation(n node, sel *engine.Select, sc *scope) {
	sel.Op = strings.ToLower(strings.TrimSuffix(n.text("setop_type"), "_BY_NAME"))
	if n.is("setop_all") {
		sel.Op += " all"
	}
	arms := n.nodes("children")
	if len(arms) == 0 {
		arms = []node{n.node("left"), n.node("right")}
	}
	for _, arm := range arms {
		sel.Arms = append(sel.Arms, r.selectNode(arm, sc))
	}
}

func (r *reader) core(n node, sel *engine.Select, sc *scope) {
	r.sources(n.node("from_table"), sel, sc)
	if n["sample"] != nil {
		r.pick("sample", n)
	}
	var plain []engine.Expr // output columns that fold nothing
	if list := n.nodes("select_list"); len(list) > 0 {
		sel.Place = r.place(list[0])
	}
	for _, item := range n.nodes("select_list") {
		calls := len(r.query.Calls)
		sel.Columns = append(sel.Columns, r.output(item, sel, sc))
		if !folds(r.query.Calls[calls:], sel) {
			e := sel.Columns[len(sel.Columns)-1].Expr
			e.All = e.All || item.text("class") == "STAR"
			plain = append(plain, e)
		}
	}
	for _, g := range n.nodes("group_expressions") {
		sel.Group = append(sel.Group, r.position(g, sel, sc))
		sel.Aggregated = true
	}
	sets, _ := n["group_sets"].([]any)
	sel.GroupingSets = len(sets) > 1
	if where := n.node("where_clause"); where != nil {
		sel.Filters = append(sel.Filters, engine.Filter{Word: "WHERE", At: r.expr(where, sel, sc).At})
		r.equalities(where, sel, sc, "INNER")
	}
	if qualify := n.node("qualify"); qualify != nil {
		sel.Filters = append(sel.Filters, engine.Filter{Word: "QUALIFY", At: r.expr(qualify, sel, sc).At})
		r.numbers(qualify, sel, sc)
	}
	if having := n.node("having"); having != nil {
		sel.Filters = append(sel.Filters, engine.Filter{Word: "HAVING", At: r.expr(having, sel, sc).At})
		sel.Aggregated = true
	}
	if n.text("aggregate_handling") == "FORCE_AGGREGATES" {
		sel.Aggregated, sel.Group = true, plain
	}
}

// numbers notes the window calls that QUALIFY holds at a constant: row_number() = 1. Its other equalities come too late to
// hold in what the window calls see.
func (r *reader) numbers(qualify node, sel *engine.Select, sc *scope) {
	for _, pair := range r.pairs(qualify, sel, sc) {
		e, constant := pair[0], pair[1]
		if e.Const {
			e, constant = constant, e
		}
		for _, o := range sel.Columns {
			if e.Column != "" && e.Of == "" && o.Name == e.Column {
				e = o.Expr
			}
		}
		if constant.Const && e.Call != nil && e.Call.Over != nil {
			sel.Fixed = append(sel.Fixed, e)
		}
	}
}

// folds says whether one of the calls makes rows of sel into groups.
func folds(calls []*engine.Call, sel *engine.Select) bool {
	for _, c := range calls {
		if c.Aggregate && c.Over == nil && c.In == sel {
			return true
		}
	}
	return false
}

func (r *reader) output(n node, sel *engine.Select, sc *scope) engine.Output {
	e := r.expr(n, sel, sc)
	if n.text("class") == "STAR" {
		e.Of = strings.ToLower(n.text("relation_name"))
		return engine.Output{Star: true, Expr: e}
	}
	name := n.text("alias")
	if name == "" {
		name = e.Column
	}
	return engine.Output{Name: strings.ToLower(name), Expr: e}
}

func (r *reader) modifier(m node, sel *engine.Select, sc *scope) {
	switch m.text("type") {
	case "ORDER_MODIFIER":
		for _, o := range m.nodes("orders") {
			sel.Order = append(sel.Order, r.position(o.node("expression"), sel, sc))
		}
	case "DISTINCT_MODIFIER":
		for _, t := range m.nodes("distinct_on_targets") {
			sel.DistinctOn = append(sel.DistinctOn, r.position(t, sel, sc))
		}
		sel.Distinct = len(sel.DistinctOn) == 0
	case "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER":
		limit, offset := m.node("limit"), m.node("offset")
		at := limit
		if at == nil {
			at = offset
		}
		sel.Limit = &engine.Limit{At: r.place(at).At}
		if rows, ok := limit.integer(); ok && m.text("type") == "LIMIT_MODIFIER" {
			sel.Limit.One = rows <= 1
		}
		for _, e := range []node{limit, offset} {
			if e != nil {
				r.expr(e, sel, sc)
			}
		}
	}
}

// position reads an item of ORDER BY or GROUP BY, where an integer is the position of an output column.
func (r *reader) position(n node, sel *engine.Select, sc *scope) engine.Expr {
	e := r.expr(n, sel, sc)
	if i, ok := n.integer(); ok {
		e.Ordinal = i
	}
	return e
}

func (r *reader) pick(what string, n node) {
	r.query.Picks = append(r.query.Picks, engine.Pick{Place: r.place(n), What: what})
}
