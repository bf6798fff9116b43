package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/twice-data/twice"
)

// Schema makes a schema exist. On a shared target somebody else may have made it for a role that may not: there even
// IF NOT EXISTS is refused.
func (s *Session) Schema(ctx context.Context, name string) error {
	if s.db.Features().SharedTarget {
		var n int
		err := s.Row(ctx, "schema", "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = "+Literal(name), &n)
		if err != nil || n > 0 {
			return err
		}
	}
	_, err := s.Exec(ctx, "create schema", "CREATE SCHEMA IF NOT EXISTS "+Ident(name))
	return err
}

// reconcile holds what the SELECT gives against the contract and against the table, and answers with the columns that
// the table shall have.
func (s *Session) reconcile(p *twice.Pipeline, given, old []twice.Column) ([]twice.Column, error) {
	want := given
	if len(p.Columns) > 0 {
		var err error
		if want, err = s.honour(p, given); err != nil {
			return nil, err
		}
	}
	if len(old) == 0 {
		return want, nil
	}
	var problems []string
	columns := append([]twice.Column(nil), old...)
	for _, c := range want {
		switch o, ok := find(old, c.Name); {
		case !ok && p.OnSchemaChange == "append_new_columns":
			columns = append(columns, c)
		case !ok:
			problems = append(problems, fmt.Sprintf("new column %s %s", c.Name, c.Type))
		case c.Type != "" && !s.db.SameType(o.Type, c.Type):
			problems = append(problems, fmt.Sprintf("column %s is %s in the table and %s in the SELECT", c.Name, o.Type, c.Type))
		}
	}
	if p.OnSchemaChange != "append_new_columns" {
		for _, o := range old {
			if _, ok := find(want, o.Name); !ok {
				problems = append(problems, fmt.Sprintf("column %s is missing from the SELECT", o.Name))
			}
		}
	}
	if len(problems) > 0 {
		return nil, twice.Errorf("schema-change", "table %s and the SELECT differ: %s", p.Table, strings.Join(problems, "; ")).
			At(p.File, p.Line).
			WithNext("declare the columns with their types under columns:, or set on_schema_change: append_new_columns, " +
				"or change the table by hand")
	}
	return columns, nil
}

// honour holds what the SELECT gives against the contract: the same names, in any order. The contract's types win; a
// value that does not convert stops the write.
func (s *Session) honour(p *twice.Pipeline, given []twice.Column) ([]twice.Column, error) {
	var problems []string
	for _, c := range p.Columns {
		if _, ok := find(given, c.Name); !ok {
			problems = append(problems, fmt.Sprintf("no column %s", c.Name))
		}
	}
	want := append([]twice.Column(nil), p.Columns...)
	for _, g := range given {
		if _, ok := find(p.Columns, g.Name); !ok {
			problems = append(problems, fmt.Sprintf("column %s, which is not in the contract", g.Name))
		}
	}
	if len(problems) > 0 {
		return nil, twice.Errorf("contract", "the SELECT gives %s", strings.Join(problems, "; ")).
			At(p.File, p.Line).WithNext("change columns: in the header or the SELECT, so that both have the same names")
	}
	for i := range want {
		if want[i].Type == "" {
			g, _ := find(given, want[i].Name)
			want[i].Type = g.Type
		}
	}
	return want, nil
}
