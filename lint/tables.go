package lint

import (
	"fmt"
	"strings"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// tables checks that every relation that is read has a state in the manifest.
func (c *checker) tables() {
	for _, t := range c.query.Tables {
		p := engine.Place{At: t.At, Via: t.Via}
		name := t.Table.String()
		switch {
		case t.Catalog != "":
			c.report("external-read", p, "reads %s.%s, a table of another database", t.Catalog, name)
		case t.System:
			c.report("external-read", p, "reads %s, the engine's own catalogue", name)
		case same(t.Table, c.pl.Table):
			c.report("self-reference", p, "reads %s, the table that this pipeline fills", name)
		case c.input(t.Table) != nil || c.filler(t.Table) != nil:
		case isPath(t.Table.Name):
			c.report("external-read", p, "reads the file %s by itself", t.Table.Name)
		case strings.Contains(t.Via, "view "):
			// The view is a declared input or was reported itself; its rows are what the manifest pins.
		default:
			c.undeclared(t, p)
		}
	}
}

func (c *checker) undeclared(t engine.TableRef, p engine.Place) {
	var names []string
	for _, in := range c.pl.Inputs {
		names = append(names, in.Name)
	}
	for _, other := range c.all {
		if other.Name != c.pl.Name {
			names = append(names, other.Table.String())
		}
	}
	before := len(c.findings)
	c.report("undeclared-relation", p, "reads %s, which is neither an input nor a pipeline's table", t.Table)
	if len(c.findings) == before {
		return
	}
	otherwise := fmt.Sprintf("declare it: inputs: {%s: {table: %s}}", t.Table.Name, t.Table)
	for _, in := range c.pl.Inputs {
		if strings.EqualFold(in.Table, t.Table.String()) {
			otherwise = fmt.Sprintf("read it by its name as an input: %s", in.Name)
		}
	}
	c.findings[before].Next = suggest(strings.ToLower(t.Table.String()), names, otherwise)
}

// isPath says whether a relation's name is a file's or an address, as DuckDB reads them: 'orders.csv'.
func isPath(name string) bool {
	if strings.ContainsAny(name, "/*") {
		return true
	}
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return false
	}
	switch strings.ToLower(name[dot+1:]) {
	case "csv", "tsv", "txt", "gz", "zst", "parquet", "json", "ndjson", "jsonl", "xlsx", "db", "duckdb", "arrow", "avro":
		return true
	default:
		return false
	}
}

func same(a, b twice.Table) bool {
	return strings.EqualFold(schema(a), schema(b)) && strings.EqualFold(a.Name, b.Name)
}

// schema is a table's schema, empty for the default one of either engine.
func schema(t twice.Table) string {
	if strings.EqualFold(t.Schema, "main") || strings.EqualFold(t.Schema, "public") {
		return ""
	}
	return t.Schema
}

func (c *checker) input(t twice.Table) *twice.Input {
	for i := range c.pl.Inputs {
		if in := &c.pl.Inputs[i]; strings.EqualFold(in.Name, t.String()) {
			return in
		}
	}
	return nil
}

// filler is the pipeline that fills t, or nil.
func (c *checker) filler(t twice.Table) *twice.Pipeline {
	for _, pl := range c.all {
		if same(pl.Table, t) {
			return pl
		}
	}
	return nil
}

// columns are the columns of a table with their types, as far as a contract or a reader declares them; complete says
// that there are no others.
func (c *checker) columns(t twice.Table) (columns []twice.Column, complete bool) {
	if in := c.input(t); in != nil {
		if in.Files == nil {
			return nil, false
		}
		for _, col := range in.Files.Columns {
			columns = append(columns, twice.Column{Name: col.Name, Type: col.Type})
		}
		return columns, false // a file may have more
	}
	if pl := c.filler(t); pl != nil && len(pl.Columns) > 0 {
		return pl.Columns, true
	}
	return nil, false
}

// keys are the sets of columns that are unique in a table.
func (c *checker) keys(t twice.Table) [][]string {
	if c.input(t) != nil {
		return nil
	}
	pl := c.filler(t)
	if pl == nil {
		return nil
	}
	keys := lasting(pl)
	if all, complete := c.columns(t); complete {
		keys = append(keys, columnNames(all)) // rows that are equal in every column may be exchanged
	}
	return keys
}

// unique are the sets of columns that pl promises to be unique in its table.
func unique(pl *twice.Pipeline) [][]string {
	var keys [][]string
	if len(pl.UniqueKey) > 0 {
		keys = append(keys, pl.UniqueKey)
	}
	for _, ch := range pl.Checks {
		if len(ch.Unique) > 0 && !ch.Warn {
			keys = append(keys, ch.Unique)
		}
	}
	return keys
}

// lasting are the sets of columns that are unique in the whole of pl's table. Checks look at what one run writes: at a
// window's rows, which the time column tells from those of other windows, or at the rows that a merge brings.
func lasting(pl *twice.Pipeline) [][]string {
	if pl.Write == twice.Merge && len(pl.UniqueKey) > 0 {
		return [][]string{pl.UniqueKey}
	}
	if pl.Write == twice.Merge {
		return nil
	}
	keys := unique(pl)
	if !pl.Windowed() {
		return keys
	}
	for i, key := range keys {
		keys[i] = append(append([]string{}, key...), pl.TimeColumn)
	}
	return keys
}

func columnNames(columns []twice.Column) []string {
	var names []string
	for _, col := range columns {
		names = append(names, col.Name)
	}
	return names
}
