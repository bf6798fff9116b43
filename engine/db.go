package engine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/twice-data/twice"
)

// Point is a place before or after a statement on its way to the engine.
type Point struct {
	N     int    // counts statements of the DB from 1
	Name  string // "delete", "check unique(id)", "commit"
	After bool   // the statement has returned
}

// String is "before 12 delete".
func (p Point) String() string {
	if p.After {
		return fmt.Sprintf("after %d %s", p.N, p.Name)
	}
	return fmt.Sprintf("before %d %s", p.N, p.Name)
}

// Tap is called at every Point. An error from it stands for the statement's own error. A Tap that never returns is how a
// test stops a process at a place of its choice.
type Tap func(Point) error

// DB is an open target.
type DB struct {
	Driver
	tap Tap

	mu     sync.Mutex // guards n
	n      int
	writer chan struct{} // holds one token where only one transaction may write at a time; nil otherwise
}

// Open wraps a driver. A nil tap watches nothing.
func Open(d Driver, tap Tap) *DB {
	db := &DB{Driver: d, tap: tap}
	if !d.Features().ConcurrentWriters {
		db.writer = make(chan struct{}, 1)
	}
	return db
}

// Session opens one connection. Close it.
func (db *DB) Session(ctx context.Context) (*Session, error) {
	conn, err := db.Connect(ctx)
	if err != nil {
		return nil, db.Explain(err)
	}
	return &Session{db: db, conn: conn}, nil
}

func (db *DB) point(name string) Point {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.n++
	return Point{N: db.n, Name: name}
}

func (db *DB) at(p Point) error {
	if db.tap == nil {
		return nil
	}
	return db.tap(p)
}

// Session is one connection of a DB. It is for one goroutine at a time.
type Session struct {
	db      *DB
	conn    *sql.Conn
	inTx    bool
	changed int64 // rows that the open transaction's statements reported
}

// DB is the session's database.
func (s *Session) DB() *DB { return s.db }

// Close gives the connection back; an open transaction is rolled back first.
func (s *Session) Close() error {
	if s.inTx {
		s.rollback(context.Background())
	}
	return s.conn.Close()
}

// Raw gives f the driver's own connection, for bulk loading. What it does is one statement of the given name.
func (s *Session) Raw(ctx context.Context, name string, f func(conn any) error) error {
	return s.do(name, func() error { return s.conn.Raw(f) })
}

// Exec runs one statement under a name and returns the number of rows it changed.
func (s *Session) Exec(ctx context.Context, name, query string, args ...any) (int64, error) {
	query = tampered(ctx, s, name, query)
	var n int64
	err := s.do(name, func() error {
		res, err := s.conn.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		s.changed += n
		return err
	})
	return n, err
}

// Query runs one SELECT under a name and calls scan for each row.
func (s *Session) Query(ctx context.Context, name, query string, scan func(*sql.Rows) error, args ...any) error {
	query = tampered(ctx, s, name, query)
	return s.do(name, func() error {
		rows, err := s.conn.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := scan(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

// Row runs a SELECT that gives one row and scans it into dest; no row is sql.ErrNoRows.
func (s *Session) Row(ctx context.Context, name, query string, dest ...any) error {
	found := false
	err := s.Query(ctx, name, query, func(rows *sql.Rows) error {
		if found {
			return errors.New("more than one row where one was expected")
		}
		found = true
		return rows.Scan(dest...)
	})
	if err == nil && !found {
		return sql.ErrNoRows
	}
	return err
}

func (s *Session) do(name string, statement func() error) error {
	return s.db.Step(name, func() error {
		err := statement()
		if err != nil {
			err = s.db.Explain(err)
		}
		return err
	})
}

// Step runs a durable operation, of the database or of something beside it, between two Points. One that fails has come to
// its end, too.
func (db *DB) Step(name string, operation func() error) error {
	p := db.point(name)
	if err := db.at(p); err != nil {
		return err
	}
	failed := operation()
	p.After = true
	if err := db.at(p); err != nil {
		return err
	}
	return failed
}

// Tx runs f between BEGIN and COMMIT, and rolls back on any error. Where the engine wants one writer at a time it waits
// for its turn. An error of COMMIT itself has the code "commit-unknown": whether the transaction is there must be asked
// of the ledger, on a new session. A nil is not yet a proof either: read the receipt back.
func (s *Session) Tx(ctx context.Context, f func() error) error {
	if s.db.writer != nil {
		select {
		case s.db.writer <- struct{}{}:
			defer func() { <-s.db.writer }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.inTx, s.changed = true, 0
	_, err := s.Exec(ctx, "begin", "BEGIN")
	if err == nil {
		err = f()
	}
	if c, ok := s.db.Driver.(committer); ok && err == nil {
		err = c.BeforeCommit(ctx, s, s.changed)
	}
	if err != nil {
		s.rollback(context.WithoutCancel(ctx))
		return err
	}
	s.inTx = false
	if _, err := s.Exec(context.WithoutCancel(ctx), "commit", "COMMIT"); err != nil {
		s.rollback(context.WithoutCancel(ctx)) // a COMMIT that was refused leaves a transaction to end
		e := *twice.AsError(err)
		if e.Code == "serialization" {
			return &e // the engine says that it did not commit
		}
		return &twice.Error{
			Code:    "commit-unknown",
			Message: "the connection or the commit failed before the answer came: " + e.Message,
			Next:    "run the same command again: the ledger knows whether the window was committed",
			Err:     err,
		}
	}
	return nil
}

// committer is a Driver that has something to do before a COMMIT, which depends on how many rows it commits.
type committer interface {
	// Written says that so many rows are written and are now read back: COMMIT comes later.
	Written(rows int64)
	BeforeCommit(ctx context.Context, s *Session, rows int64) error
}

// written lets the driver begin what COMMIT would have to wait for.
func (s *Session) written() {
	if c, ok := s.db.Driver.(committer); ok {
		c.Written(s.changed)
	}
}

// rollback ends the transaction. It is not a Point: what it undoes is undone by a crash as well. Its error does not
// matter: the caller is already returning one, and a connection that cannot roll back is gone with its transaction.
func (s *Session) rollback(ctx context.Context) {
	s.inTx = false
	_, _ = s.conn.ExecContext(ctx, "ROLLBACK")
}
