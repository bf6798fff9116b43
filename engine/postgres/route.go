package postgres

import (
	"regexp"
	"strings"

	duck "github.com/duckdb/duckdb-go/v2"

	"github.com/twice-data/twice"
)

// route is how a column travels from DuckDB to PostgreSQL: an expression that gives DuckDB's value in a form that Go
// reads cheaply and exactly, and how that form is written in binary COPY.
type route struct {
	name   string
	from   string              // DuckDB's type
	to     string              // PostgreSQL's type
	oid    uint32              // of to, as the elements of an array say it
	expr   func(string) string // around the column's name
	encode encoder
	text   bool // expr gives VARCHAR, encode takes strings
}

// cells appends the value of one row, with its length before it.
type cells func(buf []byte, row int) ([]byte, error)

var listType = regexp.MustCompile(`^(.*)\[\d*\]$`)

// routeFor finds the route of a column; false: there is none.
func routeFor(c twice.Column) (route, bool) {
	if m := listType.FindStringSubmatch(c.Type); m != nil {
		element, ok := scalar(m[1])
		if !ok {
			return route{name: c.Name, from: c.Type}, false
		}
		return route{name: c.Name, from: c.Type, to: element.to + "[]", encode: arrayOf(element),
			expr: func(x string) string {
				return "list_transform(" + x + "::" + m[1] + "[], lambda e: " + element.expr("e") + ")"
			}}, true
	}
	r, ok := scalar(c.Type)
	r.name, r.from = c.Name, c.Type
	return r, ok
}

// scalar is the route of a type that has no elements.
func scalar(from string) (route, bool) {
	base, _, _ := strings.Cut(from, "(")
	switch base {
	case "DECIMAL":
		return route{to: "numeric" + strings.TrimPrefix(from, base), oid: 1700, expr: as("VARCHAR"), encode: numeric, text: true}, true
	case "ENUM":
		return route{to: "text", oid: 25, expr: as("VARCHAR"), encode: text, text: true}, true
	}
	r, ok := scalars[from]
	return r, ok
}

var scalars = map[string]route{
	"BOOLEAN": {to: "boolean", oid: 16, expr: same, encode: boolean},

	"TINYINT":   {to: "smallint", oid: 21, expr: as("SMALLINT"), encode: integer2},
	"UTINYINT":  {to: "smallint", oid: 21, expr: as("SMALLINT"), encode: integer2},
	"SMALLINT":  {to: "smallint", oid: 21, expr: same, encode: integer2},
	"USMALLINT": {to: "integer", oid: 23, expr: as("INTEGER"), encode: integer4},
	"INTEGER":   {to: "integer", oid: 23, expr: same, encode: integer4},
	"UINTEGER":  {to: "bigint", oid: 20, expr: as("BIGINT"), encode: integer8},
	"BIGINT":    {to: "bigint", oid: 20, expr: same, encode: integer8},
	"UBIGINT":   {to: "numeric(20,0)", oid: 1700, expr: as("VARCHAR"), encode: numeric, text: true},
	"HUGEINT":   {to: "numeric(39,0)", oid: 1700, expr: as("VARCHAR"), encode: numeric, text: true},
	"UHUGEINT":  {to: "numeric(39,0)", oid: 1700, expr: as("VARCHAR"), encode: numeric, text: true},
	"BIGNUM":    {to: "numeric", oid: 1700, expr: as("VARCHAR"), encode: numeric, text: true},
	"FLOAT":     {to: "real", oid: 700, expr: same, encode: float4},
	"DOUBLE":    {to: "double precision", oid: 701, expr: same, encode: float8},

	"VARCHAR": {to: "text", oid: 25, expr: same, encode: text, text: true},
	`"NULL"`:  {to: "text", oid: 25, expr: as("VARCHAR"), encode: text, text: true},
	"JSON":    {to: "json", oid: 114, expr: as("VARCHAR"), encode: text, text: true}, // jsonb would reorder keys and drop repeats
	"BLOB":    {to: "bytea", oid: 17, expr: same, encode: blob},
	"BIT":     {to: "bit varying", oid: 1562, expr: as("VARCHAR"), encode: bits, text: true},
	"UUID":    {to: "uuid", oid: 2950, expr: same, encode: uuid},

	"DATE":                     {to: "date", oid: 1082, expr: finite("DATE", "(x - DATE '2000-01-01')"), encode: date},
	"TIME":                     {to: "time without time zone", oid: 1083, expr: apply("epoch_us"), encode: integer8},
	"TIME_NS":                  {to: "time without time zone", oid: 1083, expr: apply("epoch_ns"), encode: wholeMicros(integer8)},
	"TIME WITH TIME ZONE":      {to: "time with time zone", oid: 1266, expr: same, encode: timeTZ},
	"TIMESTAMP":                {to: stamp, oid: 1114, expr: finite("TIMESTAMP", "epoch_us(x)"), encode: timestamp},
	"TIMESTAMP_S":              {to: stamp, oid: 1114, expr: finite("TIMESTAMP", "epoch_us(x)"), encode: timestamp},
	"TIMESTAMP_MS":             {to: stamp, oid: 1114, expr: finite("TIMESTAMP", "epoch_us(x)"), encode: timestamp},
	"TIMESTAMP_NS":             {to: stamp, oid: 1114, expr: finite("TIMESTAMP_NS", "epoch_ns(x)"), encode: wholeMicros(timestamp)},
	"TIMESTAMP WITH TIME ZONE": {to: "timestamp with time zone", oid: 1184, expr: finite("TIMESTAMPTZ", "epoch_us(x)"), encode: timestamp},
	"INTERVAL":                 {to: "interval", oid: 1186, expr: same, encode: interval},
}

const stamp = "timestamp without time zone"

func same(x string) string { return x }

func as(typ string) func(string) string {
	return func(x string) string { return "CAST(" + x + " AS " + typ + ")" }
}

func apply(function string) func(string) string {
	return func(x string) string { return function + "(" + x + ")" }
}

// finite gives the largest and the smallest BIGINT for the two infinities of typ.
func finite(typ, number string) func(string) string {
	return func(x string) string {
		x = "CAST(" + x + " AS " + typ + ")"
		return "CASE WHEN " + x + " = CAST('infinity' AS " + typ + ") THEN 9223372036854775807" +
			" WHEN " + x + " = CAST('-infinity' AS " + typ + ") THEN (-9223372036854775807 - 1)" +
			" ELSE CAST(" + strings.ReplaceAll(number, "(x", "("+x) + " AS BIGINT) END"
	}
}

// cells reads column i of a chunk.
func (r route) cells(chunk *duck.DataChunk, i int) (cells, error) {
	if !r.text {
		return func(buf []byte, row int) ([]byte, error) {
			v, err := chunk.GetValue(i, row)
			if err != nil {
				return nil, err
			}
			return sized(buf, v, r.encode)
		}, nil
	}
	vector, err := chunk.GetVector(i)
	if err != nil {
		return nil, err
	}
	texts, err := duck.GetVectorView[string](vector)
	if err != nil {
		return nil, err
	}
	return func(buf []byte, row int) ([]byte, error) {
		v, ok, err := texts.GetValueBorrowed(row)
		if err != nil || !ok {
			return append(buf, null...), err
		}
		return sized(buf, v, r.encode)
	}, nil
}
