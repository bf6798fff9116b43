package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// Version is the version of the ledger's tables.
const Version = 1

// tables are the ledger's, in the schema "twice". Their SQL is common to DuckDB and PostgreSQL, but for two types that are
// TEXT and how the engine is to store it: WORD for what many rows share, MARK for what no two rows do. Only leases and
// offsets have keys: they are what makes two first acquisitions of a lease, and two beginnings of a stream, collide.
var tables = []string{
	`CREATE TABLE IF NOT EXISTS twice.meta (name WORD, value TEXT)`,
	`CREATE TABLE IF NOT EXISTS twice.runs (run WORD, command WORD, started_at TIMESTAMPTZ, finished_at TIMESTAMPTZ,
		status WORD, committed BIGINT, failed BIGINT, host WORD, pid BIGINT, version WORD)`,
	`CREATE TABLE IF NOT EXISTS twice.manifests (digest MARK, pipeline WORD, window_start TIMESTAMPTZ,
		window_end TIMESTAMPTZ, run WORD, recorded_at TIMESTAMPTZ, inputs TEXT)`,
	`CREATE TABLE IF NOT EXISTS twice.receipts (` + receiptColumns + `)`,
	`CREATE TABLE IF NOT EXISTS twice.history (` + receiptColumns + `)`,
	`CREATE TABLE IF NOT EXISTS twice.tables (table_name WORD, rows BIGINT, fingerprint MARK, columns WORD,
		algorithm WORD, run WORD)`,
	`CREATE TABLE IF NOT EXISTS twice.leases (scope WORD PRIMARY KEY, token BIGINT, run WORD, host WORD, pid BIGINT,
		acquired_at TIMESTAMPTZ, expires_at TIMESTAMPTZ)`,
	`CREATE TABLE IF NOT EXISTS twice.files (path MARK, size BIGINT, mod_ns BIGINT, sha256 MARK)`,
	`CREATE TABLE IF NOT EXISTS twice.offsets (pipeline WORD, topic WORD, topic_id WORD, part INTEGER,
		first_offset BIGINT, next_offset BIGINT, leader_epoch INTEGER, run WORD, PRIMARY KEY (pipeline, topic, part))`,
	`CREATE TABLE IF NOT EXISTS twice.losses (pipeline WORD, topic WORD, part INTEGER, from_offset BIGINT,
		to_offset BIGINT, cause WORD, run WORD, accepted_at TIMESTAMPTZ)`,
	`CREATE TABLE IF NOT EXISTS twice.quarantine (pipeline WORD, topic WORD, part INTEGER, record_offset BIGINT,
		error TEXT, bytes TEXT, run WORD)`,
	seenTable,
}

const receiptColumns = `pipeline WORD, table_name WORD, window_start TIMESTAMPTZ, window_end TIMESTAMPTZ, code WORD,
	manifest MARK, rows BIGINT, changed BIGINT, fingerprint MARK, columns WORD, algorithm WORD, reason WORD, run WORD,
	committed_at TIMESTAMPTZ`

// Create makes the ledger's tables exist.
func Create(ctx context.Context, s *engine.Session) error {
	if ok, err := Exists(ctx, s); err != nil || ok {
		return err
	}
	return s.Tx(ctx, func() error {
		if err := s.Schema(ctx, "twice"); err != nil {
			return err
		}
		for _, t := range tables {
			t = strings.NewReplacer(" WORD", " "+s.DB().Features().Word, " MARK", " "+s.DB().Features().Mark).Replace(t)
			if _, err := s.Exec(ctx, "create ledger", t); err != nil {
				return err
			}
		}
		_, err := s.Exec(ctx, "create ledger", fmt.Sprintf("INSERT INTO twice.meta VALUES ('version', '%d')", Version))
		return err
	})
}

// Exists says whether the target has a ledger. One of a newer program is an error.
func Exists(ctx context.Context, s *engine.Session) (bool, error) {
	cols, err := s.DB().Columns(ctx, s, twice.Table{Schema: "twice", Name: "meta"})
	if err != nil || len(cols) == 0 {
		return false, err
	}
	var version int
	err = s.Row(ctx, "ledger", `SELECT CAST(max(CAST(value AS INTEGER)) AS INTEGER) FROM twice.meta WHERE name = 'version'`, &version)
	if err != nil {
		return false, err
	}
	if version > Version {
		return false, twice.Errorf("ledger-version", "the target's ledger has version %d; this program knows %d", version, Version).
			WithNext("use the newer twice that wrote it").WithExit(twice.ExitProject)
	}
	return true, nil
}

// bound is a window's bound as an SQL literal; NULL for the whole table's.
func bound(t time.Time) string {
	if t.IsZero() {
		return "NULL"
	}
	return stamp(t)
}

func stamp(t time.Time) string {
	return "TIMESTAMPTZ '" + t.UTC().Format("2006-01-02 15:04:05.999999") + "+00'"
}

// at is the condition that a row of the ledger is about pipeline and w.
func at(pipeline string, w twice.Window) string {
	if w.IsWhole() {
		return fmt.Sprintf("pipeline = %s AND window_start IS NULL", engine.Literal(pipeline))
	}
	return fmt.Sprintf("pipeline = %s AND window_start = %s AND window_end = %s",
		engine.Literal(pipeline), stamp(w.Start), stamp(w.End))
}

func window(start, end sql.NullTime) twice.Window {
	if !start.Valid {
		return twice.Window{}
	}
	return twice.Window{Start: start.Time.UTC(), End: end.Time.UTC()}
}

// Record writes what the windows' inputs resolved to. Together they share one manifest: one window, or a batch's. When it
// was is by the target's clock, so that of two runs' manifests the newer one is known.
func Record(ctx context.Context, s *engine.Session, run, pipeline string, windows []twice.Window, m twice.Manifest) error {
	inputs, err := json.Marshal(m)
	if err != nil {
		return err
	}
	rows := make([]string, len(windows))
	for i, w := range windows {
		rows[i] = fmt.Sprintf("(%s, %s, %s, %s, %s, %s, %s)", engine.Literal(m.Digest()), engine.Literal(pipeline),
			bound(w.Start), bound(w.End), engine.Literal(run), "CURRENT_TIMESTAMP", engine.Literal(string(inputs)))
	}
	_, err = s.Exec(ctx, "record manifest", "INSERT INTO twice.manifests VALUES "+strings.Join(rows, ", "))
	return err
}

// Manifest finds the newest recorded manifest of a window with the given digest, or of any digest when it is empty. None
// is nil.
func Manifest(ctx context.Context, s *engine.Session, pipeline string, w twice.Window, digest string) (*twice.Manifest, error) {
	where := at(pipeline, w)
	if digest != "" {
		where += " AND digest = " + engine.Literal(digest)
	}
	var m *twice.Manifest
	err := s.Query(ctx, "manifest", "SELECT inputs FROM twice.manifests WHERE "+where+" ORDER BY recorded_at DESC LIMIT 1",
		func(rows *sql.Rows) error {
			var text string
			if err := rows.Scan(&text); err != nil {
				return err
			}
			m = new(twice.Manifest)
			return json.Unmarshal([]byte(text), m)
		})
	return m, err
}
