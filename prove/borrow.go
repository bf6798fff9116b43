package prove

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// mostBorrowed is how many rows of a table of the real target are copied.
const mostBorrowed = 50_000

// borrow copies into a lab what the family reads of the real target and no pipeline of the family fills: declared tables,
// tables that lint was told to allow, a pipeline's own table where it reads itself, and views.
func (b *bench) borrow(ctx context.Context, l *lab) error {
	if b.borrowed == nil {
		if err := b.ask(ctx, l); err != nil {
			return err
		}
	}
	if len(b.borrowed) == 0 {
		return nil
	}
	s, err := l.sit(ctx, setup{})
	if err != nil {
		return err
	}
	defer s.close()
	ses, err := s.db.Session(ctx)
	if err != nil {
		return err
	}
	defer ses.Close()
	for _, statement := range b.borrowed {
		if _, err := ses.Exec(ctx, "borrow", statement); err != nil {
			return err
		}
	}
	return nil
}

// ask reads the real target, once, and keeps the statements that make a copy of what is needed. A target from which
// nothing is needed is not opened.
func (b *bench) ask(ctx context.Context, l *lab) error {
	b.borrowed = []string{}
	scratch, err := l.sit(ctx, setup{})
	if err != nil {
		return err
	}
	wanted, err := b.foreign(ctx, scratch.db)
	numbers := false
	if err == nil {
		numbers, err = b.numbers(ctx, scratch.db)
	}
	scratch.close()
	if err != nil || len(wanted) == 0 && !numbers {
		return err
	}
	d, err := b.Peek(ctx)
	if err != nil || d == nil {
		return err
	}
	db := engine.Open(d, nil)
	defer db.Close()
	if wanted, err = b.foreign(ctx, db); err != nil { // now with what is behind views
		return err
	}
	s, err := db.Session(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if numbers {
		if b.borrowed, err = sequences(ctx, s); err != nil {
			return err
		}
	}
	for _, t := range wanted {
		statements, err := copied(ctx, s, t)
		if err != nil {
			return err
		}
		b.borrowed = append(b.borrowed, statements...)
	}
	return nil
}

// foreign lists the tables that the family reads and nobody in it fills, and then the views, as d knows them.
func (b *bench) foreign(ctx context.Context, d engine.Driver) ([]engine.TableRef, error) {
	filled := map[string]bool{}
	for _, p := range b.family {
		filled[strings.ToLower(p.Table.String())] = true
	}
	seen := map[string]bool{}
	var tables, views []engine.TableRef
	add := func(r engine.TableRef) {
		key := strings.ToLower(r.Table.String())
		switch {
		case seen[key] || r.System || r.Catalog != "":
		case r.View:
			seen[key], views = true, append(views, r)
		default:
			seen[key], tables = true, append(tables, r)
		}
	}
	for _, p := range b.family {
		for i := range p.Inputs {
			name := p.Inputs[i].Table
			if name == "" {
				continue
			}
			q, err := d.Parse(ctx, "select * from "+name) // it may be a view
			if err != nil {
				return nil, err
			}
			for _, r := range q.Tables {
				add(r)
			}
		}
		q, err := d.Parse(ctx, p.SQL)
		if err != nil {
			return nil, err
		}
		for _, r := range q.Tables {
			own := strings.EqualFold(r.Table.String(), p.Table.String())
			if p.Input(r.Table.Name) == nil && (own || !filled[strings.ToLower(r.Table.String())]) {
				add(r)
			}
		}
	}
	return append(tables, views...), nil
}

// numbers says whether the family takes numbers out of sequences.
func (b *bench) numbers(ctx context.Context, d engine.Driver) (bool, error) {
	for _, p := range b.family {
		q, err := d.Parse(ctx, p.SQL)
		if err != nil {
			return false, err
		}
		for _, c := range q.Calls {
			if c.Name == "nextval" || c.Name == "currval" || c.Name == "lastval" {
				return true, nil
			}
		}
	}
	return false, nil
}

// sequences are the statements that make the target's sequences anew.
func sequences(ctx context.Context, s *engine.Session) ([]string, error) {
	query := "SELECT schema_name, sequence_name FROM duckdb_sequences()"
	if s.DB().Features().Name == "postgres" {
		query = "SELECT schemaname, sequencename FROM pg_sequences"
	}
	var statements []string
	err := s.Query(ctx, "sequences", query, func(rows *sql.Rows) error {
		var schema, name string
		err := rows.Scan(&schema, &name)
		statements = append(statements, "CREATE SCHEMA IF NOT EXISTS "+engine.Ident(schema),
			fmt.Sprintf("CREATE SEQUENCE IF NOT EXISTS %s.%s", engine.Ident(schema), engine.Ident(name)))
		return err
	})
	return statements, err
}

// copied are the statements that make a table with its rows, or a view, in another target.
func copied(ctx context.Context, s *engine.Session, r engine.TableRef) ([]string, error) {
	var statements []string
	if r.Table.Schema != "" {
		statements = append(statements, "CREATE SCHEMA IF NOT EXISTS "+engine.Ident(r.Table.Schema))
	}
	name := engine.Ident(r.Table.Name)
	if r.Table.Schema != "" {
		name = engine.Ident(r.Table.Schema) + "." + name
	}
	if r.View {
		definition, err := viewOf(ctx, s, r.Table)
		return append(statements, definition), err
	}
	cols, err := s.DB().Columns(ctx, s, r.Table)
	if err != nil || len(cols) == 0 {
		return nil, err // the clean run will say that it is not there
	}
	defs, texts := make([]string, len(cols)), make([]string, len(cols))
	for i, c := range cols {
		defs[i] = engine.Ident(c.Name) + " " + c.Type
		texts[i] = "CAST(" + engine.Ident(c.Name) + " AS VARCHAR)"
	}
	statements = append(statements, fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (%s)", name, strings.Join(defs, ", ")))
	var values []string
	query := fmt.Sprintf("SELECT %s FROM %s LIMIT %d", strings.Join(texts, ", "), s.DB().Name(r.Table), mostBorrowed)
	err = s.Query(ctx, "borrow", query, func(rows *sql.Rows) error {
		row := make([]sql.NullString, len(cols))
		dest := make([]any, len(cols))
		for i := range row {
			dest[i] = &row[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		cells := make([]string, len(cols))
		for i, v := range row {
			cells[i] = "NULL"
			if v.Valid {
				cells[i] = "CAST(" + engine.Literal(v.String) + " AS " + cols[i].Type + ")"
			}
		}
		values = append(values, "("+strings.Join(cells, ", ")+")")
		return nil
	})
	for len(values) > 0 {
		n := min(len(values), 500)
		statements = append(statements, "INSERT INTO "+name+" VALUES "+strings.Join(values[:n], ", "))
		values = values[n:]
	}
	return statements, err
}

// viewOf is the statement that makes a view, asked of the catalogue.
func viewOf(ctx context.Context, s *engine.Session, t twice.Table) (string, error) {
	query := "SELECT sql FROM duckdb_views() WHERE NOT internal AND view_name = " + engine.Literal(t.Name)
	if t.Schema != "" {
		query += " AND schema_name = " + engine.Literal(t.Schema)
	}
	if s.DB().Features().Name == "postgres" {
		name := engine.Ident(t.Name)
		if t.Schema != "" {
			name = engine.Ident(t.Schema) + "." + name
		}
		query = fmt.Sprintf("SELECT %s || pg_get_viewdef(%s::regclass)", engine.Literal("CREATE VIEW "+name+" AS "), engine.Literal(name))
	}
	var definition string
	err := s.Row(ctx, "view", query, &definition)
	return definition, err
}
