package postgres

import (
	"context"
	"slices"

	"github.com/twice-data/twice/engine"
)

// Volatility implements engine.Driver: the worst of a name's overloads. An overload that pg_proc calls stable counts as
// immutable when all it depends on besides its arguments are settings that every session here fixes (time zone, date
// style, locale, text search): that is a built-in one that takes arguments, none of which is an object of the catalogue,
// and gives none. Of those that are left, current_setting, the table dumpers of XML and pg_… look something up; the
// clock in age(timestamp) is told by Parse, which sees how many arguments there are.
func (d *Driver) Volatility(ctx context.Context, names []string) (map[string]engine.Volatility, error) {
	rows, err := d.asides.QueryContext(ctx, `
		WITH overload AS (
			SELECT proname::text AS name, CASE provolatile
				WHEN 'v' THEN 2
				WHEN 'i' THEN 0
				ELSE (NOT (pronamespace = 'pg_catalog'::regnamespace
					AND proname !~ '^(pg_|current_setting$)|_to_xml'
					AND NOT proargtypes::oid[] && `+objects+`
					AND NOT prorettype = ANY (`+objects+` || 'name'::regtype::oid || 'name[]'::regtype::oid)))::int END AS worst,
				provolatile = 's' AND pronargs = 0 AS bare
			FROM pg_catalog.pg_proc WHERE proname = ANY ($1))
		SELECT name, greatest(max(worst), bool_and(bare)::int) FROM overload GROUP BY name`, names)
	if err != nil {
		return nil, d.Explain(err)
	}
	defer rows.Close()
	found := map[string]engine.Volatility{}
	for _, name := range names {
		switch {
		case slices.Contains(valueFunctions, name):
			found[name] = engine.Stable
		case slices.Contains(systemColumns, name):
			found[name] = engine.Volatile
		}
	}
	for rows.Next() {
		var name string
		var worst int
		if err := rows.Scan(&name, &worst); err != nil {
			return nil, d.Explain(err)
		}
		found[name] = []engine.Volatility{engine.Immutable, engine.Stable, engine.Volatile}[worst]
	}
	return found, d.Explain(rows.Err())
}

// objects lists the types whose values name something in the catalogue or in the running server.
const objects = `ARRAY['oid', 'oidvector', 'internal', 'xid', 'xid8', 'aclitem[]', 'regclass', 'regcollation', 'regconfig',
	'regdictionary', 'regnamespace', 'regoper', 'regoperator', 'regproc', 'regprocedure', 'regrole', 'regtype']::regtype[]::oid[]`

// valueFunctions are written without parentheses; the grammar knows them and pg_proc does not have them all.
var valueFunctions = []string{
	"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp",
	"current_catalog", "current_role", "current_schema", "current_user", "session_user", "user",
}

// systemColumns say where a row is stored and which transaction wrote it: other ones each time that it is written.
var systemColumns = []string{"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"}
