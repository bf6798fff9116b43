package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// Attach implements engine.Driver. Rows go by binary COPY into a temporary table with the input's name, those of files
// through an embedded DuckDB that reads them; memory does not grow with their number, and their order is not kept. Names
// that are plain identifiers become lower case, which is how PostgreSQL reads them where a SELECT does not quote them. An
// error of the files or of a type comes before the first row is sent; the temporary table is then empty or missing.
func (d *Driver) Attach(ctx context.Context, s *engine.Session, rel engine.Relation) error {
	if rel.Rows != nil {
		rows, err := newRows(rel)
		if err != nil {
			return err
		}
		return fill(ctx, s, rel.Name, rows.routes, rows.stream)
	}
	from, err := d.openSource(ctx, rel)
	if err != nil {
		return err
	}
	defer func() { d.closeSource(from, err == nil) }()
	if err = fill(ctx, s, rel.Name, from.routes, from.stream); err != nil {
		return err
	}
	// Nobody else would: autovacuum does not see temporary tables, and without statistics joins are planned blindly. Rows
	// in memory are few, and nothing joins them.
	_, err = s.Exec(ctx, "analyze "+rel.Name, "ANALYZE pg_temp."+pgx.Identifier{fold(rel.Name)}.Sanitize())
	return err
}

// fill makes the temporary table and copies into it what stream writes.
func fill(ctx context.Context, s *engine.Session, input string, routes []route,
	stream func(context.Context, io.Writer) (int64, error),
) error {
	name := pgx.Identifier{fold(input)}.Sanitize()
	columns := make([]string, len(routes))
	for i, r := range routes {
		columns[i] = pgx.Identifier{fold(r.name)}.Sanitize() + " " + r.to
	}
	for _, ddl := range []string{
		"DROP TABLE IF EXISTS pg_temp." + name,
		"CREATE TEMPORARY TABLE " + name + " (" + strings.Join(columns, ", ") + ")",
	} {
		if _, err := s.Exec(ctx, "attach "+input, ddl); err != nil {
			return err
		}
	}
	return s.Raw(ctx, "copy "+input, func(conn any) error {
		return copyTo(ctx, conn.(*stdlib.Conn).Conn(), "COPY pg_temp."+name+" FROM STDIN (FORMAT binary)", stream)
	})
}

// copyTo streams rows into a COPY statement and counts them on both sides.
func copyTo(ctx context.Context, conn *pgx.Conn, statement string, stream func(context.Context, io.Writer) (int64, error)) error {
	reader, writer := io.Pipe()
	sent := make(chan error, 1)
	var rows int64
	go func() {
		var err error
		rows, err = stream(ctx, writer)
		_ = writer.CloseWithError(err) // a nil error is the end of the data
		sent <- err
	}()
	tag, err := conn.PgConn().CopyFrom(ctx, reader, statement)
	_ = reader.CloseWithError(errRefused) // whoever still writes is told to stop
	if readErr := <-sent; readErr != nil && !errors.Is(readErr, errRefused) {
		return readErr // what COPY says then is only that its data ended early
	}
	if err != nil {
		return err
	}
	if tag.RowsAffected() != rows {
		return twice.Errorf("rows-lost", "%d rows were read and %d arrived in the database", rows, tag.RowsAffected())
	}
	return nil
}

// errRefused stands for the server's own error on the side that reads files.
var errRefused = errors.New("the database refused the rows")

var plain = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// fold is name as PostgreSQL reads it where it may stand without quotes, and name itself elsewhere.
func fold(name string) string {
	if plain.MatchString(name) {
		return strings.ToLower(name)
	}
	return name
}

func quoteDuck(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

func cannotTravel(rel engine.Relation, column, typ, why string) *twice.Error {
	return twice.Errorf("type-cannot-travel", "input %s: column %s is %s, %s", rel.Name, column, typ, why).
		WithNext("give the column a type under columns: of the input, VARCHAR for example").At(rel.File, rel.Line)
}

// valueError is a value that its column's type cannot hold over there.
type valueError struct{ why string }

func (e valueError) Error() string { return e.why }

func refuse(format string, args ...any) error { return valueError{fmt.Sprintf(format, args...)} }
