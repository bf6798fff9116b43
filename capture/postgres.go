package capture

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine/postgres"
)

// pgSnapshot is a REPEATABLE READ READ ONLY transaction.
type pgSnapshot struct {
	driver *postgres.Driver
	conn   *sql.Conn
}

func openPostgres(ctx context.Context, url string) (snapshot, error) {
	d, err := postgres.Open(ctx, postgres.Options{URL: url})
	if err != nil {
		return nil, ofSource(err)
	}
	s := &pgSnapshot{driver: d}
	if s.conn, err = d.Connect(ctx); err != nil {
		s.close()
		return nil, ofSource(err)
	}
	// What has been read is converted while the transaction is idle, and the search path is the role's own.
	_, err = s.conn.ExecContext(ctx, "SET idle_in_transaction_session_timeout = 0; RESET search_path; "+
		"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	if err != nil {
		s.close()
		return nil, ofSource(d.Explain(err))
	}
	return s, nil
}

// ofSource words an error of the target's driver for a source, of which only reading is asked.
func ofSource(err error) error {
	e := *twice.AsError(err)
	e.Next = strings.ReplaceAll(e.Next, "the target's url", "the input's url")
	e.Next = strings.ReplaceAll(e.Next, "GRANT SELECT, INSERT, UPDATE, DELETE ON", "GRANT SELECT ON")
	e.Next = strings.ReplaceAll(e.Next, "GRANT USAGE, CREATE ON", "GRANT USAGE ON")
	return &e
}

func (s *pgSnapshot) close() {
	if s.conn != nil {
		_ = s.conn.Close() // nothing was written
	}
	_ = s.driver.Close()
}

func (s *pgSnapshot) rows(ctx context.Context, query string, to *rows) error {
	err := s.conn.Raw(func(c any) error {
		conn := c.(*stdlib.Conn).Conn()
		columns, err := pgColumns(ctx, conn, query, to)
		if err != nil {
			return err
		}
		if err := to.expect(columns); err != nil {
			return err
		}
		quote := ""
		if len(columns) == 1 {
			quote = "FORCE_QUOTE *, " // an empty text would be an empty line
		}
		tag, err := conn.PgConn().CopyTo(ctx, to, `COPY (`+pgSelect(query, columns)+`) TO STDOUT `+
			`(FORMAT csv, NULL '\N', `+quote+`ENCODING 'UTF8')`)
		to.count = tag.RowsAffected()
		return noRoom(err)
	})
	if err != nil {
		return ofSource(s.driver.Explain(err))
	}
	return nil
}

// pgSelect makes arrays JSON: their own text would have to be parsed.
func pgSelect(query string, columns []column) string {
	exprs := make([]string, len(columns))
	lists := false
	for i, c := range columns {
		exprs[i] = "q." + pgx.Identifier{c.name}.Sanitize()
		if c.list {
			lists = true
			exprs[i] = "array_to_json(" + exprs[i] + "::text[])::text"
		}
	}
	if !lists {
		return query
	}
	return "SELECT " + strings.Join(exprs, ", ") + " FROM (\n" + query + "\n) AS q"
}

// pgTypes are the types that travel, by their OID. Text is read as text, and everything else by the type that it becomes.
var pgTypes = map[uint32]column{
	pgtype.BoolOID:        {as: "BOOLEAN"},
	pgtype.Int2OID:        {as: "SMALLINT"},
	pgtype.Int4OID:        {as: "INTEGER"},
	pgtype.Int8OID:        {as: "BIGINT"},
	pgtype.OIDOID:         {as: "UINTEGER"},
	pgtype.Float4OID:      {as: "FLOAT"},
	pgtype.Float8OID:      {as: "DOUBLE"},
	pgtype.TextOID:        {as: "VARCHAR"},
	pgtype.VarcharOID:     {as: "VARCHAR"},
	pgtype.BPCharOID:      {as: "VARCHAR"},
	pgtype.NameOID:        {as: "VARCHAR"},
	pgtype.QCharOID:       {as: "VARCHAR"},
	pgtype.UnknownOID:     {as: "VARCHAR"},
	pgtype.JSONOID:        {as: "JSON"},
	pgtype.JSONBOID:       {as: "JSON"},
	pgtype.UUIDOID:        {as: "UUID"},
	pgtype.DateOID:        {as: "DATE"},
	pgtype.TimeOID:        {as: "TIME"},
	pgtype.TimestampOID:   {as: "TIMESTAMP"},
	pgtype.TimestamptzOID: {as: "TIMESTAMPTZ"},
	pgtype.ByteaOID:       {as: "VARCHAR", to: "BLOB", expr: "unhex(substr(%s, 3))"},
}

