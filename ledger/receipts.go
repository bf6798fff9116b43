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

// State is what the ledger knows of the windows of some pipelines: pipeline -> Window.Key -> receipt.
type State map[string]map[string]*twice.Receipt

// Receipt finds a window's receipt, or nil.
func (st State) Receipt(pipeline string, w twice.Window) *twice.Receipt {
	return st[pipeline][w.Key()]
}

// Put keeps a receipt as the window's present one.
func (st State) Put(r *twice.Receipt) {
	if st[r.Pipeline] == nil {
		st[r.Pipeline] = map[string]*twice.Receipt{}
	}
	st[r.Pipeline][r.Window.Key()] = r
}

const receiptFields = `pipeline, table_name, window_start, window_end, code, manifest, rows, changed, fingerprint,
	columns, algorithm, reason, run, committed_at`

// Load reads the present receipts of the named pipelines, or of all when none are named.
func Load(ctx context.Context, s *engine.Session, pipelines []string) (State, error) {
	st := State{}
	where := "TRUE"
	if pipelines != nil {
		where = "pipeline IN (" + literals(pipelines) + ")"
	}
	err := receipts(ctx, s, "SELECT "+receiptFields+" FROM twice.receipts WHERE "+where, func(r *twice.Receipt) { st.Put(r) })
	return st, err
}

// Glance is Load with what planning compares and no more, as there may be many windows: a receipt's pipeline, window, code,
// manifest, fingerprint and run.
func Glance(ctx context.Context, s *engine.Session, pipelines []string) (State, error) {
	st := State{}
	err := receipts(ctx, s, "SELECT pipeline, '', window_start, window_end, code, manifest, rows, 0, fingerprint, '', '', '', run, NULL "+
		"FROM twice.receipts WHERE pipeline IN ("+literals(pipelines)+")", func(r *twice.Receipt) { st.Put(r) })
	return st, err
}

// Find reads one window's present receipt, or nil.
func Find(ctx context.Context, s *engine.Session, pipeline string, w twice.Window) (*twice.Receipt, error) {
	var found *twice.Receipt
	err := receipts(ctx, s, "SELECT "+receiptFields+" FROM twice.receipts WHERE "+at(pipeline, w),
		func(r *twice.Receipt) { found = r })
	return found, err
}

// History reads the receipts that were ever committed for a pipeline, or by a run, newest first; empty means any.
func History(ctx context.Context, s *engine.Session, pipeline, run string, limit int) ([]*twice.Receipt, error) {
	where := "TRUE"
	if pipeline != "" {
		where += " AND pipeline = " + engine.Literal(pipeline)
	}
	if run != "" {
		where += " AND run = " + engine.Literal(run)
	}
	query := "SELECT " + receiptFields + " FROM twice.history WHERE " + where +
		" ORDER BY committed_at DESC, pipeline, window_start DESC"
	if limit > 0 {
		query += " LIMIT " + strconv.Itoa(limit)
	}
	var rs []*twice.Receipt
	err := receipts(ctx, s, query, func(r *twice.Receipt) { rs = append(rs, r) })
	return rs, err
}

func receipts(ctx context.Context, s *engine.Session, query string, each func(*twice.Receipt)) error {
	seen := map[string]string{} // most texts are those of other receipts too: each is kept once
	once := func(text *string) {
		if first, ok := seen[*text]; ok {
			*text = first
		} else {
			seen[*text] = *text
		}
	}
	return s.Query(ctx, "receipts", query, func(rows *sql.Rows) error {
		r := new(twice.Receipt)
		var start, end, committed sql.NullTime
		var n int64
		var table, fingerprint, columns string
		err := rows.Scan(&r.Pipeline, &table, &start, &end, &r.Code, &r.Manifest, &n, &r.Changed, &fingerprint, &columns,
			&r.Algorithm, &r.Reason, &r.Run, &committed)
		if err != nil {
			return err
		}
		for _, text := range []*string{&r.Pipeline, &table, &r.Code, &columns, &r.Algorithm, &r.Run} {
			once(text)
		}
		r.Table = splitTable(table)
		r.Window = window(start, end)
		r.CommittedAt = committed.Time.UTC()
		r.Columns = splitColumns(columns)
		sum, err := strconv.ParseUint(fingerprint, 16, 64)
		if err != nil {
			return fmt.Errorf("the ledger's fingerprint %q is not one", fingerprint)
		}
		r.Fingerprint = twice.Fingerprint{Rows: n, Sum: sum}
		each(r)
		return nil
	})
}

// Commit writes receipts in the data's own transaction: it replaces the windows' present ones and adds to the history.
func Commit(ctx context.Context, s *engine.Session, rs []*twice.Receipt) error {
	algorithm := engine.Literal(s.DB().Features().Fingerprint)
	rows := make([]string, len(rs))
	olds := make([]string, len(rs))
	for i, r := range rs {
		olds[i] = "(" + at(r.Pipeline, r.Window) + ")"
		rows[i] = fmt.Sprintf("(%s, %s, %s, %s, %s, %s, %d, %d, %s, %s, %s, %s, %s, %s)",
			engine.Literal(r.Pipeline), engine.Literal(r.Table.String()), bound(r.Window.Start), bound(r.Window.End),
			engine.Literal(r.Code), engine.Literal(r.Manifest), r.Fingerprint.Rows, r.Changed,
			engine.Literal(r.Fingerprint.String()), engine.Literal(strings.Join(r.Columns, "\n")), algorithm,
			engine.Literal(string(r.Reason)), engine.Literal(r.Run), stamp(r.CommittedAt))
	}
	values := strings.Join(rows, ", ")
	for _, st := range []struct{ name, sql string }{
		{"old receipt", "DELETE FROM twice.receipts WHERE " + strings.Join(olds, " OR ")},
		{"receipt", "INSERT INTO twice.receipts VALUES " + values},
		{"history", "INSERT INTO twice.history VALUES " + values},
	} {
		if _, err := s.Exec(ctx, st.name, st.sql); err != nil {
			return err
		}
	}
	return nil
}

// Forget removes the present receipts of a pipeline, in the transaction of a full refresh. Its history stays.
func Forget(ctx context.Context, s *engine.Session, pipeline string) error {
	_, err := s.Exec(ctx, "forget receipts", "DELETE FROM twice.receipts WHERE pipeline = "+engine.Literal(pipeline))
	return err
}

// Newer says whether a window after w has a receipt.
func Newer(ctx context.Context, s *engine.Session, pipeline string, w twice.Window) (bool, error) {
	var n int64
	err := s.Row(ctx, "newer receipts", fmt.Sprintf("SELECT count(*) FROM twice.receipts WHERE pipeline = %s AND window_start > %s",
		engine.Literal(pipeline), bound(w.Start)), &n)
	return n > 0, err
}

func splitTable(name string) twice.Table {
	if schema, table, ok := strings.Cut(name, "."); ok {
		return twice.Table{Schema: schema, Name: table}
	}
	return twice.Table{Name: name}
}

func splitColumns(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func literals(ss []string) string {
	quoted := make([]string, len(ss))
	for i, s := range ss {
		quoted[i] = engine.Literal(s)
	}
	return strings.Join(quoted, ", ")
}
