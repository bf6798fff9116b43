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
	*library
	conn      *sql.Conn
	database  string            // the target's own name
	views     map[string]view   // by lower-case schema.name
	statement map[string][]node // parsed definitions, by text
}

// library is every function of a database. It is read once for a Driver: that takes DuckDB longer than everything else
// that a SELECT needs, and nothing that twice runs makes a function while a Driver holds the database.
type library struct {
	mu      sync.Mutex          // guards what follows until it was read
	builtin map[string]function // by lower-case name
	user    map[string]function // macros; they hide builtin functions
	system  map[string]bool     // internal views by lower-case name
}

// function is what duckdb_functions() says of a name, over all of its overloads.
type function struct {
	aggregate bool
	stability int // of the least stable overload
	macros    []macro
}

// Stabilities, in DuckDB's words. Of macros and table functions the catalogue does not know it.
const (
	unknown = iota
	consistent
	consistentWithinQuery
	volatile
)

type macro struct {
	definition string
	table      bool
}

type view struct {
	columns []string // new names, where the view gives any
	query   string
}

func (d *Driver) readCatalog(ctx context.Context, conn *sql.Conn) (*catalog, error) {
	if err := d.library.read(ctx, conn); err != nil {
		return nil, err
	}
	c := &catalog{library: &d.library, conn: conn, views: map[string]view{}, statement: map[string][]node{}}
	if err := conn.QueryRowContext(ctx, "SELECT current_database()").Scan(&c.database); err != nil {
		return nil, err
	}
	return c, c.readViews(ctx)
}

func (l *library) read(ctx context.Context, conn *sql.Conn) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.builtin != nil {
		return nil
	}
	builtin, user, system := map[string]function{}, map[string]function{}, map[string]bool{}
	const functions = `
SELECT internal, lower(function_name), coalesce(macro_definition, ''), function_type = 'table_macro',
  bool_or(function_type = 'aggregate'),
  max(CASE stability WHEN 'CONSISTENT' THEN 1 WHEN 'CONSISTENT_WITHIN_QUERY' THEN 2 WHEN 'VOLATILE' THEN 3 ELSE 0 END)
FROM duckdb_functions() WHERE function_type <> 'pragma' GROUP BY 1, 2, 3, 4`
	err := each(ctx, conn, functions, func(rows *sql.Rows) error {
		var internal bool
		var name string
		var m macro
		var f function
		if err := rows.Scan(&internal, &name, &m.definition, &m.table, &f.aggregate, &f.stability); err != nil {
			return err
		}
		to := user
		if internal {
			to = builtin
		}
		to[name] = to[name].merge(f, m, name)
		return nil
	})
	if err != nil {
		return err
	}
	const views = "SELECT DISTINCT lower(view_name) FROM duckdb_views() WHERE internal"
	err = each(ctx, conn, views, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		system[name] = true
		return err
	})
	if err != nil {
		return err
	}
	l.builtin, l.user, l.system = builtin, user, system
	return nil
}

// merge adds an overload. A builtin macro that only gives a function another schema is none.
func (f function) merge(overload function, m macro, name string) function {
	f.aggregate = f.aggregate || overload.aggregate
	f.stability = max(f.stability, overload.stability)
	if m.definition != "" && !strings.Contains(m.definition, "."+name+"(") {
		f.macros = append(f.macros, m)
	}
	return f
}

// macrosOf are the definitions that a call of name may stand for.
func (l *library) macrosOf(name string) []macro {
	if f, ok := l.user[name]; ok {
		return f.macros
	}
	if f := l.builtin[name]; f.stability == unknown {
		return f.macros
	}
	return nil
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
