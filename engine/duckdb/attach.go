package duckdb

import (
	"context"
	"fmt"
	"strings"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// source is one input file as it will be read: what its first look settled is written into the view, so that the reader
// detects nothing again and every read is the same.
type source struct {
	path    string
	read    func(paths, columns string) string // the FROM item; columns is {'a': 'BIGINT', …}
	options string                             // what read depends on besides its arguments
	columns []column                           // in the file's order
	typed   bool                               // read takes the columns' types; otherwise a type is a cast
}

// column is one column of a file.
type column struct {
	file string // its name in the file
	name string // its name in the relation
	typ  string // as it was detected in this file
	want string // its type in the relation
}

func (s *source) find(name string) *column {
	for i := range s.columns {
		if strings.EqualFold(s.columns[i].file, name) {
			return &s.columns[i]
		}
	}
	return nil
}

// Attach makes rel's files readable as a temporary view. Declared columns have their declared names and types, and a
// file without one is an error unless it is optional; other columns of the files come along as they are. A value that
// does not fit its column's type is an error of the statement that reads it.
func (d *Driver) Attach(ctx context.Context, s *engine.Session, rel engine.Relation) error {
	if rel.Rows != nil {
		return d.load(ctx, s, rel)
	}
	query := rel.View
	if query == "" {
		var err error
		if query, err = d.Look(ctx, rel); err != nil {
			return place(d.Explain(err), rel)
		}
	}
	_, err := s.Exec(ctx, "attach "+rel.Name, "CREATE OR REPLACE TEMP VIEW "+engine.Ident(rel.Name)+" AS "+query)
	if err != nil {
		return place(err, rel)
	}
	return nil
}

// place says where the input is declared, unless the error has a place already.
func place(err error, rel engine.Relation) error {
	e := *twice.AsError(err)
	if e.File == "" {
		e.File, e.Line = rel.File, rel.Line
	}
	return &e
}

// Look implements engine.Looker: the SELECT that reads rel's files. The files are looked at on connections of their own: an
// error there must not end the session's transaction.
func (d *Driver) Look(ctx context.Context, rel engine.Relation) (string, error) {
	conn, err := d.db.Conn(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	for _, c := range rel.Reader.Columns {
		if _, known := d.typeName(c.Type); c.Type != "" && !known {
			return "", twice.Errorf("unknown-type", "DuckDB has no type %s, as which the column %s of input %s is declared",
				c.Type, c.Name, rel.Name).WithExit(twice.ExitProject).
				WithNext("see https://duckdb.org/docs/stable/sql/data_types/overview for the types")
		}
	}
	l := look{ctx: ctx, conn: conn, reader: rel.Reader}
	var sources []*source
	for _, path := range rel.Files {
		src, err := l.file(path)
		if err != nil {
			return "", err
		}
		if src != nil {
			sources = append(sources, src)
		}
	}
	if len(sources) == 0 {
		return emptyRelation(rel)
	}
	for _, src := range sources {
		if err := pin(src, rel.Reader.Columns); err != nil {
			return "", err
		}
	}
	d.settleTypes(sources, rel.Reader.Columns)
	return union(sources, rel.Reader.Columns), nil
}

func emptyRelation(rel engine.Relation) (string, error) {
	if len(rel.Reader.Columns) == 0 {
		return "", twice.Errorf("empty-input", "input %s has no rows from which its columns could be known", rel.Name).
			WithNext("declare the columns of %s under columns: of the input", rel.Name)
	}
	var exprs []string
	for _, c := range rel.Reader.Columns {
		exprs = append(exprs, nullAs(c.Type, c.Name))
	}
	return "SELECT " + strings.Join(exprs, ", ") + " WHERE false", nil
}

func nullAs(typ, name string) string {
	if typ == "" {
		typ = "VARCHAR"
	}
	return fmt.Sprintf("CAST(NULL AS %s) AS %s", typ, engine.Ident(name))
}

// pin gives the file's columns their declared names. A column's own name goes before its aliases, in their order.
func pin(src *source, declared []twice.ReaderColumn) error {
	for _, want := range declared {
		c := src.declared(want)
		switch {
		case c != nil:
			c.name = want.Name
		case !want.Optional:
			return missing(src, want)
		}
	}
	return nil
}

func (s *source) declared(want twice.ReaderColumn) *column {
	for _, name := range append([]string{want.Name}, want.Aliases...) {
		if c := s.find(name); c != nil {
			return c
		}
	}
	return nil
}

func missing(src *source, want twice.ReaderColumn) error {
	names := make([]string, len(src.columns))
	for i, c := range src.columns {
		names[i] = c.file
	}
	e := twice.Errorf("missing-column", "%s has no column %s; it has %s", src.path, want.Name, strings.Join(names, ", "))
	if near := nearest(want.Name, names); near != "" {
		return e.WithNext("if %s is its name in this file, add aliases: [%s] to the column %s; "+
			"if files may lack it, optional: true", near, near, want.Name)
	}
	return e.WithNext("add aliases: [its name in this file] to the column %s, or optional: true", want.Name)
}

// settleTypes gives a column its declared type, or else one that fits what was detected in every file. Parquet's types
// are not text to be read in another way, and left to the union.
func (d *Driver) settleTypes(sources []*source, declared []twice.ReaderColumn) {
	types := map[string]string{}
	for _, src := range sources {
		for _, c := range src.columns {
			key := strings.ToLower(c.name)
			if have, ok := types[key]; ok {
				types[key] = widest(have, c.typ)
			} else {
				types[key] = c.typ
			}
		}
	}
	pinned := map[string]string{}
	for _, c := range declared {
		pinned[strings.ToLower(c.Name)] = c.Type
	}
	for _, src := range sources {
		for i := range src.columns {
			c := &src.columns[i]
			key := strings.ToLower(c.name)
			switch {
			case pinned[key] != "" && !d.SameType(pinned[key], c.typ):
				c.want = pinned[key]
			case pinned[key] == "" && src.typed:
				c.want = types[key]
			default:
				c.want = c.typ
			}
		}
	}
}

// widest is a type that reads all text that a and b read: numbers stay numbers, everything else is text, as it stands
// in the file.
func widest(a, b string) string {
	number := func(t string) bool { return t == "BIGINT" || t == "DOUBLE" }
	switch {
	case a == b:
		return a
	case number(a) && number(b):
		return "DOUBLE"
	case strings.ContainsAny(a+b, "([") || a == "JSON" || b == "JSON":
		return "JSON" // nested values of NDJSON
	default:
		return "VARCHAR"
	}
}

// union reads files that are alike together, and puts the groups together by name.
func union(sources []*source, declared []twice.ReaderColumn) string {
	var order []string
	groups := map[string][]*source{}
	for _, src := range sources {
		key := src.options + fmt.Sprintf("%q", src.columns)
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], src)
	}
	selects := make([]string, len(order))
	for i, key := range order {
		selects[i] = selectFrom(groups[key], declared)
	}
	return strings.Join(selects, "\nUNION ALL BY NAME\n")
}

