package project

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/twice-data/twice"
)

// decoder turns YAML into structs and collects everything that is wrong on the way. It obeys the json tag (the key) and
// of the jsonschema tag required, enum, minimum and oneof_required (exactly one of the keys so marked).
type decoder struct {
	file  string
	shift int            // lines of the file before the first line of the YAML
	last  int            // last line of the YAML in the file: the parser's positions may run over it
	env   Env            // nil: ${NAME} stays as it is
	lines map[string]int // line of each key and list item, by its path: "inputs.orders", "checks[2]"
	errs  twice.Errors
}

// custom is a type with more than one spelling.
type custom interface {
	decode(d *decoder, n ast.Node, path string)
}

// read decodes text into the struct that into points to.
func (d *decoder) read(text string, into any) {
	d.lines = map[string]int{"": d.shift + 1}
	d.last = d.shift + 1 + strings.Count(text, "\n")
	file, err := parser.ParseBytes([]byte(text), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntaxError(err)
		return
	}
	if len(file.Docs) > 1 {
		d.errorf("", "yaml", "there is more than one YAML document").WithNext("delete the lines that are only ---")
		return
	}
	v := reflect.ValueOf(into).Elem()
	if body := file.Docs[0].Body; body != nil {
		d.value(v, body, "")
	} else {
		d.required(v, "")
	}
}

func (d *decoder) syntaxError(err error) {
	e := twice.Errorf("yaml", "this is not YAML: %v", err)
	line := d.shift + 1
	var at yaml.Error
	if errors.As(err, &at) {
		e.Message = "this is not YAML: " + at.GetMessage()
		if t := at.GetToken(); t != nil {
			line = d.lineOf(t)
		}
	}
	d.errs = append(d.errs, e.At(d.file, line).
		WithNext("look at this line and the one above: indentation, a missing quote or bracket, text with ': ' in it"))
}

// errorf notes a problem at a path, with the path in front of the message unless it is the whole document.
func (d *decoder) errorf(path, code, format string, args ...any) *twice.Error {
	message := fmt.Sprintf(format, args...)
	if path != "" {
		message = path + ": " + message
	}
	e := twice.Errorf(code, "%s", message).At(d.file, d.line(path))
	d.errs = append(d.errs, e)
	return e
}

// line is the line of a path, or of the nearest thing around it.
func (d *decoder) line(path string) int {
	for {
		if line, ok := d.lines[path]; ok {
			return line
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
}

// has says whether a key was written, be it and its value right or wrong.
func (d *decoder) has(path string) bool {
	_, ok := d.lines[path]
	return ok
}

func (d *decoder) lineOf(t *token.Token) int {
	if t.Position == nil {
		return d.shift + 1
	}
	return min(d.shift+max(t.Position.Line, 1), d.last)
}

func (d *decoder) value(v reflect.Value, n ast.Node, path string) {
	if c, ok := v.Addr().Interface().(custom); ok {
		c.decode(d, n, path)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(v.Elem(), n, path)
	case reflect.Struct:
		d.structure(v, n, path)
	case reflect.Map:
		d.mapping(v, n, path)
	case reflect.Slice:
		d.list(v, n, path)
	case reflect.String:
		if text, ok := d.text(n, path); ok {
			v.SetString(text)
		}
	case reflect.Bool:
		if b, ok := n.(*ast.BoolNode); ok {
			v.SetBool(b.Value)
		} else {
			d.mismatch(n, path, "true or false")
		}
	default:
		d.integer(v, n, path)
	}
}

func (d *decoder) integer(v reflect.Value, n ast.Node, path string) {
	if node, ok := n.(*ast.IntegerNode); ok {
		if i, err := strconv.ParseInt(node.GetToken().Value, 10, 64); err == nil {
			v.SetInt(i)
			return
		}
	}
	d.mismatch(n, path, "a whole number")
}

// text is a string with its variables expanded.
func (d *decoder) text(n ast.Node, path string) (string, bool) {
	switch s := n.(type) {
	case *ast.StringNode:
		return d.expand(s.Value, path), true
	case *ast.LiteralNode:
		return d.expand(s.Value.Value, path), true
	}
	e := d.mismatch(n, path, "text")
	if s, ok := n.(ast.ScalarNode); ok && n.Type() != ast.NullType {
		e.WithNext("put it in quotes: %q", s.GetToken().Value)
	}
	return "", false
}

// anyText is a scalar of any kind, as it is written.
func (d *decoder) anyText(n ast.Node, path string) (string, bool) {
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	default:
		return d.text(n, path)
	}
}

func (d *decoder) expand(text, path string) string {
	if d.env == nil {
		return text
	}
	expanded, missing := expand(text, d.env)
	for _, name := range missing {
		d.errorf(path, "missing-variable", "the environment variable %s is not set", name).
			WithNext("set it: export %s=…", name)
	}
	return expanded
}

func (d *decoder) list(v reflect.Value, n ast.Node, path string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.mismatch(n, path, "a list")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values)))
	for i, item := range seq.Values {
		d.value(v.Index(i), item, d.item(path, i, item))
	}
}

// item is the path of a list's item, whose line it notes.
func (d *decoder) item(path string, i int, n ast.Node) string {
	path = fmt.Sprintf("%s[%d]", path, i+1)
	d.note(path, n)
	return path
}

