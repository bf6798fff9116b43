package postgres

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// orderly are types whose values a B-tree holds, in the catalogue's words without lengths.
var orderly = map[string]bool{
	"smallint": true, "integer": true, "bigint": true, "numeric": true, "text": true, "character varying": true, "character": true,
	"uuid": true, "date": true, "boolean": true, "bytea": true, "real": true, "double precision": true,
	"timestamp without time zone": true, "timestamp with time zone": true,
}

// Key makes the index without which a merge of a few rows would read a large table from end to end. Columns of types that
// a B-tree does not take go without.
func (d *Driver) Key(ctx context.Context, s *engine.Session, table twice.Table, columns []twice.Column) error {
	names := make([]string, len(columns))
	for i, c := range columns {
		base, _, _ := strings.Cut(c.Type, "(")
		if !orderly[base] {
			return nil
		}
		names[i] = pgx.Identifier{c.Name}.Sanitize()
	}
	_, err := s.Exec(ctx, "create index", "CREATE UNIQUE INDEX ON "+s.DB().Name(table)+" ("+strings.Join(names, ", ")+")")
	return err
}

// Keyed asks the catalogue.
func (d *Driver) Keyed(ctx context.Context, s *engine.Session, table twice.Table, columns []string) (bool, error) {
	folded := make([]string, len(columns))
	for i, c := range columns {
		folded[i] = engine.Literal(strings.ToLower(c))
	}
	var n int
	err := s.Row(ctx, "index of "+table.String(), `SELECT count(*) FROM pg_index AS i
		WHERE i.indrelid = `+engine.Literal(s.DB().Name(table))+`::regclass AND i.indisvalid AND i.indisunique AND i.indimmediate AND i.indnatts = `+strconv.Itoa(len(columns))+` AND i.indpred IS NULL AND i.indexprs IS NULL
		AND NOT EXISTS (SELECT 1 FROM unnest(i.indkey) AS k JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k
			WHERE lower(a.attname) NOT IN (`+strings.Join(folded, ", ")+`))`, &n)
	return n > 0, err
}

// Taken implements what a stream's merge asks for.
func (d *Driver) Taken(err error) bool {
	var p *pgconn.PgError
	return errors.As(err, &p) && p.Code == "23505" // unique_violation
}
