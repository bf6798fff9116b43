package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// Recorded is what the ledger knows of the inputs of a window.
type Recorded struct {
	Committed *twice.Manifest // of its receipt; nil: it has none
	Open      *twice.Manifest // the newest one, where its run was killed, or is at work, and has not committed the window
}

// RecordedOf reads what is known of every window of a pipeline, by Window.Key, in one query.
func RecordedOf(ctx context.Context, s *engine.Session, pipeline string) (map[string]Recorded, error) {
	query := fmt.Sprintf(`SELECT m.window_start, m.window_end, m.inputs, m.digest = r.manifest AS committed,
			m.n = 1 AND u.run IS NOT NULL AND u.finished_at IS NULL AND (r.run IS NULL OR r.run <> m.run) AS open
		FROM (SELECT *, row_number() OVER (PARTITION BY window_start, window_end ORDER BY recorded_at DESC) AS n
			FROM twice.manifests WHERE pipeline = %[1]s) AS m
		LEFT JOIN twice.receipts AS r ON r.pipeline = %[1]s AND r.window_start IS NOT DISTINCT FROM m.window_start
			AND r.window_end IS NOT DISTINCT FROM m.window_end
		LEFT JOIN twice.runs AS u ON u.run = m.run
		WHERE m.n = 1 OR m.digest = r.manifest`, engine.Literal(pipeline))
	known := map[string]Recorded{}
	err := s.Query(ctx, "manifests", query, func(rows *sql.Rows) error {
		var start, end sql.NullTime
		var inputs string
		var committed, open sql.NullBool
		if err := rows.Scan(&start, &end, &inputs, &committed, &open); err != nil {
			return err
		}
		m := new(twice.Manifest)
		if err := json.Unmarshal([]byte(inputs), m); err != nil {
			return err
		}
		key := window(start, end).Key()
		rec := known[key]
		if committed.Bool {
			rec.Committed = m
		}
		if open.Bool {
			rec.Open = m
		}
		known[key] = rec
		return nil
	})
	return known, err
}

// Unrecorded lists the windows of a pipeline whose receipt names a manifest that the ledger does not have.
func Unrecorded(ctx context.Context, s *engine.Session, pipeline string) (ws []twice.Window, err error) {
	query := fmt.Sprintf(`SELECT r.window_start, r.window_end FROM twice.receipts AS r
		LEFT JOIN twice.manifests AS m ON m.pipeline = r.pipeline AND m.digest = r.manifest
			AND m.window_start IS NOT DISTINCT FROM r.window_start AND m.window_end IS NOT DISTINCT FROM r.window_end
		WHERE r.pipeline = %s AND m.digest IS NULL ORDER BY r.window_start`, engine.Literal(pipeline))
	err = s.Query(ctx, "unrecorded", query, func(rows *sql.Rows) error {
		var start, end sql.NullTime
		err := rows.Scan(&start, &end)
		ws = append(ws, window(start, end))
		return err
	})
	return ws, err
}

// Captured lists the captures, by hash, that a manifest refers to which is a present receipt's, or of a run that has not
// ended, or was recorded after since.
func Captured(ctx context.Context, s *engine.Session, since time.Time) (map[string]bool, error) {
	query := fmt.Sprintf(`SELECT DISTINCT m.inputs FROM twice.manifests AS m
		WHERE m.inputs LIKE '%%"capture"%%' AND (m.recorded_at >= %s
			OR EXISTS (SELECT 1 FROM twice.receipts AS r WHERE r.pipeline = m.pipeline AND r.manifest = m.digest)
			OR EXISTS (SELECT 1 FROM twice.runs AS u WHERE u.run = m.run AND u.finished_at IS NULL))`, stamp(since))
	used := map[string]bool{}
	err := s.Query(ctx, "captures", query, func(rows *sql.Rows) error {
		var inputs string
		if err := rows.Scan(&inputs); err != nil {
			return err
		}
		var m twice.Manifest
		if err := json.Unmarshal([]byte(inputs), &m); err != nil {
			return err
		}
		for _, pin := range m.Inputs {
			if pin.Capture != nil {
				used[pin.Capture.SHA256] = true
			}
		}
		return nil
	})
	return used, err
}
