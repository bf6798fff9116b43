package postgres

import (
	"bytes"
	"encoding/json"
	"strings"
)

// node is an object of the tree that the parser gives as JSON. Most nodes are wrapped in an object whose only key is
// their kind; zero values are left out.
type node map[string]any

func (n node) text(key string) string {
	s, _ := n[key].(string)
	return s
}

func (n node) is(key string) bool {
	b, _ := n[key].(bool)
	return b
}

func (n node) node(key string) node {
	m, _ := n[key].(map[string]any)
	return m
}

func (n node) nodes(key string) []node {
	list, _ := n[key].([]any)
	var ns []node
	for _, v := range list {
		if m, ok := v.(map[string]any); ok {
			ns = append(ns, m)
		}
	}
	return ns
}

func (n node) number(key string) int {
	number, _ := n[key].(json.Number)
	i, _ := number.Int64()
	return int(i)
}

// kind takes a wrapped node apart; an empty kind is an absent node.
func (n node) kind() (string, node) {
	for kind := range n {
		return kind, n.node(kind)
	}
	return "", nil
}

// names lists the strings of a list of String nodes; a star is "*".
func (n node) names(key string) []string {
	var names []string
	for _, item := range n.nodes(key) {
		switch kind, s := item.kind(); kind {
		case "String":
			names = append(names, s.text("sval"))
		case "A_Star":
			names = append(names, "*")
		}
	}
	return names
}

// key is the same for equal expressions: the tree without places.
func (n node) key() string {
	b, err := json.Marshal(unplaced(map[string]any(n)))
	if err != nil {
		panic(err) // it was JSON before
	}
	return string(b)
}

func unplaced(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = unplaced(v[i])
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for key, value := range v {
			if key != "location" && !strings.HasSuffix(key, "_location") {
				m[key] = unplaced(value)
			}
		}
		return m
	default:
		return v
	}
}

// first is the smallest place in a tree, where its text starts; false: the tree has none.
func first(v any) (int, bool) {
	least, found := 0, false
	note := func(at int, ok bool) {
		if ok && (!found || at < least) {
			least, found = at, true
		}
	}
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			note(first(item))
		}
	case map[string]any:
		for kind, item := range v {
			if m, ok := item.(map[string]any); ok && placed[kind] {
				at := node(m).number("location")
				note(at, at >= 0)
			}
			note(first(item))
		}
	}
	return least, found
}

// placed lists kinds of nodes that know their place, where 0 is left out like any zero.
var placed = map[string]bool{
	"A_Const": true, "A_Expr": true, "A_ArrayExpr": true, "BoolExpr": true, "BooleanTest": true, "CaseExpr": true,
	"CoalesceExpr": true, "CollateClause": true, "ColumnRef": true, "CommonTableExpr": true, "FuncCall": true,
	"GroupingFunc": true, "GroupingSet": true, "MinMaxExpr": true, "NullTest": true, "ParamRef": true, "RangeTableFunc": true,
	"RangeTableSample": true, "RangeVar": true, "ResTarget": true, "RowExpr": true, "SQLValueFunction": true,
	"SubLink": true, "TypeCast": true, "XmlExpr": true,
}

func decode(text string) (node, error) {
	var n node
	in := json.NewDecoder(bytes.NewReader([]byte(text)))
	in.UseNumber()
	err := in.Decode(&n)
	return n, err
}
