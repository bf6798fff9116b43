package duckdb

import (
	"context"
	"strings"

	"github.com/twice-data/twice/engine"
)

// corrected are functions about which duckdb_functions().stability says "CONSISTENT" or nothing although their result
// depends on more than their arguments; and one the other way round.
var corrected = map[string]engine.Volatility{
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

	"error": engine.Immutable, // marked VOLATILE so that it is not folded; it fails, always in the same way
}

// Volatility asks DuckDB's catalogue about functions, with the ones that it mislabels corrected.
func (d *Driver) Volatility(ctx context.Context, names []string) (map[string]engine.Volatility, error) {
	conn, err := d.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := d.library.read(ctx, conn); err != nil {
		return nil, d.Explain(err)
	}
	known := map[string]engine.Volatility{}
	for _, name := range names {
		name = strings.ToLower(name)
		if v := d.library.volatility(name); v != "" {
			known[name] = v
		}
	}
	return known, nil
}

func (l *library) volatility(name string) engine.Volatility {
	if v, ok := corrected[name]; ok {
		return v
	}
	switch l.builtin[name].stability {
	case consistent:
		return engine.Immutable
	case consistentWithinQuery:
		return engine.Stable
	case volatile:
		return engine.Volatile
	default:
		return ""
	}
}
