package duckdb

import (
	"context"
	"database/sql"
	"strings"
	"sync"
)

// catalog is what Parse has to know of a database to read a SELECT: which functions fold rows, and what its views and
// macros stand for.
type catalog struct {
	conn      *sql.Conn
	database  string              // the target's own name
	builtin   map[string]function // by lower-case name
	macros    map[string][]macro  // of users, by lower-case name: they hide builtin functions
	views     map[string]view     // by lower-case schema.name
	system    map[string]bool     // internal views by lower-case name
	statement map[string][]node   // parsed definitions, by text
}

// function is what duckdb_functions() says of a name, over all of its overloads.
type function struct {
	aggregate bool
	stability string // the least stable of the overloads; empty where the catalogue does not know
	macros    []macro
}

type macro struct {
	definition string
	table      bool
}

type view struct {
	columns []string // new names, where the view gives any
	query   string
}

// builtins holds the functions that come with the library: they are the same in every database of the process.
var builtins struct {
	sync.Mutex
	functions map[string]function
	system    map[string]bool
}

func readCatalog(ctx context.Context, conn *sql.Conn) (*catalog, error) {
	c := &catalog{conn: conn, macros: map[string][]macro{}, views: map[string]view{}, statement: map[string][]node{}}
	if err := conn.QueryRowContext(ctx, "SELECT current_database()").Scan(&c.database); err != nil {
		return nil, err
	}
	if err := c.readBuiltins(ctx); err != nil {
		return nil, err
	}
	if err := c.readMacros(ctx); err != nil {
		return nil, err
	}
	return c, c.readViews(ctx)
}

func (c *catalog) readBuiltins(ctx context.Context) error {
	builtins.Lock()
	defer builtins.Unlock()
	if builtins.functions == nil {
		functions, err := readFunctions(ctx, c.conn)
		if err != nil {
			return err
		}
		system := map[string]bool{}
		const query = "SELECT DISTINCT lower(view_name) FROM duckdb_views() WHERE internal"
		err = each(ctx, c.conn, query, func(rows *sql.Rows) error {
			var name string
			err := rows.Scan(&name)
			system[name] = true
			return err
		})
		if err != nil {
			return err
		}
		builtins.functions, builtins.system = functions, system
	}
	c.builtin, c.system = builtins.functions, builtins.system
	return nil
}

func readFunctions(ctx context.Context, conn *sql.Conn) (map[string]function, error) {
	const query = `
SELECT lower(function_name), function_type, coalesce(stability, ''), coalesce(macro_definition, '')
FROM duckdb_functions() WHERE internal`
	functions, macros := map[string]function{}, map[string][]macro{}
	err := each(ctx, conn, query, func(rows *sql.Rows) error {
		var name, kind, stability, definition string
		if err := rows.Scan(&name, &kind, &stability, &definition); err != nil {
			return err
		}
		switch kind {
		case "macro", "table_macro":
			macros[name] = append(macros[name], macro{definition, kind == "table_macro"})
			return nil
		case "pragma":
			return nil
		}
		f := functions[name]
		f.aggregate = f.aggregate || kind == "aggregate"
		if instability[stability] > instability[f.stability] {
			f.stability = stability
		}
		functions[name] = f
		return nil
	})
	for name, ms := range macros {
		f := functions[name]
		for _, m := range ms {
			// A builtin macro of pg_catalog may do no more than give a function another schema.
			if !strings.Contains(m.definition, "."+name+"(") {
				f.macros = append(f.macros, m)
			}
		}
		functions[name] = f
	}
	return functions, err
}

var instability = map[string]int{"CONSISTENT": 1, "CONSISTENT_WITHIN_QUERY": 2, "VOLATILE": 3}

func (c *catalog) readMacros(ctx context.Context) error {
	const query = `
SELECT lower(function_name), macro_definition, function_type = 'table_macro'
FROM duckdb_functions() WHERE NOT internal AND macro_definition IS NOT NULL`
	return each(ctx, c.conn, query, func(rows *sql.Rows) error {
		var name string
		var m macro
		err := rows.Scan(&name, &m.definition, &m.table)
		c.macros[name] = append(c.macros[name], m)
		return err
	})
}

func (c *catalog) readViews(ctx context.Context) error {
	const query = `
SELECT lower(schema_name || '.' || view_name), sql
FROM duckdb_views() WHERE NOT internal AND database_name = current_database()`
	return each(ctx, c.conn, query, func(rows *sql.Rows) error {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			return err
		}
		columns, body := splitView(text)
		c.views[name] = view{columns, body}
		return nil
	})
}

func each(ctx context.Context, conn *sql.Conn, query string, scan func(*sql.Rows) error) error {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// splitView takes the columns' names and the SELECT out of a CREATE VIEW as DuckDB prints it.
func splitView(text string) (columns []string, query string) {
	depth, open := 0, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			end := strings.IndexByte(text[i+1:], '"') // a doubled quote is two quoted names side by side: as good
			if end < 0 {
				return nil, ""
			}
			i += end + 1
		case c == '(':
			depth++
			open = i + 1
		case c == ')':
			depth--
			columns = splitNames(text[open:i])
		case depth == 0 && strings.HasPrefix(text[i:], " AS "):
			return columns, text[i+len(" AS "):]
		}
	}
	return nil, ""
}

func splitNames(list string) []string {
	var names []string
	quoted, from := false, 0
	for i := 0; i <= len(list); i++ {
		if i < len(list) && list[i] == '"' {
			quoted = !quoted
		}
		if i == len(list) || list[i] == ',' && !quoted {
			name := strings.TrimSpace(list[from:i])
			if len(name) > 1 && name[0] == '"' {
				name = strings.ReplaceAll(name[1:len(name)-1], `""`, `"`)
			}
			names = append(names, name)
			from = i + 1
		}
	}
	return names
}
