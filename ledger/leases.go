package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// Lease is the right to write what Scope names, until it expires or somebody takes it over. Its token is the fence: it
// grows with every holder, and a transaction that does not find its own token there may not commit.
type Lease struct {
	Scope string
	Token int64
}

// Holder is who holds a lease.
type Holder struct {
	Scope      string
	Token      int64
	Run        string
	Host       string // Process.Host
	PID        int
	AcquiredAt time.Time
	ExpiresAt  time.Time
	Expired    bool // by the target's own clock
}

// Process is a process that may hold leases.
type Process struct {
	Host  string // names the machine and its process table, so that PID means something
	PID   int
	Alive func(pid int) bool // of the same host
}

// Scope names what a write of w excludes: its window where windows are independent of each other, the table otherwise.
func Scope(p *twice.Pipeline, w twice.Window) string {
	if p.Write == twice.Overwrite && !w.IsWhole() {
		return p.Table.String() + " " + w.Key()
	}
	return p.Table.String()
}

// Acquire takes the lease on scope for ttl, inside a transaction of the caller. It takes over a lease that is free, that
// has expired by the target's clock, or whose holder is this machine's and dead; where the target belongs to one process
// at a time every other holder is dead. Otherwise it is an Error with code "window-held" and ExitHeld.
func Acquire(ctx context.Context, s *engine.Session, scope, run string, me Process, ttl time.Duration) (Lease, error) {
	take := fmt.Sprintf("UPDATE twice.leases SET token = token + 1, run = %s, host = %s, pid = %d, acquired_at = %s, "+
		"expires_at = %s WHERE scope = %s", engine.Literal(run), engine.Literal(me.Host), me.PID, clock(s), ends(s, ttl), engine.Literal(scope))
	if !s.DB().Features().SharedTarget {
		var token int64
		err := s.Row(ctx, "lease", take+" RETURNING token", &token)
		if errors.Is(err, sql.ErrNoRows) {
			return first(ctx, s, scope, run, me, ttl)
		}
		return Lease{scope, token}, err
	}
	holder, err := holderOf(ctx, s, scope)
	if err != nil {
		return Lease{}, err
	}
	if holder == nil {
		return first(ctx, s, scope, run, me, ttl)
	}
	free := holder.Run == "" || holder.Run == run || holder.Expired || (holder.Host == me.Host && !me.Alive(holder.PID))
	if !free {
		return Lease{}, held(holder)
	}
	// A fence is a weaker lock than an UPDATE of the row would wait for. Whoever holds one may be past its lease, or dead
	// with its session still running to its COMMIT.
	_, err = s.Exec(ctx, "lock lease", fmt.Sprintf("SELECT token FROM twice.leases WHERE scope = %s FOR UPDATE", engine.Literal(scope)))
	if err != nil {
		return Lease{}, err
	}
	n, err := s.Exec(ctx, "lease", fmt.Sprintf("%s AND token = %d", take, holder.Token))
	if err != nil {
		return Lease{}, err
	}
	if n == 0 {
		return Lease{}, sameMoment(scope)
	}
	return Lease{scope, holder.Token + 1}, nil
}

// first takes a lease that nobody has held yet.
func first(ctx context.Context, s *engine.Session, scope, run string, me Process, ttl time.Duration) (Lease, error) {
	n, err := s.Exec(ctx, "first lease", fmt.Sprintf(
		"INSERT INTO twice.leases VALUES (%s, 1, %s, %s, %d, %s, %s) ON CONFLICT DO NOTHING",
		engine.Literal(scope), engine.Literal(run), engine.Literal(me.Host), me.PID, clock(s), ends(s, ttl)))
	if err == nil && n == 0 {
		err = sameMoment(scope)
	}
	return Lease{scope, 1}, err
}

// clock is the target's time of day as of this statement: a transaction may have waited long for a lock.
func clock(s *engine.Session) string {
	if s.DB().Features().SharedTarget {
		return "clock_timestamp()"
	}
	return "CURRENT_TIMESTAMP"
}

func ends(s *engine.Session, ttl time.Duration) string {
	return fmt.Sprintf("%s + INTERVAL '%d milliseconds'", clock(s), ttl.Milliseconds())
}

func sameMoment(scope string) error {
	return twice.Errorf("serialization", "somebody else took the lease on %s at the same moment", scope)
}

