package ledger

import (
	"context"

	"github.com/twice-data/twice/engine"
)

// seenTable is what streams with dedupe remember. A row without a key has the newest event time of its partition.
const seenTable = `CREATE TABLE IF NOT EXISTS twice.seen (pipeline TEXT, topic TEXT, part INTEGER, record_key TEXT,
	seen_at TIMESTAMPTZ)`

// Remember makes the table of seen keys exist in a ledger that is older than it, inside a transaction of the caller.
func Remember(ctx context.Context, s *engine.Session) error {
	_, err := s.Exec(ctx, "seen keys", seenTable)
	return err
}

// Unsee forgets the keys that a stream has seen, in the transaction of a full refresh.
func Unsee(ctx context.Context, s *engine.Session, pipeline string) error {
	_, err := s.Exec(ctx, "unsee", "DELETE FROM twice.seen WHERE pipeline = "+engine.Literal(pipeline))
	return err
}
