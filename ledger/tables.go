package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// Total is the fingerprint of a whole table that is merged into.
type Total struct {
	Fingerprint twice.Fingerprint
	Columns     []string // on which it was computed; another version of the row hash makes it unknown
}

// TotalOf reads a table's total; nil when there is none that this engine's row hash could go on from.
func TotalOf(ctx context.Context, s *engine.Session, table twice.Table) (*Total, error) {
	var total *Total
	query := fmt.Sprintf("SELECT rows, fingerprint, columns FROM twice.tables WHERE table_name = %s AND algorithm = %s",
		engine.Literal(table.String()), engine.Literal(s.DB().Features().Fingerprint))
	err := s.Query(ctx, "table total", query, func(rows *sql.Rows) error {
		var n int64
		var fingerprint, columns string
		if err := rows.Scan(&n, &fingerprint, &columns); err != nil {
			return err
		}
		sum, err := strconv.ParseUint(fingerprint, 16, 64)
		total = &Total{twice.Fingerprint{Rows: n, Sum: sum}, splitColumns(columns)}
		return err
	})
	return total, err
}

// PutTotal replaces a table's total, in the data's own transaction.
func PutTotal(ctx context.Context, s *engine.Session, table twice.Table, total Total, run string) error {
	name := engine.Literal(table.String())
	if _, err := s.Exec(ctx, "old total", "DELETE FROM twice.tables WHERE table_name = "+name); err != nil {
		return err
	}
	_, err := s.Exec(ctx, "total", fmt.Sprintf("INSERT INTO twice.tables VALUES (%s, %d, %s, %s, %s, %s)",
		name, total.Fingerprint.Rows, engine.Literal(total.Fingerprint.String()),
		engine.Literal(strings.Join(total.Columns, "\n")), engine.Literal(s.DB().Features().Fingerprint), engine.Literal(run)))
	return err
}
