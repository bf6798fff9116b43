package stream

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// layout is how a source's records become rows in memory. What is plain is read here, in a small part of the time that
// DuckDB takes, which judges all the rest.
type layout struct {
	columns []engine.Vector // of the relation, without rows: the value's fields, and behind them what every record has
	widths  []int           // of the columns of bytes: how many a row had in the batch before, rounded up
	fields  int
	scanner scanner
}

// newLayout is nil where a type has no place in memory: then DuckDB judges all records, and they travel in a file.
func (s *reading) newLayout(ctx context.Context) *layout {
	r := &layout{scanner: scanner{index: map[string]int{}}}
	if !s.raw() {
		for i, c := range s.in.Records().Columns {
			v := engine.Vector{Name: c.Name, Type: s.parser.spell(ctx, c.Type)}
			if v.Form = engine.FormOf(v.Type); v.Form == engine.Absent || v.Form == engine.Opaque {
				return nil
			}
			r.columns = append(r.columns, v)
			for _, name := range append([]string{c.Name}, c.Aliases...) {
				if _, taken := r.scanner.index[name]; taken {
					return nil
				}
				r.scanner.index[name] = i
			}
		}
	}
	r.fields = len(r.columns)
	r.scanner.tokens = make([]token, r.fields)
	for _, name := range twice.RecordColumns {
		if s.names(name) {
			v := engine.Vector{Name: name, Type: s.recordType(name)}
			v.Form = engine.FormOf(v.Type)
			r.columns = append(r.columns, v)
		}
	}
	r.widths = make([]int, len(r.columns))
	return r
}

// spell is a type as DuckDB writes it in full, or empty if there is none of that name.
func (p *parser) spell(ctx context.Context, typ string) string {
	if typ == "" {
		return "VARCHAR"
	}
	var full string
	err := p.conn.QueryRowContext(ctx, fmt.Sprintf("SELECT column_type FROM (DESCRIBE SELECT CAST(NULL AS %s))", typ)).Scan(&full)
	if err != nil {
		return ""
	}
	return full
}

// recordType is the type of a column that every record has.
func (s *reading) recordType(name string) string {
	switch name {
	case "_partition":
		return "INTEGER"
	case "_offset":
		return "BIGINT"
	case "_timestamp":
		return "TIMESTAMP WITH TIME ZONE"
	case "_key", "_value":
		if s.raw() {
			return "BLOB"
		}
	}
	return "VARCHAR"
}

// rows reads the records that are plain, and gives the others back.
func (s *reading) rows(records []*kgo.Record) (rows *engine.Rows, rest []*kgo.Record) {
	r := s.layout
	rows = &engine.Rows{Columns: make([]engine.Vector, len(r.columns))}
	all := 0
	for _, record := range records {
		all += len(record.Value)
	}
	for i, c := range r.columns {
		c.Nulls = make([]bool, 0, len(records))
		switch c.Form {
		case engine.Float:
			c.Floats = make([]float64, 0, len(records))
		case engine.Text, engine.Opaque:
			c.Ends = make([]int, 0, len(records))
			c.Bytes = make([]byte, 0, min(len(records)*r.widths[i], all)) // grown step by step it would take twice the memory
		default:
			c.Ints = make([]int64, 0, len(records))
		}
		rows.Columns[i] = c
	}
	for _, record := range records {
		if !s.plain(rows.Columns, record) {
			for i := range r.fields {
				rows.Columns[i].Truncate(rows.N)
			}
			rest = append(rest, record)
			continue
		}
		for i := r.fields; i < len(rows.Columns); i++ {
			s.extra(&rows.Columns[i], record)
		}
		rows.N++
	}
	if rows.N > 0 {
		for i, c := range rows.Columns {
			r.widths[i] = (len(c.Bytes) + rows.N - 1) / rows.N
		}
	}
	return rows, rest
}

