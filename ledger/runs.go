package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/twice-data/twice/engine"
)

// Run is one row of twice.runs.
type Run struct {
	ID         string
	Command    string
	StartedAt  time.Time
	FinishedAt time.Time // zero: at work, or killed
	Status     string    // "running", "done", "failed"
	Committed  int64
	Failed     int64
	Host       string
	PID        int
	Version    string
}

// StartRun records that a run has begun. again says that an earlier try may have done so.
func StartRun(ctx context.Context, s *engine.Session, r Run, again bool) error {
	if again {
		if _, err := s.Exec(ctx, "old run", "DELETE FROM twice.runs WHERE run = "+engine.Literal(r.ID)); err != nil {
			return err
		}
	}
	_, err := s.Exec(ctx, "start run", fmt.Sprintf("INSERT INTO twice.runs VALUES (%s, %s, %s, NULL, 'running', 0, 0, %s, %d, %s)",
		engine.Literal(r.ID), engine.Literal(r.Command), stamp(r.StartedAt), engine.Literal(r.Host), r.PID, engine.Literal(r.Version)))
	return err
}

// EndRun records how a run ended.
func EndRun(ctx context.Context, s *engine.Session, r Run) error {
	_, err := s.Exec(ctx, "end run", fmt.Sprintf(
		"UPDATE twice.runs SET finished_at = %s, status = %s, committed = %d, failed = %d WHERE run = %s",
		stamp(r.FinishedAt), engine.Literal(r.Status), r.Committed, r.Failed, engine.Literal(r.ID)))
	return err
}

// Runs lists the newest runs first; a limit of 0 means all.
func Runs(ctx context.Context, s *engine.Session, limit int) ([]Run, error) {
	query := `SELECT run, command, started_at, finished_at, status, committed, failed, host, pid, version
		FROM twice.runs ORDER BY started_at DESC, run DESC`
	if limit > 0 {
		query += fmt.Sprintf(" LIMIT %d", limit)
	}
	var rs []Run
	err := s.Query(ctx, "runs", query, func(rows *sql.Rows) error {
		var r Run
		var finished sql.NullTime
		err := rows.Scan(&r.ID, &r.Command, &r.StartedAt, &finished, &r.Status, &r.Committed, &r.Failed, &r.Host, &r.PID, &r.Version)
		r.StartedAt, r.FinishedAt = r.StartedAt.UTC(), finished.Time.UTC()
		rs = append(rs, r)
		return err
	})
	return rs, err
}
