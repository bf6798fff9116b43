package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"github.com/pganalyze/pg_query_go/v6/parser"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// Parse implements engine.Driver with PostgreSQL's own grammar. Views of the target are opened, and its functions in SQL
// as far as they are one SELECT; materialized views are tables, which somebody has to refresh.
func (d *Driver) Parse(ctx context.Context, query string) (*engine.Query, error) {
	statements, err := tree(positional(query))
	if err != nil {
		return nil, syntaxError(err, query)
	}
	if len(statements) != 1 {
		return nil, twice.Errorf("not-a-select", "expected one SELECT, got %d statements", len(statements)).
			WithNext("keep one SELECT in the file: use WITH for intermediate steps").WithExit(twice.ExitProject)
	}
	root := statements[0].node("SelectStmt")
	if root == nil || root.node("intoClause") != nil {
		return nil, notASelect()
	}
	conn, err := d.asides.Conn(ctx)
	if err != nil {
		return nil, d.Explain(err)
	}
	defer conn.Close()
	r := &reader{catalog: &catalog{ctx: ctx, conn: conn, schema: d.schema}, query: &engine.Query{}}
	r.selectStmt(root, nil)
	return r.query, d.Explain(errors.Join(r.err, r.catalog.err))
}

func notASelect() error {
	return twice.Errorf("not-a-select", "the SQL is not a SELECT, or has a part that writes").At("", 1).
		WithNext("write one SELECT; twice writes its rows itself").WithExit(twice.ExitProject)
}

// positional writes $1 for each $name, which the grammar does not know, and as many spaces as keep every offset.
func positional(query string) string {
	text := []byte(query)
	for _, p := range twice.Params(query) {
		copy(text[p.At:], "$1"+strings.Repeat(" ", len(p.Name)-1))
	}
	return string(text)
}

func syntaxError(err error, query string) error {
	var p *parser.Error
	if !errors.As(err, &p) {
		return err
	}
	line := 0
	if p.Cursorpos > 0 { // counts characters from 1
		text := []rune(query)
		line = 1 + strings.Count(string(text[:min(p.Cursorpos-1, len(text))]), "\n")
	}
	return twice.Errorf("syntax", "%s", p.Message).At("", line).WithExit(twice.ExitProject).
		WithNext("correct the SQL; it must parse as one SELECT of PostgreSQL")
}

// tree gives the tree of each statement in text.
func tree(text string) ([]node, error) {
	answer, err := pg.ParseToJSON(text)
	if err != nil {
		return nil, err
	}
	root, err := decode(answer)
	if err != nil {
		return nil, fmt.Errorf("reading PostgreSQL's syntax tree: %w", err)
	}
	var statements []node
	for _, s := range root.nodes("stmts") {
		statements = append(statements, s.node("stmt"))
	}
	return statements, nil
}

// catalog answers what the tree alone does not say. Its first error ends up in err, and later answers are empty.
type catalog struct {
	ctx    context.Context
	conn   *sql.Conn
	schema string
	err    error
}

// relation says where an unqualified or qualified name leads: its schema, and a view's definition.
func (c *catalog) relation(schema, name string) (found, view string) {
	c.row(`SELECT n.nspname::text, CASE WHEN k.relkind = 'v' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
			THEN pg_get_viewdef(k.oid) ELSE '' END
		FROM pg_catalog.pg_class k JOIN pg_catalog.pg_namespace n ON n.oid = k.relnamespace
		WHERE k.oid = to_regclass(CASE $1 WHEN '' THEN '' ELSE quote_ident($1) || '.' END || quote_ident($2))`,
		[]any{schema, name}, &found, &view)
	return found, view
}

// function says whether the catalogue knows name as an aggregate, and the body of one written in SQL.
func (c *catalog) function(schema, name string) (aggregate bool, body string) {
	c.row(`SELECT bool_or(p.prokind = 'a'), coalesce(max(coalesce(pg_get_function_sqlbody(p.oid), p.prosrc))
			FILTER (WHERE l.lanname = 'sql' AND n.nspname NOT IN ('pg_catalog', 'information_schema')), '')
		FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
			JOIN pg_catalog.pg_language l ON l.oid = p.prolang
		WHERE p.proname = $2 AND n.nspname = ANY (CASE $1 WHEN '' THEN current_schemas(true) ELSE ARRAY[$1::name] END)
		GROUP BY p.proname`, []any{schema, name}, &aggregate, &body)
	return aggregate, body
}

func (c *catalog) row(query string, args []any, dest ...any) {
	if c.err != nil {
		return
	}
	if err := c.conn.QueryRowContext(c.ctx, query, args...).Scan(dest...); err != nil && !errors.Is(err, sql.ErrNoRows) {
		c.err = err
	}
}
