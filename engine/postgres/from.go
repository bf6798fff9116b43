package postgres

import (
	"slices"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// sources reads an item of FROM into sel and gives the names by which its relations are known.
func (r *reader) sources(n node, sel *engine.Select, sc *scope) []string {
	f := frame{sel: sel, scope: sc}
	switch kind, in := n.kind(); kind {
	case "JoinExpr":
		return r.join(in, sel, sc)
	case "RangeVar":
		return r.source(in, sel, r.rangeVar(in, sc))
	case "RangeTableSample":
		r.pick("sample", n)
		r.children(node{"args": in["args"], "repeatable": in["repeatable"]}, f)
		return r.sources(in.node("relation"), sel, sc)
	case "RangeSubselect":
		body := r.selectStmt(in.node("subquery").node("SelectStmt"), sc)
		return r.source(in, sel, &engine.Source{Select: body, Lateral: in.is("lateral")})
	case "RangeFunction":
		return r.source(in, sel, r.rangeFunction(in, f))
	default: // XMLTABLE, JSON_TABLE, and whatever a later version brings
		r.children(in, f)
		return r.source(in, sel, &engine.Source{Lateral: true})
	}
}

func (r *reader) source(n node, sel *engine.Select, s *engine.Source) []string {
	if alias := n.node("alias"); alias != nil {
		s.Alias = alias.text("aliasname")
		if names := alias.names("colnames"); len(names) > 0 {
			s.Columns = names
		}
	}
	sel.From = append(sel.From, s)
	return []string{s.Alias}
}

func (r *reader) rangeVar(n node, sc *scope) *engine.Source {
	name, schema := n.text("relname"), n.text("schemaname")
	s := &engine.Source{Alias: name}
	if c := sc.find(name); c != nil && schema == "" {
		s.Select, s.Columns = c.body, c.columns
		return s
	}
	p := r.place(map[string]any{"RangeVar": map[string]any(n)})
	found, view := r.catalog.relation(schema, name)
	if schema == r.catalog.schema {
		schema = ""
	}
	ref := engine.TableRef{
		Table: twice.Table{Schema: schema, Name: name}, Catalog: n.text("catalogname"),
		View: view != "", System: found == "pg_catalog" || found == "information_schema", At: p.At, Via: p.Via,
	}
	r.query.Tables = append(r.query.Tables, ref)
	s.Table = &ref
	if ref.View {
		s.Select = r.open("view "+ref.Table.String(), view, p.At)
	}
	return s
}

func (r *reader) rangeFunction(n node, f frame) *engine.Source {
	s := &engine.Source{Lateral: n.is("lateral") || len(f.sel.From) > 0}
	functions := n.nodes("functions")
	if len(functions) > 1 {
		r.pick("positional join", n) // ROWS FROM (f(), g())
	}
	for _, item := range functions {
		for _, fn := range item.node("List").nodes("items") {
			e := r.expr(fn, f)
			if e.Call == nil {
				continue
			}
			e.Call.Table = true
			if s.Call == nil {
				s.Call, s.Alias = e.Call, e.Call.Name
			}
		}
	}
	return s
}

// join reads both sides and notes what its condition holds equal.
func (r *reader) join(n node, sel *engine.Select, sc *scope) []string {
	left := r.sources(n.node("larg"), sel, sc)
	right := r.sources(n.node("rarg"), sel, sc)
	kind := n.text("jointype")
	for _, column := range n.names("usingClause") {
		for _, l := range left {
			for _, rt := range right {
				imply(sel, kind, qualified(l, column), qualified(rt, column))
			}
		}
	}
	f := frame{sel: sel, scope: sc}
	filter := engine.Filter{Word: "JOIN", At: -1}
	if on := n.node("quals"); on != nil {
		filter.At = r.expr(on, f).At
		if kind == "JOIN_INNER" {
			r.equalities(on, sel, f)
		} else {
			r.outerEqualities(on, sel, f, kind, right)
		}
	}
	sel.Filters = append(sel.Filters, filter)
	return append(left, right...)
}

// qualified is the expression alias.column, as if it had been written.
func qualified(alias, column string) engine.Expr {
	name := func(s string) any { return map[string]any{"String": map[string]any{"sval": s}} }
	ref := node{"ColumnRef": map[string]any{"fields": []any{name(alias), name(column)}}}
	return engine.Expr{At: -1, Key: ref.key(), Column: column, Of: alias}
}

// imply notes that left = right holds in every row of a join.
func imply(sel *engine.Select, join string, left, right engine.Expr) {
	if join == "JOIN_INNER" || join == "JOIN_LEFT" {
		sel.Implied = append(sel.Implied, engine.Implied{Known: left, Then: right})
	}
	if join == "JOIN_INNER" || join == "JOIN_RIGHT" {
		sel.Implied = append(sel.Implied, engine.Implied{Known: right, Then: left})
	}
}

// outerEqualities notes the equalities of an ON, whichever side they name first.
func (r *reader) outerEqualities(n node, sel *engine.Select, f frame, join string, right []string) {
	for _, pair := range r.pairs(n, f) {
		known, then := pair[0], pair[1]
		if slices.Contains(right, known.Of) {
			known, then = then, known
		}
		if slices.Contains(right, then.Of) && known.Of != "" {
			imply(sel, join, known, then)
		}
	}
}

// equalities notes what a condition holds equal in every row that passes it.
func (r *reader) equalities(n node, sel *engine.Select, f frame) {
	for _, pair := range r.pairs(n, f) {
		switch a, b := pair[0], pair[1]; {
		case b.Const:
			sel.Fixed = append(sel.Fixed, a)
		case a.Const:
			sel.Fixed = append(sel.Fixed, b)
		default:
			imply(sel, "JOIN_INNER", a, b)
		}
	}
}

// pairs lists the two sides of each a = b that a condition demands. The sides were read before; they are not noted again.
func (r *reader) pairs(n node, f frame) [][2]engine.Expr {
	switch kind, in := n.kind(); kind {
	case "BoolExpr":
		var all [][2]engine.Expr
		if in.text("boolop") == "AND_EXPR" {
			for _, arg := range in.nodes("args") {
				all = append(all, r.pairs(arg, f)...)
			}
		}
		return all
	case "A_Expr":
		name := in.names("name")
		equal := in.text("kind") == "AEXPR_OP" && len(name) == 1 && name[0] == "=" || in.text("kind") == "AEXPR_NOT_DISTINCT"
		if !equal {
			return nil
		}
		quiet := *r
		quiet.query = &engine.Query{}
		return [][2]engine.Expr{{quiet.expr(in.node("lexpr"), f), quiet.expr(in.node("rexpr"), f)}}
	default:
		return nil
	}
}
