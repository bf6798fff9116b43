package duckdb

import (
	"bytes"
	"encoding/json"
	"sort"
	"strconv"
	"strings"
)

// node is an object of the tree that json_serialize_sql gives.
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

func (n node) texts(key string) []string {
	list, _ := n[key].([]any)
	var ss []string
	for _, v := range list {
		if s, ok := v.(string); ok {
			ss = append(ss, s)
		}
	}
	return ss
}

// keys are in order, so that two readings of a tree go the same way.
func (n node) keys() []string {
	keys := make([]string, 0, len(n))
	for key := range n {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

// at is the node's byte offset; the tree writes an absent one as 2^64-1.
func (n node) at() int {
	number, _ := n["query_location"].(json.Number)
	at, err := strconv.ParseInt(number.String(), 10, 32)
	if err != nil {
		return -1
	}
	return int(at)
}

// integer is the value of an integer literal.
func (n node) integer() (int, bool) {
	if n.text("class") != "CONSTANT" || !strings.HasSuffix(n.node("value").node("type").text("id"), "INT") &&
		n.node("value").node("type").text("id") != "INTEGER" {
		return 0, false
	}
	number, _ := n.node("value")["value"].(json.Number)
	i, err := strconv.Atoi(number.String())
	return i, err == nil
}

// key is the same for equal expressions: the tree without places and aliases, names in lower case.
func (n node) key() string {
	var b strings.Builder
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	if err := out.Encode(plain(map[string]any(n))); err != nil {
		panic(err) // it was JSON before
	}
	return strings.TrimSpace(b.String())
}

func plain(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i])
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for key, value := range v {
			switch key {
			case "query_location", "alias":
			case "column_names", "function_name":
				m[key] = lower(value)
			default:
				m[key] = plain(value)
			}
		}
		return m
	default:
		return v
	}
}

func lower(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ToLower(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = lower(v[i])
		}
		return list
	default:
		return v
	}
}

func decode(text string) (node, error) {
	var n node
	in := json.NewDecoder(bytes.NewReader([]byte(text)))
	in.UseNumber()
	err := in.Decode(&n)
	return n, err
}