func selectFrom(group []*source, declared []twice.ReaderColumn) string {
	src := group[0]
	var exprs, types []string
	for _, c := range src.columns {
		exprs = append(exprs, src.expr(c)+" AS "+engine.Ident(c.name))
		types = append(types, engine.Literal(c.file)+": "+engine.Literal(c.want))
	}
	for _, want := range declared {
		if src.declared(want) == nil {
			exprs = append(exprs, nullAs(want.Type, want.Name))
		}
	}
	paths := make([]string, len(group))
	for i, s := range group {
		paths[i] = pathLiteral(s.path)
	}
	from := src.read("["+strings.Join(paths, ", ")+"]", "{"+strings.Join(types, ", ")+"}")
	return "SELECT " + strings.Join(exprs, ", ") + " FROM " + from
}

// expr is a column as the relation has it. Where the reader does not know the wanted type, a cast names the file of a
// value that does not fit.
func (s *source) expr(c column) string {
	name := engine.Ident(c.file)
	if s.typed || c.want == c.typ {
		return name
	}
	return fmt.Sprintf("CASE WHEN %[1]s IS NOT NULL AND TRY_CAST(%[1]s AS %[2]s) IS NULL "+
		"THEN error(%[3]s || %[4]s || ': column ' || %[5]s || ' has ' || CAST(%[1]s AS VARCHAR) || "+
		"', which is no ' || %[6]s) ELSE TRY_CAST(%[1]s AS %[2]s) END",
		name, c.want, engine.Literal(raised), engine.Ident(fileColumn), engine.Literal(c.file), engine.Literal(c.want))
}

// pathLiteral quotes a path so that DuckDB takes it as it is, not as a pattern.
func pathLiteral(path string) string {
	var b strings.Builder
	for _, r := range path {
		if strings.ContainsRune("*?[", r) {
			b.WriteString("[" + string(r) + "]")
		} else {
			b.WriteRune(r)
		}
	}
	return engine.Literal(b.String())
}

// nearest is the name most like the wanted one, or nothing when none is close: by the pairs of letters that they share
// (Dice), so that turned words count as near.
func nearest(want string, names []string) string {
	best, most := "", 0.3
	for _, name := range names {
		if l := likeness(strings.ToLower(want), strings.ToLower(name)); l >= most {
			best, most = name, l
		}
	}
	return best
}

func likeness(a, b string) float64 {
	pairs := map[string]int{}
	for i := range len(a) - 1 {
		pairs[a[i:i+2]]++
	}
	shared := 0
	for i := range len(b) - 1 {
		if pairs[b[i:i+2]] > 0 {
			pairs[b[i:i+2]]--
			shared++
		}
	}
	return 2 * float64(shared) / float64(max(1, len(a)+len(b)-2))
}
