package duckdb

import (
	"strings"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// sources reads an item of FROM into sel and gives the names by which its relations are known.
func (r *reader) sources(n node, sel *engine.Select, sc *scope) []string {
	if sample := n.node("sample"); sample != nil {
		r.pick("sample", n)
	}
	switch n.text("type") {
	case "", "EMPTY":
		return nil
	case "JOIN":
		return r.join(n, sel, sc)
	case "BASE_TABLE":
		return r.source(n, sel, r.baseTable(n, sc))
	case "SUBQUERY":
		body := r.selectNode(n.node("subquery").node("node"), sc)
		return r.source(n, sel, &engine.Source{Select: body, Lateral: len(sel.From) > 0})
	case "TABLE_FUNCTION":
		return r.source(n, sel, r.tableFunction(n.node("function"), sel, sc))
	case "PIVOT":
		return r.source(n, sel, &engine.Source{Select: r.pivot(n, sc)})
	case "SHOW_REF":
		call := &engine.Call{Place: r.place(n), Name: strings.ToLower(n.text("show_type")), Table: true, In: sel}
		r.query.Calls = append(r.query.Calls, call)
		if body := n.node("query"); body != nil {
			r.selectNode(body, sc)
		}
		return r.source(n, sel, &engine.Source{Call: call})
	default: // VALUES, and whatever a later version brings
		r.children(n, frame{sel: sel, scope: sc})
		return r.source(n, sel, &engine.Source{})
	}
}

func (r *reader) source(n node, sel *engine.Select, s *engine.Source) []string {
	if alias := n.text("alias"); alias != "" {
		s.Alias = strings.ToLower(alias)
	}
	if names := n.texts("column_name_alias"); len(names) > 0 {
		s.Columns = names
	}
	s.Columns = lowerAll(s.Columns)
	sel.From = append(sel.From, s)
	return []string{s.Alias}
}

func lowerAll(names []string) []string {
	var low []string
	for _, name := range names {
		low = append(low, strings.ToLower(name))
	}
	return low
}

func (r *reader) baseTable(n node, sc *scope) *engine.Source {
	name, schema := n.text("table_name"), n.text("schema_name")
	s := &engine.Source{Alias: strings.ToLower(name)}
	if c, ok := sc.find(name); ok && schema == "" && n.text("catalog_name") == "" {
		s.Select, s.Columns = c.body, c.columns
		return s
	}
	if strings.EqualFold(schema, "main") {
		schema = "" // the default schema
	}
	p := r.place(n)
	ref := engine.TableRef{
		Table: twice.Table{Schema: schema, Name: name}, Catalog: n.text("catalog_name"), At: p.At, Via: p.Via,
	}
	if strings.EqualFold(ref.Catalog, r.catalog.database) {
		ref.Catalog = ""
	}
	low := strings.ToLower(name)
	ref.System = strings.EqualFold(schema, "information_schema") || strings.EqualFold(schema, "pg_catalog") ||
		schema == "" && r.catalog.system[low]
	full := strings.ToLower(schema) + "." + low
	if schema == "" {
		full = "main." + low
	}
	v, isView := r.catalog.views[full]
	ref.View = isView && ref.Catalog == ""
	r.query.Tables = append(r.query.Tables, ref)
	s.Table = &ref
	if ref.View {
		r.open("view "+ref.Table.String(), v.query, p.At, func(root node) {
			s.Select, s.Columns = r.selectNode(root, nil), v.columns
		})
	}
	return s
}

func (r *reader) tableFunction(n node, sel *engine.Select, sc *scope) *engine.Source {
	s := &engine.Source{Alias: strings.ToLower(n.text("function_name")), Lateral: len(sel.From) > 0}
	s.Call = r.call(n, frame{sel: sel, scope: sc})
	s.Call.Table = true
	for _, m := range r.catalog.macrosOf(s.Call.Name) {
		if m.table {
			r.open("macro "+s.Call.Name, m.definition, s.Call.At, func(root node) {
				s.Select, s.Call = r.selectNode(root, nil), nil
			})
		}
	}
	return s
}

// pivot is read as a SELECT of whose rows nothing is known.
func (r *reader) pivot(n node, sc *scope) *engine.Select {
	sel := &engine.Select{Place: r.place(n), Aggregated: true, GroupingSets: true}
	r.query.Selects = append(r.query.Selects, sel)
	r.sources(n.node("source"), sel, sc)
	sel.Columns = []engine.Output{{Star: true}}
	rest := node{"aggregates": n["aggregates"], "pivots": n["pivots"]}
	r.children(rest, frame{sel: sel, scope: sc})
	return sel
}

func (r *reader) join(n node, sel *engine.Select, sc *scope) []string {
	left := r.sources(n.node("left"), sel, sc)
	before := len(sel.From)
	right := r.sources(n.node("right"), sel, sc)
	kind := n.text("join_type")
	for _, column := range n.texts("using_columns") {
		for _, l := range left {
			for _, rt := range right {
				imply(sel, kind, usingColumn(column, l), usingColumn(column, rt))
			}
		}
	}
	filter := engine.Filter{Word: "JOIN", At: r.place(n).At}
	if on := n.node("condition"); on != nil {
		filter.At = r.expr(on, sel, sc).At
		r.joinEqualities(on, sel, sc, kind, right)
	}
	sel.Filters = append(sel.Filters, filter)
	switch {
	case n.text("ref_type") == "POSITIONAL":
		r.pick("positional join", n)
	case n.text("ref_type") == "ASOF":
		for _, s := range sel.From[before:] {
			s.Lateral, s.Single = true, true
			s.Matched = append(lowerAll(n.texts("using_columns")), columnsOf(n["condition"], s.Alias)...)
		}
	case kind == "SEMI" || kind == "ANTI":
		sel.From = sel.From[:before] // its rows do not come out
		return left
	}
	return append(left, right...)
}

// columnsOf are the columns of a relation that an expression names.
func columnsOf(v any, alias string) (names []string) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			names = append(names, columnsOf(item, alias)...)
		}
	case map[string]any:
		n := node(v)
		if ref := lowerAll(n.texts("column_names")); len(ref) == 1 || len(ref) == 2 && ref[0] == alias {
			names = append(names, ref[len(ref)-1])
		}
		for _, key := range n.keys() {
			names = append(names, columnsOf(n[key], alias)...)
		}
	}
	return names
}