func held(h *Holder) error {
	return twice.Errorf("window-held", "%s is being written by run %s (%s, process %d) since %s",
		h.Scope, h.Run, h.Host, h.PID, h.AcquiredAt.Format(time.RFC3339)).
		WithNext("wait for it with --wait 5m, or look at it with twice status; its lease ends at %s unless it is still at work",
			h.ExpiresAt.Format(time.RFC3339)).WithExit(twice.ExitHeld)
}

// Fence proves, inside the data's transaction and before anything else in it, that the lease is still held, and locks it
// to the end of the transaction, so that nobody takes it over in between. On a shared target the lock lets the heartbeat
// pass: however long the transaction takes, a living run's lease does not expire.
func (l Lease) Fence(ctx context.Context, s *engine.Session) error {
	mine := fmt.Sprintf("scope = %s AND token = %d", engine.Literal(l.Scope), l.Token)
	query := "UPDATE twice.leases SET token = token WHERE " + mine
	if s.DB().Features().SharedTarget {
		query = "SELECT token FROM twice.leases WHERE " + mine + " FOR KEY SHARE"
	}
	n, err := s.Exec(ctx, "fence", query)
	if err == nil && n == 0 {
		return l.lost()
	}
	return err
}

// Check is an Error with code "lease-lost" when another run has taken the lease over. One that is free, or was taken
// again by run itself, is not lost.
func (l Lease) Check(ctx context.Context, s *engine.Session, run string) error {
	holder, err := holderOf(ctx, s, l.Scope)
	if err == nil && holder != nil && holder.Token != l.Token && holder.Run != run {
		return l.lost()
	}
	return err
}

func (l Lease) lost() error {
	return twice.Errorf("lease-lost", "the lease on %s was taken over by another run while this one was paused or cut off; "+
		"nothing of this run was written", l.Scope).
		WithNext("twice status shows who holds it; run again when it is done").WithExit(twice.ExitHeld)
}

// Release frees the lease: in the data's own transaction when the work is done, on its own when it failed. A lease that
// is not held any more is left alone.
func (l Lease) Release(ctx context.Context, s *engine.Session) error {
	_, err := s.Exec(ctx, "release", fmt.Sprintf("UPDATE twice.leases SET run = '' WHERE scope = %s AND token = %d",
		engine.Literal(l.Scope), l.Token))
	return err
}

// Free frees the lease on scope if run holds it.
func Free(ctx context.Context, s *engine.Session, scope, run string) error {
	_, err := s.Exec(ctx, "free", fmt.Sprintf("UPDATE twice.leases SET run = '' WHERE scope = %s AND run = %s",
		engine.Literal(scope), engine.Literal(run)))
	return err
}

// Renew puts off the end of all leases of a run, on a shared target. It waits for nobody: a lease whose row is locked is
// being released or taken over at this moment, and the others must not run out because of it.
func Renew(ctx context.Context, s *engine.Session, run string, ttl time.Duration) error {
	_, err := s.Exec(ctx, "renew", fmt.Sprintf("UPDATE twice.leases SET expires_at = %s WHERE run = %s AND scope IN "+
		"(SELECT scope FROM twice.leases WHERE run = %[2]s FOR NO KEY UPDATE SKIP LOCKED)", ends(s, ttl), engine.Literal(run)))
	return err
}

// Holders lists the leases that are held, by scope.
func Holders(ctx context.Context, s *engine.Session) ([]Holder, error) {
	return holders(ctx, s, "run <> ''")
}

func holderOf(ctx context.Context, s *engine.Session, scope string) (*Holder, error) {
	hs, err := holders(ctx, s, "scope = "+engine.Literal(scope))
	if err != nil || len(hs) == 0 {
		return nil, err
	}
	return &hs[0], nil
}

func holders(ctx context.Context, s *engine.Session, where string) ([]Holder, error) {
	var hs []Holder
	err := s.Query(ctx, "leases", "SELECT scope, token, run, host, pid, acquired_at, expires_at, "+
		"expires_at < "+clock(s)+" FROM twice.leases WHERE "+where+" ORDER BY scope",
		func(rows *sql.Rows) error {
			var h Holder
			if err := rows.Scan(&h.Scope, &h.Token, &h.Run, &h.Host, &h.PID, &h.AcquiredAt, &h.ExpiresAt, &h.Expired); err != nil {
				return err
			}
			h.AcquiredAt, h.ExpiresAt = h.AcquiredAt.UTC(), h.ExpiresAt.UTC()
			hs = append(hs, h)
			return nil
		})
	return hs, err
}
