package project

import (
	"fmt"
	"strings"

	"github.com/twice-data/twice"
)

func indexed(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i+1) }

// checks gathers the columns' short forms and the list, in this order.
func (b *builder) checks() {
	for i, c := range b.h.Columns {
		at := indexed("columns", i)
		if c.NotNull {
			b.add(at, twice.Check{NotNull: []string{c.Name}})
		}
		if c.Unique {
			b.add(at, twice.Check{Unique: []string{c.Name}})
		}
		if b.has(at + ".accepted_values") {
			b.add(at, twice.Check{AcceptedValues: b.accepted(at+".accepted_values", c.Name, c.AcceptedValues)})
		}
		if b.has(at + ".relationships") {
			b.add(at, twice.Check{Relationships: b.relationship(at+".relationships", c.Name, c.Relationships)})
		}
	}
	for i, h := range b.h.Checks {
		b.add(indexed("checks", i), b.check(indexed("checks", i), h))
	}
}

func (b *builder) check(at string, h checkHeader) twice.Check {
	c := twice.Check{Name: h.Name, Warn: h.OnFail == "warn", NotNull: h.NotNull, Unique: h.Unique}
	b.columnNames(at+".not_null", h.NotNull)
	b.columnNames(at+".unique", h.Unique)
	for _, column := range h.NotNull {
		b.inContract(at+".not_null", column)
	}
	for _, column := range h.Unique {
		b.inContract(at+".unique", column)
	}
	if v := h.AcceptedValues; v != nil {
		b.inContract(at+".accepted_values", v.Column)
		c.AcceptedValues = b.accepted(at+".accepted_values", v.Column, v.Values)
	}
	if r := h.Rows; r != nil {
		c.Rows = b.rows(at+".rows", r)
	}
	if r := h.Relationships; r != nil {
		b.inContract(at+".relationships", r.Column)
		c.Relationships = b.relationship(at+".relationships", r.Column, r.To)
	}
	if b.has(at + ".sql") {
		c.SQL = b.checkSQL(at+".sql", h.SQL)
	}
	return c
}

func (b *builder) accepted(at, column string, values texts) *twice.AcceptedValues {
	if values != nil && len(values) == 0 {
		b.errorf(at, "unknown-value", "expected at least one value, found none").WithNext("list the values")
	}
	return &twice.AcceptedValues{Column: column, Values: values}
}

func (b *builder) rows(at string, h *rowsHeader) *twice.RowCount {
	switch {
	case !b.has(at+".min") && !b.has(at+".max"):
		b.errorf(at, "missing-key", "expected min or max, found neither").WithNext("write {min: 1}")
	case h.Min != nil && h.Max != nil && *h.Min > *h.Max:
		b.errorf(at, "contradiction", "min %d is larger than max %d", *h.Min, *h.Max).WithNext("swap or correct them")
	}
	return &twice.RowCount{Min: h.Min, Max: h.Max}
}

func (b *builder) relationship(at, column, to string) *twice.Relationship {
	dot := strings.LastIndex(to, ".")
	if to != "" && (dot < 1 || dot == len(to)-1 || !isTable(to[:dot])) {
		b.errorf(at, "unknown-value", "expected table.column, found %q", to).
			WithNext("write table.column or schema.table.column")
	}
	return &twice.Relationship{Column: column, To: ParseTable(to[:max(dot, 0)]), ToColumn: to[dot+1:]}
}

func (b *builder) checkSQL(at, sql string) string {
	if twice.Canonical(sql) == "" && b.has(at) {
		b.errorf(at, "missing-key", "the SQL is empty").
			WithNext("write a SELECT of the rows that are wrong, from {rows}")
	}
	for _, e := range b.parameters(sql) {
		b.errorf(at, e.Code, "%s", e.Message).WithNext("%s", e.Next)
	}
	return strings.TrimSpace(sql)
}

// add names a check and notes it; two of one name could not be told apart in the ledger.
func (b *builder) add(at string, c twice.Check) {
	c.Line = b.line(at)
	if c.Name == "" {
		c.Name = checkName(c)
	}
	for _, other := range b.p.Checks {
		if other.Name == c.Name && c.Name != "" {
			b.errorf(at, "duplicate-check", "there is another check %s in line %d", c.Name, other.Line).
				WithNext("delete one, or give it a name:")
		}
	}
	b.p.Checks = append(b.p.Checks, c)
}

func checkName(c twice.Check) string {
	switch {
	case c.NotNull != nil:
		return "not_null(" + strings.Join(c.NotNull, ", ") + ")"
	case c.Unique != nil:
		return "unique(" + strings.Join(c.Unique, ", ") + ")"
	case c.AcceptedValues != nil:
		return "accepted_values(" + c.AcceptedValues.Column + ")"
	case c.Rows != nil:
		return "rows(" + between(c.Rows) + ")"
	case c.Relationships != nil:
		r := c.Relationships
		return fmt.Sprintf("relationships(%s, %s.%s)", r.Column, r.To, r.ToColumn)
	case c.SQL != "":
		return "sql(" + shorten(strings.Join(strings.Fields(c.SQL), " "), 60) + ")"
	default:
		return ""
	}
}

func between(r *twice.RowCount) string {
	var parts []string
	if r.Min != nil {
		parts = append(parts, fmt.Sprintf("min %d", *r.Min))
	}
	if r.Max != nil {
		parts = append(parts, fmt.Sprintf("max %d", *r.Max))
	}
	return strings.Join(parts, ", ")
}

func shorten(text string, limit int) string {
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return text
}
