package postgres

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/twice-data/twice"
)

// RowHash implements engine.Driver: the server's hash of the row, mixed once more with a seed that stands for the types,
// as Columns writes them. Values go in as they are where equal ones of the type look the same, and as text elsewhere:
// hash_record_extended refuses json, xml and geometry, takes 1.0 and 1.00 for equal, and 0.0 and -0.0. It adds up what its
// columns hash to, and a fingerprint adds up rows: without mixing in between, two rows could exchange the values of a
// column unseen.
func (d *Driver) RowHash(alias string, columns []twice.Column) string {
	seed := fnv.New64a()
	fields := make([]string, len(columns))
	for i, c := range columns {
		fields[i] = hashable(alias+"."+pgx.Identifier{c.Name}.Sanitize(), c.Type)
		fmt.Fprintf(seed, "%s\x00", strings.ToLower(c.Type))
	}
	return fmt.Sprintf("hashint8extended(hash_record_extended(ROW(%s), 0), %d)", strings.Join(fields, ", "), int64(seed.Sum64()))
}

// plainTypes are those whose values are equal only if they look the same. A numeric is one of them when its scale is
// fixed.
var plainTypes = regexp.MustCompile(`^(boolean|smallint|integer|bigint|date|uuid|bytea|oid|numeric\(\d+,-?\d+\)|` +
	`time(stamp)?(\(\d\))? with(out)? time zone)$`)

// textTypes are text, whose collation may take different texts for equal.
var textTypes = regexp.MustCompile(`^(text|character varying(\(\d+\))?)$`)

func hashable(expr, typeName string) string {
	switch {
	case plainTypes.MatchString(typeName):
		return expr
	case textTypes.MatchString(typeName):
		return expr + ` COLLATE "C"`
	default:
		return "(" + expr + `)::text COLLATE "C"`
	}
}

// CountKeys implements what a merge asks for: the server counts distinct values by sorting, which for types as short as
// these takes a quarter of the time of grouping.
func (d *Driver) CountKeys(expr, typeName string) string {
	switch typeName {
	case "smallint", "integer", "bigint", "date", "timestamp without time zone", "timestamp with time zone", "uuid":
		return "count(DISTINCT " + expr + ")"
	default:
		return ""
	}
}