// plain adds a record's fields, or is false where it cannot.
func (s *reading) plain(columns []engine.Vector, r *kgo.Record) bool {
	if s.raw() {
		return true
	}
	if r.Value == nil || !utf8.Valid(r.Value) || s.names("_key") && !utf8.Valid(r.Key) || !s.tokenize(r.Value) {
		return false
	}
	for i, tok := range s.layout.scanner.tokens {
		if tok.kind == 0 && !s.in.Records().Columns[i].Optional || !add(&columns[i], tok) {
			return false
		}
	}
	return true
}

// tokenize finds the fields of a value.
func (s *reading) tokenize(value []byte) bool {
	if s.in.Records().Format != "csv" {
		return s.layout.scanner.scan(value)
	}
	fields, why := s.csv(value)
	if why != "" || bytes.IndexByte(value, 0) >= 0 {
		return false
	}
	for i, f := range fields {
		s.layout.scanner.tokens[i] = token{kind: null}
		if f != nil {
			s.layout.scanner.tokens[i] = token{str, []byte(*f)}
		}
	}
	return true
}

// extra adds what every record has.
func (s *reading) extra(v *engine.Vector, r *kgo.Record) {
	add := func(b []byte) {
		if b == nil {
			v.Null()
			return
		}
		v.Append(b)
	}
	switch v.Name {
	case "_key":
		add(r.Key)
	case "_value":
		add(r.Value)
	case "_headers":
		v.Append(headers(r.Headers))
	case "_topic":
		v.Append([]byte(r.Topic))
	case "_partition":
		v.Int(int64(r.Partition))
	case "_offset":
		v.Int(r.Offset)
	case "_timestamp":
		if r.Timestamp.IsZero() {
			v.Null()
			return
		}
		v.Int(r.Timestamp.UnixMilli() * 1000)
	}
}

// judged adds those of the records to the rows that DuckDB finds to parse, and gives the others back.
func (s *reading) judged(ctx context.Context, rows *engine.Rows, records []*kgo.Record) ([]Poison, error) {
	poison, err := s.judge(ctx, records)
	if err != nil {
		return nil, err
	}
	exprs := make([]string, len(rows.Columns))
	dest := make([]any, len(rows.Columns))
	for i := range rows.Columns {
		c := &rows.Columns[i]
		exprs[i], dest[i] = plainly(c)
	}
	found, err := s.parser.conn.QueryContext(ctx, fmt.Sprintf(`SELECT %s FROM (SELECT %s FROM judged WHERE "twice why" IS NULL)`,
		strings.Join(exprs, ", "), strings.Join(s.columns(), ", ")))
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		if err := found.Scan(dest...); err != nil {
			return nil, err
		}
		for i := range rows.Columns {
			take(&rows.Columns[i], dest[i])
		}
		rows.N++
	}
	return poison, found.Err()
}

// plainly is an expression for a column's value in the form of its vector, and where to scan it.
func plainly(v *engine.Vector) (expr string, dest any) {
	name := engine.Ident(v.Name)
	const finite = "CASE WHEN isinf(%[1]s) THEN CASE WHEN %[1]s > DATE '1970-01-01' THEN 9223372036854775807 " +
		"ELSE (-9223372036854775807 - 1) END ELSE %[2]s END"
	switch v.Form {
	case engine.Days:
		return fmt.Sprintf(finite, name, "CAST("+name+" - DATE '1970-01-01' AS BIGINT)"), new(sql.NullInt64)
	case engine.Micros:
		return fmt.Sprintf(finite, name, "epoch_us("+name+")"), new(sql.NullInt64)
	case engine.Float:
		return "CAST(" + name + " AS DOUBLE)", new(sql.NullFloat64)
	case engine.Text:
		return "CAST(" + name + " AS VARCHAR)", new(sql.NullString)
	case engine.Opaque:
		return name, new(sql.NullString)
	default:
		return "CAST(" + name + " AS BIGINT)", new(sql.NullInt64)
	}
}

func take(v *engine.Vector, scanned any) {
	switch n := scanned.(type) {
	case *sql.NullInt64:
		if n.Valid {
			v.Int(n.Int64)
			return
		}
	case *sql.NullFloat64:
		if n.Valid {
			v.Float(n.Float64)
			return
		}
	case *sql.NullString:
		if n.Valid {
			v.Append([]byte(n.String))
			return
		}
	}
	v.Null()
}
