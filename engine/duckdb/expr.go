package duckdb

import (
	"strings"

	"github.com/twice-data/twice/engine"
)

// keywords are functions that are written like columns. A column of the same name wins over them, which the tree cannot
// tell. "user" is not among them where there is a FROM: a column of that name is far likelier.
var keywords = map[string]bool{
	"current_date": true, "current_time": true, "current_timestamp": true, "localtime": true, "localtimestamp": true,
	"current_user": true, "session_user": true, "current_role": true, "current_catalog": true, "current_schema": true,
	"user": true, "rowid": true,
}

// frame is where an expression stands.
type frame struct {
	sel    *engine.Select
	scope  *scope
	inside string // the call that it is an argument of
}

// expr reads an expression of sel: it notes the calls and subqueries in it and says what it is.
func (r *reader) expr(n node, sel *engine.Select, sc *scope) engine.Expr {
	return r.exprIn(n, frame{sel: sel, scope: sc})
}

func (r *reader) exprIn(n node, f frame) engine.Expr {
	e := engine.Expr{At: r.place(n).At, Key: n.key()}
	switch n.text("class") {
	case "COLUMN_REF":
		r.column(n, &e, f)
	case "CONSTANT", "PARAMETER":
		e.Const = true
	case "POSITIONAL_REFERENCE":
		e.Ordinal, _ = node{"class": "CONSTANT", "value": map[string]any{
			"type": map[string]any{"id": "INTEGER"}, "value": n["index"],
		}}.integer()
	case "FUNCTION", "WINDOW":
		if n.is("is_operator") {
			e.Call = r.operator(strings.ToLower(n.text("function_name")), n, f)
			if e.Call.Name == "/" {
				e.Casts = []string{"double"} // of integers and decimals too
			}
			break
		}
		e.Call = r.call(n, f)
	case "CAST":
		child := r.exprIn(n.node("child"), f)
		e.Const, e.Casts = child.Const, []string{castType(n.node("cast_type"))}
	case "SUBQUERY":
		sub := r.selectNode(n.node("subquery").node("node"), f.scope)
		sub.Exists = strings.HasSuffix(n.text("subquery_type"), "EXISTS")
		if child := n.node("child"); child != nil {
			r.exprIn(child, f)
		}
	case "LAMBDA":
		e.Casts = r.children(node{"expr": n["expr"]}, f)
	case "STAR":
		e.All = n.is("columns") && n["expr"] == nil
		r.children(n, f)
	case "OPERATOR":
		e.Call = r.operator(strings.ToLower(strings.TrimPrefix(n.text("type"), "OPERATOR_")), n, f)
	default:
		e.Casts = r.children(n, f)
	}
	return e
}

// operator reads +, coalesce and their like. They are not among the Query's calls: they never surprise.
func (r *reader) operator(name string, n node, f frame) *engine.Call {
	c := &engine.Call{Place: r.place(n), Name: name, In: f.sel}
	for _, arg := range n.nodes("children") {
		c.Args = append(c.Args, r.exprIn(arg, f))
	}
	return c
}

func castType(n node) string {
	if alias := n.node("type_info").text("alias"); alias != "" {
		return strings.ToLower(alias)
	}
	return strings.ToLower(n.text("id"))
}

func (r *reader) column(n node, e *engine.Expr, f frame) {
	names := lowerAll(n.texts("column_names"))
	switch len(names) {
	case 1:
		e.Column = names[0]
	case 2:
		e.Of, e.Column = names[0], names[1]
	}
	if !keywords[e.Column] || e.Of != "" && e.Column != "rowid" {
		return
	}
	if e.Column == "user" && len(f.sel.From) > 0 {
		return
	}
	c := &engine.Call{Place: r.place(n), Name: e.Column, Keyword: true, Inside: f.inside, In: f.sel}
	r.query.Calls = append(r.query.Calls, c)
	r.macros(c, f)
}

// children reads every expression and subquery below n, and gives the types that they are cast to.
func (r *reader) children(n node, f frame) (casts []string) {
	for _, key := range n.keys() {
		casts = append(casts, r.descend(n[key], f)...)
	}
	return casts
}

func (r *reader) descend(v any, f frame) (casts []string) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			casts = append(casts, r.descend(item, f)...)
		}
	case map[string]any:
		n := node(v)
		switch {
		case n.text("class") != "":
			return r.exprIn(n, f).Casts
		case strings.HasSuffix(n.text("type"), "_NODE"):
			r.selectNode(n, f.scope)
		default:
			return r.children(n, f)
		}
	}
	return casts
}

// call reads a function or a window call.
func (r *reader) call(n node, f frame) *engine.Call {
	c := &engine.Call{
		Place: r.place(n), Name: strings.ToLower(n.text("function_name")), Schema: n.text("schema"),
		Distinct: n.is("distinct"), Inside: f.inside, In: f.sel,
	}
	c.Aggregate = r.catalog.builtin[c.Name].aggregate
	r.query.Calls = append(r.query.Calls, c)
	inner := f
	inner.inside = c.Name
	for _, arg := range n.nodes("children") {
		c.Args = append(c.Args, r.exprIn(arg, inner))
	}
	c.Order = append(r.orders(n.node("order_bys").nodes("orders"), inner), r.orders(n.nodes("arg_orders"), inner)...)
	for _, key := range []string{"filter", "filter_expr", "offset_expr", "default_expr", "start_expr", "end_expr"} {
		if e := n.node(key); e != nil {
			r.exprIn(e, inner)
		}
	}
	if n.text("class") == "WINDOW" {
		over := &engine.Over{Order: r.orders(n.nodes("orders"), inner)}
		for _, p := range n.nodes("partitions") {
			over.Partition = append(over.Partition, r.exprIn(p, inner))
		}
		over.Rows = strings.HasSuffix(n.text("start"), "_ROWS") || strings.HasSuffix(n.text("end"), "_ROWS")
		c.Over = over
	}
	if c.Aggregate && c.Over == nil && f.sel != nil {
		f.sel.Aggregated = true
	}
	if c.Name == "age" && len(c.Args) == 1 {
		// The catalogue has one entry for both forms; this one is counted from today.
		today := &engine.Call{Place: c.Place, Name: "current_date", Inside: "age", In: f.sel}
		r.query.Calls = append(r.query.Calls, today)
	}
	r.macros(c, f)
	return c
}

func (r *reader) orders(list []node, f frame) []engine.Expr {
	var order []engine.Expr
	for _, o := range list {
		order = append(order, r.exprIn(o.node("expression"), f))
	}
	return order
}

// macros reads what a call stands for, as a part of the SELECT that it is in.
func (r *reader) macros(c *engine.Call, f frame) {
	for _, m := range r.catalog.macrosOf(c.Name) {
		if m.table {
			continue
		}
		r.open("macro "+c.Name, "SELECT "+m.definition, c.At, func(root node) {
			for _, item := range root.nodes("select_list") {
				r.exprIn(item, f)
			}
		})
	}
}
