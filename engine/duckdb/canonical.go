package duckdb

import (
	"fmt"
	"strings"
)

// Canonical gives an SQL expression for the text of expr, a value of the type that is not NULL, and the kind of that
// text (see package diff): two engines' values of one kind are equal if and only if their texts are. The kind "own" is
// a type whose text only means something to DuckDB.
func (d *Driver) Canonical(expr, typeName string) (kind, sql string) {
	own, _ := d.typeName(typeName)
	return canonical(expr, strings.ToUpper(own), 0)
}

// CanonicalHash gives an SQL expression for the number that the first 60 bits of the MD5 of a text are.
func (d *Driver) CanonicalHash(text string) string {
	return fmt.Sprintf("CAST('0x' || substr(md5(%s), 1, 15) AS BIGINT)", text)
}

// Snapshot is what a transaction needs so that all of its statements see one state: here every transaction does.
func (d *Driver) Snapshot() []string { return nil }

func canonical(expr, t string, depth int) (kind, sql string) {
	plain := fmt.Sprintf("CAST(%s AS VARCHAR)", expr)
	sized := fmt.Sprintf("strlen(%s) || ':' || %s", plain, plain)
	micros := func(e string) string {
		return fmt.Sprintf("CASE WHEN isfinite(%s) THEN CAST(epoch_us(%s) AS VARCHAR) ELSE %s END", e, e, plain)
	}
	switch {
	case strings.HasSuffix(t, "[]"):
		return canonicalList(expr, strings.TrimSuffix(t, "[]"), depth)
	case t == "BOOLEAN":
		return "boolean", fmt.Sprintf("CASE WHEN %s THEN 't' ELSE 'f' END", expr)
	case strings.HasSuffix(t, "INT"), t == "INTEGER", t == "UINTEGER":
		return "number", plain
	case strings.HasPrefix(t, "DECIMAL(") && strings.HasSuffix(t, ",0)"):
		return "number", plain
	case strings.HasPrefix(t, "DECIMAL("):
		return "number", fmt.Sprintf("rtrim(rtrim(%s, '0'), '.')", plain)
	case t == "FLOAT":
		return "float4", floatBits(expr, "INTEGER")
	case t == "DOUBLE":
		return "float8", floatBits(expr, "BIGINT")
	case t == "VARCHAR", strings.HasPrefix(t, "ENUM("):
		return "text", sized
	case t == "BLOB":
		return "bytes", fmt.Sprintf("lower(hex(%s))", expr)
	case t == "UUID":
		return "uuid", plain
	case t == "DATE":
		return "date", fmt.Sprintf("CASE WHEN isfinite(%s) THEN CAST(%s - DATE '1970-01-01' AS VARCHAR) ELSE %s END",
			expr, expr, plain)
	case t == "TIME":
		return "time", fmt.Sprintf("CAST(epoch_us(%s) AS VARCHAR)", expr)
	case t == "TIMESTAMP WITH TIME ZONE":
		return "timestamptz", micros(expr)
	case t == "TIMESTAMP_NS":
		nanos := fmt.Sprintf("isfinite(%s) AND epoch_ns(%s) %% 1000 <> 0 THEN epoch_ns(%s) || 'ns'", expr, expr, expr)
		return "timestamp", fmt.Sprintf("CASE WHEN %s ELSE %s END", nanos, micros("CAST("+expr+" AS TIMESTAMP)"))
	case strings.HasPrefix(t, "TIMESTAMP"):
		return "timestamp", micros("CAST(" + expr + " AS TIMESTAMP)")
	default:
		return "own", sized
	}
}

// floatBits tells floats apart by their bits, but for the two zeros and the many NaNs, which count as equal.
func floatBits(expr, bits string) string {
	number := fmt.Sprintf("CAST(CAST(CAST(%s AS BIT) AS %s) AS VARCHAR)", expr, bits)
	return fmt.Sprintf("CASE WHEN isnan(%s) THEN 'nan' WHEN %s = 0 THEN '0' ELSE %s END", expr, expr, number)
}

func canonicalList(expr, element string, depth int) (kind, sql string) {
	e := fmt.Sprintf("e%d", depth)
	kind, text := canonical(e, element, depth+1)
	if kind == "own" {
		plain := fmt.Sprintf("CAST(%s AS VARCHAR)", expr)
		return kind, fmt.Sprintf("strlen(%s) || ':' || %s", plain, plain)
	}
	items := fmt.Sprintf("list_transform(%s, lambda %s: CASE WHEN %s IS NULL THEN '-,' ELSE (%s) || ',' END)",
		expr, e, e, text)
	return "[]" + kind, fmt.Sprintf("len(%s) || ':' || array_to_string(%s, '')", expr, items)
}
