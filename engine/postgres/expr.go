package postgres

import (
	"slices"
	"sort"
	"strings"

	"github.com/twice-data/twice/engine"
)

// frame is where an expression stands.
type frame struct {
	sel     *engine.Select
	scope   *scope
	windows map[string]node // those that the SELECT's WINDOW clause names
	inside  string          // the call that it is an argument of
}

func windows(n node) map[string]node {
	named := map[string]node{}
	for _, w := range n.nodes("windowClause") {
		def := w.node("WindowDef")
		named[def.text("name")] = def
	}
	return named
}

// expr reads an expression: it notes the calls and subqueries in it and says what it is.
func (r *reader) expr(n node, f frame) engine.Expr {
	e := engine.Expr{At: r.place(map[string]any(n)).At, Key: n.key()}
	switch kind, in := n.kind(); kind {
	case "ColumnRef":
		switch names := in.names("fields"); len(names) {
		case 1:
			e.Column = names[0]
		case 2:
			e.Of, e.Column = names[0], names[1]
		case 3: // schema.table.column
			e.Of, e.Column = names[1], names[2]
		}
		if e.Column == "*" {
			e.Column = ""
		}
		r.systemColumn(in, e, f)
	case "A_Const", "ParamRef":
		e.Const = true
	case "TypeCast":
		child := r.expr(in.node("arg"), f)
		e.Const, e.Casts = child.Const, []string{castType(in.node("typeName"))}
		if readsClock(in) {
			r.note(&engine.Call{Place: r.place(map[string]any(n)), Name: "now", Keyword: true}, f)
		}
	case "FuncCall":
		e.Call = r.call(in, f)
		for _, a := range e.Call.Args {
			e.Casts = append(e.Casts, a.Casts...)
		}
	case "SQLValueFunction":
		e.Call = r.note(&engine.Call{Place: r.place(map[string]any(n)), Name: valueFunction(in.text("op")), Keyword: true}, f)
	case "SubLink":
		sub := r.selectStmt(in.node("subselect").node("SelectStmt"), f.scope)
		sub.Exists = in.text("subLinkType") == "EXISTS_SUBLINK"
		if test := in.node("testexpr"); test != nil {
			r.expr(test, f)
		}
	case "SelectStmt":
		r.selectStmt(in, f.scope)
	case "":
	default:
		e.Casts = r.children(in, f)
	}
	return e
}

// valueFunction is "SVFOP_CURRENT_TIMESTAMP_N" as it is written.
func valueFunction(op string) string {
	return strings.TrimSuffix(strings.ToLower(strings.TrimPrefix(op, "SVFOP_")), "_n")
}

// systemColumn notes a column that says where a row is stored and which transaction wrote it.
func (r *reader) systemColumn(in node, e engine.Expr, f frame) {
	if slices.Contains(systemColumns, e.Column) {
		r.note(&engine.Call{Place: r.place(map[string]any{"ColumnRef": map[string]any(in)}), Name: e.Column, Keyword: true}, f)
	}
}

// readsClock finds date 'today' and 'now'::timestamp: literals whose value is another one every time.
func readsClock(cast node) bool {
	word := strings.ToLower(strings.TrimSpace(cast.node("arg").node("A_Const").node("sval").text("sval")))
	typ := castType(cast.node("typeName"))
	return slices.Contains([]string{"now", "today", "tomorrow", "yesterday"}, word) &&
		(strings.HasPrefix(typ, "date") || strings.HasPrefix(typ, "time"))
}

// castType is a type's name in SQL's words rather than the catalogue's.
func castType(n node) string {
	names := n.names("names")
	if len(names) == 0 {
		return ""
	}
	name := names[len(names)-1]
	if word, ok := words[name]; ok {
		return word
	}
	return strings.ToLower(name)
}

var words = map[string]string{
	"bool": "boolean", "int2": "smallint", "int4": "integer", "int8": "bigint", "float4": "real", "float8": "double precision",
	"bpchar": "character", "timestamptz": "timestamp with time zone", "timetz": "time with time zone",
}

