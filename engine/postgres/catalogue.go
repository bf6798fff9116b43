package postgres

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// Describe implements engine.Driver. An error's Line counts from the start of query.
func (d *Driver) Describe(ctx context.Context, s *engine.Session, query string) ([]twice.Column, error) {
	var columns []twice.Column
	err := s.Raw(ctx, "describe", func(conn any) error {
		var err error
		columns, err = describe(ctx, conn.(*stdlib.Conn).Conn(), query)
		return atLine(d.Explain(err), query)
	})
	return columns, err
}

// describe prepares query, which plans nothing and reads nothing, and asks the server to name the types.
func describe(ctx context.Context, conn *pgx.Conn, query string) ([]twice.Column, error) {
	prepared, err := conn.PgConn().Prepare(ctx, "", query, nil)
	if err != nil {
		return nil, err
	}
	columns := make([]twice.Column, len(prepared.Fields))
	types, mods := make([]uint32, len(columns)), make([]int32, len(columns))
	for i, f := range prepared.Fields {
		columns[i].Name, types[i], mods[i] = f.Name, f.DataTypeOID, f.TypeModifier
	}
	rows, err := conn.Query(ctx, `SELECT format_type(t, m) FROM unnest($1::oid[], $2::int4[]) WITH ORDINALITY AS f(t, m, n)
		ORDER BY n`, types, mods)
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		columns[i].Type = name
	}
	return columns, nil
}

// atLine gives an error the line of query that the server's character position falls on.
func atLine(err error, query string) error {
	var p *pgconn.PgError
	var e *twice.Error
	if !errors.As(err, &p) || !errors.As(err, &e) || p.Position == 0 {
		return err
	}
	text := []rune(query)
	e.Line = 1 + strings.Count(string(text[:min(int(p.Position)-1, len(text))]), "\n")
	return e
}

// Columns implements engine.Driver. A table without a schema is the default schema's, not an attached input; those are
// in the schema "pg_temp".
func (d *Driver) Columns(ctx context.Context, s *engine.Session, table twice.Table) ([]twice.Column, error) {
	if table.Schema == "" {
		table.Schema = d.schema
	}
	var columns []twice.Column
	err := s.Query(ctx, "columns", `SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute
		WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
		func(rows *sql.Rows) error {
			var c twice.Column
			defer func() { columns = append(columns, c) }()
			return rows.Scan(&c.Name, &c.Type)
		}, pgx.Identifier{table.Schema, table.Name}.Sanitize())
	return columns, err
}

// SameType implements engine.Driver. The server itself reads both names, so its aliases, its defaults for lengths and
// the target's own enums all count; a domain is the same as the type under it, which is all that Describe sees of it. Names that it does not know are the same only if they are spelled so.
func (d *Driver) SameType(a, b string) bool {
	if strings.EqualFold(a, b) {
		return true
	}
	return d.typeName(a) == d.typeName(b)
}

// typeName is name as format_type writes it.
func (d *Driver) typeName(name string) string {
	d.mu.Lock()
	known, ok := d.types[name]
	d.mu.Unlock()
	if ok {
		return known
	}
	plain := strings.Join(strings.Fields(strings.ToLower(name)), " ")
	columns, err := d.aside(context.Background(), func(ctx context.Context, conn *pgx.Conn) ([]twice.Column, error) {
		return describe(ctx, conn, "SELECT CAST(NULL AS "+name+")") // prepared only: no statement can hide in name
	})
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &refused):
	case err != nil || len(columns) != 1:
		return plain // not remembered: the next time may be luckier
	default:
		plain = columns[0].Type
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.types[name] = plain
	return plain
}

// aside asks something outside any session.
func (d *Driver) aside(ctx context.Context, f func(context.Context, *pgx.Conn) ([]twice.Column, error)) ([]twice.Column, error) {
	conn, err := d.asides.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	var columns []twice.Column
	err = conn.Raw(func(c any) error {
		columns, err = f(ctx, c.(*stdlib.Conn).Conn())
		return err
	})
	return columns, err
}