func (d *decoder) note(path string, n ast.Node) {
	if t := n.GetToken(); t != nil {
		d.lines[path] = d.lineOf(t)
	}
}

// entries calls f for each entry of a mapping, in order, and says whether n is one.
func (d *decoder) entries(n ast.Node, path string, f func(key string, value ast.Node, path string)) bool {
	m, ok := n.(ast.MapNode)
	if !ok {
		return false
	}
	seen := map[string]bool{}
	for it := m.MapRange(); it.Next(); {
		key := it.Key().GetToken().Value
		at := join(path, key)
		if seen[key] {
			e := d.errorf(at, "duplicate-key", "the key is written twice").WithNext("delete one of the two")
			e.Line = d.lineOf(it.Key().GetToken())
			continue
		}
		seen[key] = true
		d.note(at, it.Key())
		f(key, it.Value(), at)
	}
	return true
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (d *decoder) mapping(v reflect.Value, n ast.Node, path string) {
	m := reflect.MakeMap(v.Type())
	v.Set(m)
	ok := d.entries(n, path, func(key string, value ast.Node, at string) {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(item, value, at)
		m.SetMapIndex(reflect.ValueOf(key), item)
	})
	if !ok {
		d.mismatch(n, path, "key: value lines")
	}
}

func (d *decoder) structure(v reflect.Value, n ast.Node, path string) {
	fields := fieldsOf(v)
	ok := d.entries(n, path, func(key string, value ast.Node, at string) {
		f, known := fields.find(key)
		if !known {
			d.unknown(path, at, key, fields.names())
			return
		}
		wrong := len(d.errs)
		d.value(f.value, value, at)
		if len(d.errs) == wrong {
			d.constrain(f, at)
		}
	})
	if !ok {
		d.mismatch(n, path, "key: value lines")
		return
	}
	d.required(v, path)
	d.oneOf(fields, path)
}

func (d *decoder) unknown(path, at, key string, known []string) {
	e := d.errorf(path, "unknown-key", "unknown key %q%s", key, didYouMean(key, known))
	e.Line = d.line(at)
	if near := twice.Nearest(key, known); near != "" {
		e.WithNext("rename it to %s, or delete the line", near)
		if meant := join(path, near); !d.has(meant) {
			d.lines[meant] = e.Line // it is not missing, only misspelt
		}
		return
	}
	e.WithNext("delete it; the keys here are %s", listing(known))
}

// constrain checks a value against its enum and its minimum.
func (d *decoder) constrain(f field, path string) {
	v := reflect.Indirect(f.value)
	switch {
	case !v.IsValid():
	case v.Kind() == reflect.String && len(f.enum) > 0:
		for _, known := range f.enum {
			if v.String() == known {
				return
			}
		}
		d.errorf(path, "unknown-value", "expected %s, found %q%s", listing(f.enum), v.String(),
			didYouMean(v.String(), f.enum)).WithNext("write %s", listing(f.enum))
	case v.CanInt() && f.minimum != nil && v.Int() < *f.minimum:
		d.errorf(path, "out-of-range", "expected at least %d, found %d", *f.minimum, v.Int()).
			WithNext("write %d or more", *f.minimum)
	}
}

func (d *decoder) required(v reflect.Value, path string) {
	for _, f := range fieldsOf(v) {
		if !f.required || d.has(join(path, f.name)) {
			continue
		}
		e := d.errorf(path, "missing-key", "the key %q is missing", f.name).WithNext("add a line: %s: …", f.name)
		if len(f.enum) > 0 {
			e.WithNext("add a line %q, with %s", f.name+": "+f.enum[0], listing(f.enum))
		}
	}
}

func (d *decoder) oneOf(fields fields, path string) {
	var choices, found []string
	for _, f := range fields {
		if !f.oneOf {
			continue
		}
		choices = append(choices, f.name)
		if d.has(join(path, f.name)) {
			found = append(found, f.name)
		}
	}
	switch {
	case len(choices) == 0 || len(found) == 1:
	case len(found) == 0:
		d.errorf(path, "missing-key", "expected one of %s, found none", listing(choices)).WithNext("add one of them")
	default:
		d.errorf(path, "contradiction", "expected one of %s, found %s", listing(choices), strings.Join(found, " and ")).
			WithNext("keep one and delete the rest")
	}
}

func (d *decoder) mismatch(n ast.Node, path, expected string) *twice.Error {
	if path == "" {
		d.note(path, n)
	}
	return d.errorf(path, "wrong-type", "expected %s, found %s", expected, describe(n)).
		WithNext("write %s here", expected)
}

func describe(n ast.Node) string {
	switch n.(type) {
	case *ast.SequenceNode:
		return "a list"
	case ast.MapNode:
		return "key: value lines"
	case *ast.StringNode, *ast.LiteralNode:
		return fmt.Sprintf("the text %q", n.GetToken().Value)
	case *ast.IntegerNode, *ast.FloatNode:
		return "the number " + n.GetToken().Value
	case *ast.BoolNode:
		return n.GetToken().Value
	case *ast.NullNode:
		return "nothing"
	default:
		return fmt.Sprintf("%q", n.GetToken().Value)
	}
}