// children reads every expression and subquery below n, and gives the types that they are cast to. Keys are visited in
// order, so that two readings of a text give the same Query.
func (r *reader) children(n node, f frame) (casts []string) {
	keys := make([]string, 0, len(n))
	for key := range n {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	for _, key := range keys {
		casts = append(casts, r.descend(key, n[key], f)...)
	}
	return casts
}

func (r *reader) descend(key string, v any, f frame) (casts []string) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			casts = append(casts, r.descend(key, item, f)...)
		}
	case map[string]any:
		n := node(v)
		if kind, _ := n.kind(); len(n) == 1 && isKind(kind) {
			return r.expr(n, f).Casts
		}
		return r.children(n, f)
	}
	return casts
}

// isKind tells a wrapped node from an object that is a field: kinds are written LikeThis.
func isKind(key string) bool { return key != "" && key[0] >= 'A' && key[0] <= 'Z' }

func (r *reader) note(c *engine.Call, f frame) *engine.Call {
	c.Inside, c.In = f.inside, f.sel
	r.query.Calls = append(r.query.Calls, c)
	return c
}

// call reads a function call, an aggregate or a window call.
func (r *reader) call(n node, f frame) *engine.Call {
	names := n.names("funcname")
	c := &engine.Call{
		Place: r.place(map[string]any{"FuncCall": map[string]any(n)}), Name: names[len(names)-1], Distinct: n.is("agg_distinct"),
	}
	if len(names) > 1 && names[0] != "pg_catalog" {
		c.Schema = names[len(names)-2]
	}
	r.note(c, f)
	inner := f
	inner.inside = c.Name
	for _, arg := range n.nodes("args") {
		c.Args = append(c.Args, r.expr(arg, inner))
	}
	c.Order = r.orders(n.nodes("agg_order"), inner)
	if filter := n.node("agg_filter"); filter != nil {
		r.expr(filter, inner)
	}
	if over := n.node("over"); over != nil {
		c.Over = r.over(over, inner)
	}
	var body string
	c.Aggregate, body = r.catalog.function(c.Schema, c.Name)
	if c.Aggregate && c.Over == nil {
		f.sel.Aggregated = true
	}
	if body != "" {
		r.open("function "+c.Name, body, c.At)
	}
	if c.Name == "age" && len(c.Args) == 1 {
		// The catalogue has one name for both forms; this one is counted from today.
		r.note(&engine.Call{Place: c.Place, Name: "current_date"}, inner)
	}
	return c
}

func (r *reader) orders(list []node, f frame) []engine.Expr {
	var order []engine.Expr
	for _, o := range list {
		order = append(order, r.expr(o.node("SortBy").node("node"), f))
	}
	return order
}

// The bits of a frame that matter here, from PostgreSQL's parsenodes.h.
const (
	frameRows          = 0x00004
	frameFromUnbounded = 0x00020
	frameToUnbounded   = 0x00100
)

// over reads a window, which may name one of the WINDOW clause or build on it.
func (r *reader) over(n node, f frame) *engine.Over {
	if base := f.windows[n.text("name")]; base != nil {
		n = base
	}
	o := &engine.Over{Order: r.orders(n.nodes("orderClause"), f)}
	for _, p := range n.nodes("partitionClause") {
		o.Partition = append(o.Partition, r.expr(p, f))
	}
	if parent := n.text("refname"); parent != "" && f.windows[parent] != nil {
		from := r.over(f.windows[parent], f)
		o.Partition = append(from.Partition, o.Partition...)
		o.Order = append(from.Order, o.Order...)
	}
	frame := n.number("frameOptions")
	o.Rows = frame&frameRows != 0 && (frame&frameFromUnbounded == 0 || frame&frameToUnbounded == 0)
	for _, key := range []string{"startOffset", "endOffset"} {
		if e := n.node(key); e != nil {
			r.expr(e, f)
		}
	}
	return o
}
