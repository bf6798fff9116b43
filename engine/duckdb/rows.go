package duckdb

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/twice-data/twice/engine"
)

// load puts rows into a temporary table and makes them readable under the relation's name. What the appender would take
// only in a slower form, or not at all, is kept in a plain one, and cast where it is read.
func (d *Driver) load(ctx context.Context, s *engine.Session, rel engine.Relation) error {
	table := "twice_rows_" + rel.Name
	var defs, exprs []string
	for i := range rel.Rows.Columns {
		c := &rel.Rows.Columns[i]
		defs = append(defs, engine.Ident(c.Name)+" "+kept(c))
		exprs = append(exprs, cast(c)+" AS "+engine.Ident(c.Name))
	}
	for _, ddl := range []string{
		fmt.Sprintf("CREATE OR REPLACE TEMP TABLE %s (%s)", engine.Ident(table), strings.Join(defs, ", ")),
		fmt.Sprintf("CREATE OR REPLACE TEMP VIEW %s AS SELECT %s FROM temp.%s", engine.Ident(rel.Name), strings.Join(exprs, ", "), engine.Ident(table)),
	} {
		if _, err := s.Exec(ctx, "attach "+rel.Name, ddl); err != nil {
			return place(err, rel)
		}
	}
	return s.Raw(ctx, "load "+rel.Name, func(conn any) error {
		app, err := duckdb.NewAppender(conn.(driver.Conn), "temp", "", table)
		if err != nil {
			return err
		}
		cells := make([]driver.Value, len(rel.Rows.Columns))
		for row := range rel.Rows.N {
			for i := range cells {
				cells[i] = cell(&rel.Rows.Columns[i], row)
			}
			if err := app.AppendRow(cells...); err != nil {
				_ = app.Close() // err is what matters
				return err
			}
		}
		return app.Close()
	})
}

// kept is the type in which a column is loaded.
func kept(v *engine.Vector) string {
	switch v.Form {
	case engine.Days:
		return "BIGINT"
	case engine.Micros:
		return "BIGINT"
	case engine.Text:
		return "VARCHAR"
	default:
		return v.Type
	}
}

// cast gives a column that was loaded as kept its type.
func cast(v *engine.Vector) string {
	name := engine.Ident(v.Name)
	finite := ""
	switch {
	case v.Form == engine.Text && v.Type != "VARCHAR":
		return fmt.Sprintf("CAST(%s AS %s)", name, v.Type)
	case v.Form == engine.Days:
		finite = fmt.Sprintf("DATE '1970-01-01' + CAST(%s AS INTEGER)", name)
	case v.Form == engine.Micros && v.Type == "TIMESTAMP":
		finite = fmt.Sprintf("make_timestamp(%s)", name)
	case v.Form == engine.Micros:
		finite = fmt.Sprintf("make_timestamptz(%s)", name)
	default:
		return name
	}
	return fmt.Sprintf("CASE %[1]s WHEN 9223372036854775807 THEN CAST('infinity' AS %[2]s) "+
		"WHEN (-9223372036854775807 - 1) THEN CAST('-infinity' AS %[2]s) ELSE %[3]s END", name, v.Type, finite)
}

func cell(v *engine.Vector, row int) driver.Value {
	if v.Nulls[row] {
		return nil
	}
	switch v.Form {
	case engine.Boolean:
		return v.Ints[row] != 0
	case engine.Float:
		return v.Floats[row]
	case engine.Text, engine.Opaque:
		return v.Value(row)
	default:
		return v.Ints[row]
	}
}
