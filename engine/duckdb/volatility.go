package duckdb

import (
	"context"
	"database/sql"
	"strings"

	"github.com/twice-data/twice/engine"
)

// mislabelled are functions about which duckdb_functions().stability says "CONSISTENT" or nothing although their result
// depends on more than their arguments.
var mislabelled = map[string]engine.Volatility{
	"current_localtimestamp": engine.Stable,   // the clock; marked CONSISTENT
	"current_localtime":      engine.Stable,   // the clock; marked CONSISTENT
	"current_timestamp":      engine.Stable,   // the clock; a keyword, not in the catalogue
	"current_time":           engine.Stable,   // the clock; a keyword, not in the catalogue
	"localtimestamp":         engine.Stable,   // the clock; a keyword, not in the catalogue
	"localtime":              engine.Stable,   // the clock; a keyword, not in the catalogue
	"current_date":           engine.Stable,   // the clock; a keyword as well as a function
	"get_current_timestamp":  engine.Stable,   // the clock, where a version does not mark it
	"current_user":           engine.Stable,   // who runs; a keyword, not in the catalogue
	"session_user":           engine.Stable,   // who runs; a keyword, not in the catalogue
	"current_role":           engine.Stable,   // who runs; a keyword, not in the catalogue
	"user":                   engine.Stable,   // who runs; a keyword, not in the catalogue
	"current_catalog":        engine.Stable,   // where it runs; a keyword, not in the catalogue
	"getvariable":            engine.Stable,   // SET VARIABLE of the session; marked CONSISTENT
	"current_setting":        engine.Stable,   // SET of the session; marked CONSISTENT
	"getenv":                 engine.Stable,   // the environment of the process; only in the command-line shell
	"version":                engine.Stable,   // the library's version; marked CONSISTENT
	"pg_backend_pid":         engine.Stable,   // the connection
	"pg_my_temp_schema":      engine.Stable,   // the connection
	"inet_client_addr":       engine.Stable,   // the connection
	"inet_server_addr":       engine.Stable,   // the connection
	"rowid":                  engine.Volatile, // where a row happens to lie; changes when rows are written again
	"nextval":                engine.Volatile, // a sequence; survives a rollback
	"currval":                engine.Volatile, // a sequence
}

// harmless are functions that the catalogue marks as unstable for a reason that does not reach the result.
var harmless = map[string]bool{
	"error": true, // fails, always in the same way
}

// Volatility asks DuckDB's catalogue about functions, with the ones that it mislabels corrected.
func (d *Driver) Volatility(ctx context.Context, names []string) (map[string]engine.Volatility, error) {
	conn, err := d.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	known, err := volatility(ctx, conn, names)
	return known, d.Explain(err)
}

// volatility asks DuckDB's catalogue about functions, by lower-case name.
func volatility(ctx context.Context, conn *sql.Conn, names []string) (map[string]engine.Volatility, error) {
	c := &catalog{conn: conn}
	if err := c.readBuiltins(ctx); err != nil {
		return nil, err
	}
	known := map[string]engine.Volatility{}
	for _, name := range names {
		name = strings.ToLower(name)
		if v, ok := mislabelled[name]; ok {
			known[name] = v
			continue
		}
		stability := c.builtin[name].stability
		if harmless[name] {
			stability = "CONSISTENT"
		}
		switch stability {
		case "CONSISTENT":
			known[name] = engine.Immutable
		case "CONSISTENT_WITHIN_QUERY":
			known[name] = engine.Stable
		case "VOLATILE":
			known[name] = engine.Volatile
		}
	}
	return known, nil
}
