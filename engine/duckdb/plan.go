package duckdb

import (
	"strings"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// boundPlan is the Via of what only the bound plan shows.
const boundPlan = "the bound plan"

// boundCalls adds what the tree cannot show and the bound plan does: functions that stand behind a name, and the
// aggregates over floating-point numbers. It binds only where every relation exists already, and nothing outside would be
// read: binding a glob opens files. The plan has no places that are of use, so the calls have none.
func (r *reader) boundCalls(query string) {
	if !r.bindable() {
		return
	}
	text, err := twice.Bind(query, twice.Window{Start: time.Unix(0, 0), End: time.Unix(1, 0)})
	if err != nil {
		return
	}
	var answer string
	const serialize = "SELECT CAST(json_serialize_plan(CAST(? AS VARCHAR), optimize := false) AS VARCHAR)"
	if err := r.catalog.conn.QueryRowContext(r.ctx, serialize, text).Scan(&answer); err != nil {
		return
	}
	plan, err := decode(answer)
	if err != nil || plan.is("error") {
		return
	}
	seen := map[string]bool{}
	for _, c := range r.query.Calls {
		seen[c.Name] = true
	}
	r.walkPlan(map[string]any(plan), seen)
}

func (r *reader) bindable() bool {
	for _, c := range r.query.Calls {
		if c.Table && c.Name != "range" && c.Name != "generate_series" && c.Name != "unnest" {
			return false
		}
	}
	for _, t := range r.query.Tables {
		if strings.ContainsAny(t.Table.Name, "./*:") {
			return false
		}
	}
	return true
}

func (r *reader) walkPlan(v any, seen map[string]bool) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			r.walkPlan(item, seen)
		}
	case map[string]any:
		n := node(v)
		name := strings.ToLower(n.text("name"))
		call := &engine.Call{Place: engine.Place{At: -1, Via: boundPlan}, Name: name}
		switch n.text("expression_class") {
		case "BOUND_FUNCTION":
			if !n.is("is_operator") && !seen[name] {
				seen[name] = true
				r.query.Calls = append(r.query.Calls, call)
			}
		case "BOUND_AGGREGATE":
			call.Aggregate = true
			for _, arg := range n.nodes("arguments") {
				if t := castType(arg); t == "double" || t == "float" {
					call.Args = append(call.Args, engine.Expr{At: -1, Casts: []string{t}})
				}
			}
			if len(call.Args) > 0 {
				r.query.Calls = append(r.query.Calls, call)
			}
		}
		for _, key := range n.keys() {
			r.walkPlan(v[key], seen)
		}
	}
}