func usingColumn(name, alias string) engine.Expr {
	name = strings.ToLower(name)
	return engine.Expr{At: -1, Key: alias + "." + name, Column: name, Of: alias}
}

// imply notes that left = right holds in every row of a join.
func imply(sel *engine.Select, join string, left, right engine.Expr) {
	if join == "INNER" || join == "LEFT" || join == "SEMI" {
		sel.Implied = append(sel.Implied, engine.Implied{Known: left, Then: right})
	}
	if join == "INNER" || join == "RIGHT" || join == "SEMI" {
		sel.Implied = append(sel.Implied, engine.Implied{Known: right, Then: left})
	}
}

// joinEqualities notes the equalities of an ON, whichever side they name first.
func (r *reader) joinEqualities(n node, sel *engine.Select, sc *scope, join string, right []string) {
	if join == "INNER" || join == "SEMI" {
		r.equalities(n, sel, sc, join)
		return
	}
	for _, pair := range r.pairs(n, sel, sc) {
		known, then := pair[0], pair[1]
		if contains(right, known.Of) {
			known, then = then, known
		}
		if contains(right, then.Of) && known.Of != "" {
			imply(sel, join, known, then)
		}
	}
}

// equalities notes what a condition holds equal in every row that passes it.
func (r *reader) equalities(n node, sel *engine.Select, sc *scope, join string) {
	for _, pair := range r.pairs(n, sel, sc) {
		switch a, b := pair[0], pair[1]; {
		case b.Const:
			sel.Fixed = append(sel.Fixed, a)
		case a.Const:
			sel.Fixed = append(sel.Fixed, b)
		default:
			imply(sel, join, a, b)
		}
	}
}

// pairs lists the two sides of each a = b that a condition demands. The sides were read before; they are not noted again.
func (r *reader) pairs(n node, sel *engine.Select, sc *scope) [][2]engine.Expr {
	switch n.text("type") {
	case "CONJUNCTION_AND":
		var all [][2]engine.Expr
		for _, child := range n.nodes("children") {
			all = append(all, r.pairs(child, sel, sc)...)
		}
		return all
	case "COMPARE_EQUAL", "COMPARE_NOT_DISTINCT_FROM":
		quiet := *r
		quiet.query = &engine.Query{}
		return [][2]engine.Expr{{quiet.expr(n.node("left"), sel, sc), quiet.expr(n.node("right"), sel, sc)}}
	default:
		return nil
	}
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}