// anyNumeric is a numeric without a precision: as much as DuckDB can hold, and no digit less than there is.
var anyNumeric = column{as: "VARCHAR", to: "DECIMAL(38,10)", expr: `CASE WHEN %s IS NULL ` +
	`OR regexp_full_match(%s, '-?\d{1,28}(\.\d{0,10}0*)?') THEN CAST(%s AS DECIMAL(38,10)) ` +
	`ELSE error('cannot travel: ' || %s || ' does not fit into numeric(38,10), and its column has no precision') END`}

// pgColumns asks the server which columns a query gives, before it runs. Every column that cannot travel is named.
func pgColumns(ctx context.Context, conn *pgx.Conn, query string, to *rows) ([]column, error) {
	described, err := conn.Prepare(ctx, "twice_input", query)
	if err != nil {
		return nil, err
	}
	if err := conn.Deallocate(ctx, "twice_input"); err != nil {
		return nil, err
	}
	var columns []column
	var cannot []string
	for _, f := range described.Fields {
		c, err := pgColumn(ctx, conn, f.DataTypeOID, f.TypeModifier)
		if err != nil {
			return nil, err
		}
		if c.as == "" {
			var name string
			if err := conn.QueryRow(ctx, "SELECT format_type($1::oid, $2::int4)", f.DataTypeOID, f.TypeModifier).Scan(&name); err != nil {
				return nil, err
			}
			cannot = append(cannot, fmt.Sprintf("column %s is %s", f.Name, name))
		}
		c.name = f.Name
		columns = append(columns, c)
	}
	if cannot != nil {
		return nil, to.cannotTravel("%s, which cannot travel", strings.Join(cannot, "; "))
	}
	return columns, nil
}

// pgColumn is how a type travels; one without as does not.
func pgColumn(ctx context.Context, conn *pgx.Conn, oid uint32, modifier int32) (column, error) {
	if c, ok := pgTypes[oid]; ok {
		if c.to == "" {
			c.to = c.as
		}
		return c, nil
	}
	if oid == pgtype.NumericOID {
		return pgNumeric(modifier), nil
	}
	var kind, category string
	var element uint32
	err := conn.QueryRow(ctx, "SELECT typtype::text, typcategory::text, typelem FROM pg_catalog.pg_type WHERE oid = $1", oid).
		Scan(&kind, &category, &element)
	switch {
	case err != nil:
		return column{}, err
	case kind == "e":
		return column{as: "VARCHAR", to: "VARCHAR"}, nil
	case category == "A" && element != 0:
		c, err := pgColumn(ctx, conn, element, modifier)
		c.list = true
		if c.as == "" {
			return column{}, err
		}
		return c, err
	default:
		return column{}, nil
	}
}

// pgNumeric reads precision and scale from a type modifier, where the scale has 11 bits and a sign.
func pgNumeric(modifier int32) column {
	if modifier < 4 {
		return anyNumeric
	}
	precision, scale := (modifier-4)>>16, (modifier-4)&0x7ff
	if scale > 1023 || scale > precision || precision > 38 {
		return column{}
	}
	t := fmt.Sprintf("DECIMAL(%d,%d)", precision, scale)
	return column{as: t, to: t}
}
