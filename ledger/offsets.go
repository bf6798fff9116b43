package ledger

import (
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// Position is how far a stream has come in one partition. Its row is the fence of the partition: a transaction that moves
// it must find it where its range begins, so that of two processes that read the same range one commits.
type Position struct {
	Topic     string
	TopicID   string // as the broker gave it
	Partition int32
	First     int64  // where the table's rows begin
	Next      int64  // where the stream goes on
	Epoch     int32  // of the leader that wrote the last records before Next; twice.NoEpoch: nobody knows
	Run       string // that moved it last
}

// Loss is a gap that somebody has accepted: the stream goes on at To although From was next.
type Loss struct {
	Topic     string
	TopicID   string // with which the stream goes on; empty: the partition is gone
	Partition int32
	From, To  int64
	Cause     string // "expired", "truncated", "replaced", "recreated"
}

// Positions reads a stream's positions, by partition.
func Positions(ctx context.Context, s *engine.Session, pipeline string) (map[int32]Position, error) {
	at := map[int32]Position{}
	query := "SELECT topic, topic_id, part, first_offset, next_offset, leader_epoch, run FROM twice.offsets WHERE pipeline = " + engine.Literal(pipeline)
	err := s.Query(ctx, "positions", query, func(rows *sql.Rows) error {
		var p Position
		err := rows.Scan(&p.Topic, &p.TopicID, &p.Partition, &p.First, &p.Next, &p.Epoch, &p.Run)
		at[p.Partition] = p
		return err
	})
	return at, err
}

// Begin makes positions exist, where they do not yet, inside a transaction of the caller.
func Begin(ctx context.Context, s *engine.Session, pipeline string, at []Position, run string) error {
	if len(at) == 0 {
		return nil
	}
	rows := make([]string, len(at))
	for i, p := range at {
		rows[i] = fmt.Sprintf("(%s, %s, %s, %d, %d, %d, %d, %s)", engine.Literal(pipeline), engine.Literal(p.Topic),
			engine.Literal(p.TopicID), p.Partition, p.First, p.Next, p.Epoch, engine.Literal(run))
	}
	_, err := s.Exec(ctx, "first offsets", "INSERT INTO twice.offsets VALUES "+strings.Join(rows, ", ")+" ON CONFLICT DO NOTHING")
	return err
}

// Turn makes the writers of a table that is merged into take turns, inside the data's transaction and before anything
// else in it: whoever comes second sees what the first has committed. A lease on the table is void afterwards.
func Turn(ctx context.Context, s *engine.Session, p *twice.Pipeline) error {
	scope := engine.Literal(Scope(p, twice.Window{}))
	n, err := s.Exec(ctx, "turn", "UPDATE twice.leases SET token = token + 1 WHERE scope = "+scope)
	if err != nil || n > 0 {
		return err
	}
	if _, err = s.Exec(ctx, "first turn", "INSERT INTO twice.leases VALUES ("+scope+
		", 1, '', '', 0, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP) ON CONFLICT DO NOTHING"); err != nil {
		return err
	}
	n, err = s.Exec(ctx, "turn", "UPDATE twice.leases SET token = token + 1 WHERE scope = "+scope)
	if err == nil && n == 0 {
		err = sameMoment(scope)
	}
	return err
}

// Advance moves positions from the beginning of the spans to their end, in the data's own transaction; epoch gives the
// leader's epoch there. A position that is elsewhere belongs to somebody else by now: that is an Error with code "lease-lost".
func Advance(ctx context.Context, s *engine.Session, pipeline string, spans []twice.OffsetSpan, epoch func(part int32) int32, run string) error {
	for _, sp := range spans {
		n, err := s.Exec(ctx, "advance", fmt.Sprintf(
			"UPDATE twice.offsets SET next_offset = %d, leader_epoch = %d, run = %s WHERE pipeline = %s AND topic = %s AND part = %d AND next_offset = %d",
			sp.To, epoch(sp.Partition), engine.Literal(run), engine.Literal(pipeline), engine.Literal(sp.Topic), sp.Partition, sp.From))
		if err != nil {
			return err
		}
		if n != 1 {
			return twice.Errorf("lease-lost", "another process has read partition %d of %s on from offset %d, or moved it",
				sp.Partition, sp.Topic, sp.From).WithNext("nothing of this batch was written; run again").WithExit(twice.ExitHeld)
		}
	}
	return nil
}

// Rewind puts a stream back to the given positions and forgets what it quarantined, in the transaction of a full refresh.
func Rewind(ctx context.Context, s *engine.Session, pipeline string, at []Position, run string) error {
	name := engine.Literal(pipeline)
	for _, query := range []string{
		"DELETE FROM twice.quarantine WHERE pipeline = " + name,
		"DELETE FROM twice.offsets WHERE pipeline = " + name + notIn(at),
	} {
		if _, err := s.Exec(ctx, "rewind", query); err != nil {
			return err
		}
	}
	for _, p := range at {
		_, err := s.Exec(ctx, "rewind", fmt.Sprintf(
			"UPDATE twice.offsets SET topic_id = %s, first_offset = %d, next_offset = %d, leader_epoch = %d, run = %s WHERE pipeline = %s AND topic = %s AND part = %d",
			engine.Literal(p.TopicID), p.First, p.Next, p.Epoch, engine.Literal(run), name, engine.Literal(p.Topic), p.Partition))
		if err != nil {
			return err
		}
	}
	return Begin(ctx, s, pipeline, at, run)
}

// notIn leaves out the rows that are going to be updated: DuckDB cannot delete and insert a key in one transaction.
func notIn(at []Position) string {
	if len(at) == 0 {
		return ""
	}
	keys := make([]string, len(at))
	for i, p := range at {
		keys[i] = fmt.Sprintf("(topic = %s AND part = %d)", engine.Literal(p.Topic), p.Partition)
	}
	return " AND NOT (" + strings.Join(keys, " OR ") + ")"
}

// Keep writes down accepted losses, inside a transaction of the caller.
func Keep(ctx context.Context, s *engine.Session, pipeline string, losses []Loss, run string) error {
	for _, l := range losses {
		_, err := s.Exec(ctx, "accept loss", fmt.Sprintf("INSERT INTO twice.losses VALUES (%s, %s, %d, %d, %d, %s, %s, CURRENT_TIMESTAMP)",
			engine.Literal(pipeline), engine.Literal(l.Topic), l.Partition, l.From, l.To, engine.Literal(l.Cause), engine.Literal(run)))
		if err != nil {
			return err
		}
	}
	return nil
}

// Accept keeps losses and moves the positions over them, or forgets those of partitions that are gone, inside a transaction of the caller.
func Accept(ctx context.Context, s *engine.Session, pipeline string, losses []Loss, run string) error {
	if err := Keep(ctx, s, pipeline, losses, run); err != nil {
		return err
	}
	for _, l := range losses {
		query := fmt.Sprintf("UPDATE twice.offsets SET topic_id = %s, next_offset = %d, leader_epoch = %d, run = %s",
			engine.Literal(l.TopicID), l.To, twice.NoEpoch, engine.Literal(run))
		if l.TopicID == "" {
			query = "DELETE FROM twice.offsets"
		}
		n, err := s.Exec(ctx, "skip", fmt.Sprintf("%s WHERE pipeline = %s AND topic = %s AND part = %d AND next_offset = %d",
			query, engine.Literal(pipeline), engine.Literal(l.Topic), l.Partition, l.From))
		if err != nil {
			return err
		}
		if n != 1 {
			return twice.Errorf("lease-lost", "partition %d of %s is not at offset %d any more", l.Partition, l.Topic, l.From).
				WithNext("run again").WithExit(twice.ExitHeld)
		}
	}
	return nil
}

// Reject is a record that a stream could not read.
type Reject struct {
	Partition int32
	Offset    int64
	Why       string
	Bytes     []byte
}

// Quarantine keeps rejected records, in the data's own transaction. Their bytes are in base64.
func Quarantine(ctx context.Context, s *engine.Session, pipeline, topic string, rejects []Reject, run string) error {
	const atOnce = 500
	for len(rejects) > 0 {
		n := min(atOnce, len(rejects))
		rows := make([]string, n)
		for i, r := range rejects[:n] {
			rows[i] = fmt.Sprintf("(%s, %s, %d, %d, %s, %s, %s)", engine.Literal(pipeline), engine.Literal(topic), r.Partition,
				r.Offset, engine.Literal(r.Why), engine.Literal(base64.StdEncoding.EncodeToString(r.Bytes)), engine.Literal(run))
		}
		if _, err := s.Exec(ctx, "quarantine", "INSERT INTO twice.quarantine VALUES "+strings.Join(rows, ", ")); err != nil {
			return err
		}
		rejects = rejects[n:]
	}
	return nil
}
