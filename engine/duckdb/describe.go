package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// Describe gives the columns that a SELECT would return.
func (d *Driver) Describe(ctx context.Context, s *engine.Session, query string) ([]twice.Column, error) {
	var cols []twice.Column
	err := s.Query(ctx, "describe", "SELECT column_name, column_type FROM (DESCRIBE "+query+"\n)", scanColumns(&cols))
	return cols, err
}

// Columns gives a table's or a view's columns, or none when there is no such table. Names are found in any case. A table
// that is there describes itself; the catalogue, which DuckDB lists as a whole in twenty times the time, is asked about
// everything else: tables that are not there, and views that do not bind.
func (d *Driver) Columns(ctx context.Context, s *engine.Session, table twice.Table) ([]twice.Column, error) {
	schema := table.Schema
	if schema == "" {
		schema = "main"
	}
	var cols []twice.Column
	name := engine.Ident(d.catalog) + "." + engine.Ident(schema) + "." + engine.Ident(table.Name)
	err := s.Query(ctx, "columns of "+table.String(), "SELECT column_name, column_type FROM (DESCRIBE "+name+")", scanColumns(&cols))
	if e := new(duckdb.Error); !errors.As(err, &e) {
		return cols, err
	}
	cols = nil
	err = s.Query(ctx, "columns of "+table.String(), `
		SELECT column_name, data_type FROM duckdb_columns()
		WHERE database_name = current_database() AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?)
		ORDER BY column_index`, scanColumns(&cols), schema, table.Name)
	return cols, err
}

func scanColumns(cols *[]twice.Column) func(*sql.Rows) error {
	return func(rows *sql.Rows) error {
		var c twice.Column
		err := rows.Scan(&c.Name, &c.Type)
		*cols = append(*cols, c)
		return err
	}
}

// SameType asks DuckDB what it calls both types. A name that it does not know is only the same as itself.
func (d *Driver) SameType(a, b string) bool {
	if strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b)) {
		return true
	}
	own, _ := d.typeName(a)
	other, _ := d.typeName(b)
	return strings.EqualFold(own, other)
}

// typeName is DuckDB's own name of a type, or the name as it is and false if DuckDB knows no such type.
func (d *Driver) typeName(name string) (string, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known, ok := d.types[name]; ok {
		return known, true
	}
	var own string
	err := d.db.QueryRow("SELECT column_type FROM (DESCRIBE SELECT CAST(NULL AS " + name + "))").Scan(&own)
	if err != nil {
		return strings.TrimSpace(name), false // not kept: the type may be created yet
	}
	d.types[name] = own
	return own, true
}

// RowHash is DuckDB's own hash over the columns. Integers of any width hash alike; decimals of another scale, doubles
// and text do not.
func (d *Driver) RowHash(alias string, columns []twice.Column) string {
	if len(columns) == 0 {
		return "hash(0)"
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	return "hash(" + engine.Idents(alias, names) + ")"
}

// maxBitmap is the largest bitmap that CountInts makes: 64 Mbit, 8 MB.
const maxBitmap = 64 << 20

// CountInts counts distinct whole numbers in a bitmap, eight times as fast as in a hash table.
func (d *Driver) CountInts(expr, typeName string, lo, hi int64) string {
	switch strings.ToUpper(typeName) {
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT":
	default:
		return ""
	}
	if span := uint64(hi) - uint64(lo); span >= maxBitmap {
		return ""
	}
	return fmt.Sprintf("coalesce(bit_count(bitstring_agg(CAST(%s AS BIGINT), CAST(%d AS BIGINT), CAST(%d AS BIGINT))), 0)", expr, lo, hi)
}
