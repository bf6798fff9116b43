package postgres

import (
	"fmt"
	"regexp"
	"strings"
)

// typeModifier is what follows a type's name in parentheses: it does not change what a value's text is.
var typeModifier = regexp.MustCompile(`\([^)]*\)`)

// Canonical gives an SQL expression for the text of expr, a value of the type that is not NULL, and the kind of that
// text (see package diff): two engines' values of one kind are equal if and only if their texts are. The kind "own" is
// a type whose text only means something to PostgreSQL.
func (d *Driver) Canonical(expr, typeName string) (kind, sql string) {
	t := typeModifier.ReplaceAllString(d.typeName(typeName), "") // of a domain, the type under it
	if element, ok := strings.CutSuffix(t, "[]"); ok {
		return canonicalArray(expr, element)
	}
	return canonical(expr, t)
}

// CanonicalHash gives an SQL expression for the number that the first 60 bits of the MD5 of a text are.
func (d *Driver) CanonicalHash(text string) string {
	return fmt.Sprintf("('x' || substr(md5(%s), 1, 15))::bit(60)::bigint", text)
}

// Snapshot is what a transaction needs, as its first statements, so that all that follow see one state, for as long as
// the other side of a comparison takes.
func (d *Driver) Snapshot() []string {
	return []string{
		"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
		"SET LOCAL idle_in_transaction_session_timeout = 0",
	}
}

func canonical(expr, t string) (kind, sql string) {
	plain := fmt.Sprintf("(%s)::text", expr)
	sized := fmt.Sprintf("octet_length(%s) || ':' || %s", plain, plain)
	micros := fmt.Sprintf("(extract(epoch FROM %s) * 1000000)::bigint::text", expr)
	finite := fmt.Sprintf("CASE WHEN isfinite(%s) THEN %s ELSE %s END", expr, micros, plain)
	switch t {
	case "boolean":
		return "boolean", fmt.Sprintf("CASE WHEN %s THEN 't' ELSE 'f' END", expr)
	case "smallint", "integer", "bigint":
		return "number", plain
	case "numeric":
		return "number", fmt.Sprintf("trim_scale(%s)::text", expr)
	case "real":
		return "float4", floatBits(expr, "float4send", 32, "integer")
	case "double precision":
		return "float8", floatBits(expr, "float8send", 64, "bigint")
	case "text", "character varying", "character":
		return "text", sized
	case "bytea":
		return "bytes", fmt.Sprintf("encode(%s, 'hex')", expr)
	case "uuid":
		return "uuid", plain
	case "date":
		return "date", fmt.Sprintf("CASE WHEN isfinite(%s) THEN (%s - DATE '1970-01-01')::text ELSE %s END",
			expr, expr, plain)
	case "time without time zone":
		return "time", micros
	case "timestamp without time zone":
		return "timestamp", finite
	case "timestamp with time zone":
		return "timestamptz", finite
	default:
		return "own", sized
	}
}

// floatBits tells floats apart by their bits, but for the two zeros and the many NaNs, which count as equal.
func floatBits(expr, send string, bits int, integer string) string {
	number := fmt.Sprintf("('x' || encode(%s(%s), 'hex'))::bit(%d)::%s::text", send, expr, bits, integer)
	return fmt.Sprintf("CASE WHEN %s = 'NaN' THEN 'nan' WHEN %s = 0 THEN '0' ELSE %s END", expr, expr, number)
}

// canonicalArray is the elements with their number before them. PostgreSQL's type does not say how many dimensions an
// array has; more than one are put in front.
func canonicalArray(expr, element string) (kind, sql string) {
	kind, text := canonical("u.e", element)
	if kind == "own" {
		return canonical(expr, element+"[]")
	}
	item := fmt.Sprintf("CASE WHEN u.e IS NULL THEN '-,' ELSE (%s) || ',' END", text)
	return "[]" + kind, fmt.Sprintf("CASE WHEN array_ndims(%s) > 1 THEN array_dims(%s) ELSE '' END || "+
		"(SELECT count(*) || ':' || coalesce(string_agg(%s, '' ORDER BY u.n), '') "+
		"FROM unnest(%s) WITH ORDINALITY AS u(e, n))",
		expr, expr, item, expr)
}
