package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// Options say which database, and how long to be patient. The zero value of everything but URL works.
type Options struct {
	URL    string // "postgres://user:password@host/database" or "host=… dbname=…"; PGPASSWORD, .pgpass and services work
	Schema string // where tables without a schema live; default "public"

	LockTimeout time.Duration // a statement that waits longer for a lock fails with "target-held"; default 5 min
	IdleTimeout time.Duration // the server ends a transaction whose client is silent for longer; default 1 min
}

// Driver is an open PostgreSQL database.
type Driver struct {
	config   *pgx.ConnConfig
	schema   string
	sessions *sql.DB // a connection that is used again has been made as good as new first
	asides   *sql.DB // one idle connection at most, for questions to the catalogue outside any session
	version  int     // server_version_num

	mu    sync.Mutex // guards what follows
	types map[string]string
	pumps []*pump // idle
}

var _ engine.Driver = (*Driver)(nil)

// Open checks that the server is there and lets us in. It changes nothing in the database.
func Open(ctx context.Context, opts Options) (*Driver, error) {
	config, err := pgx.ParseConfig(opts.URL)
	switch {
	case err != nil:
		return nil, badURL(parseReason(err))
	case strings.Contains(opts.URL, "://") && strings.Count(opts.URL, "@") > 1:
		// One of a password reads as the end of it, and what follows as host and database, which errors name.
		return nil, badURL("it has more than one @")
	}
	opts = opts.defaults()
	// Statements are described before each run and never kept prepared: a statement that was prepared before an ALTER
	// TABLE of another session fails ("cached plan must not change result type"), and text-only modes guess the types of
	// arguments. The price is a round trip for each statement with arguments.
	config.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec
	config.StatementCacheCapacity, config.DescriptionCacheCapacity = 0, 0
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 10 * time.Second
	}
	config.DialFunc = (&net.Dialer{KeepAliveConfig: keepAlive, Timeout: config.ConnectTimeout}).DialContext
	d := &Driver{config: config, schema: opts.Schema, types: map[string]string{}}
	prepare := stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
		utc := &pgtype.Type{Name: "timestamptz", OID: pgtype.TimestamptzOID,
			Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC}}
		conn.TypeMap().RegisterType(utc)
		return conn.PgConn().Exec(ctx, settings(opts)).Close()
	})
	renew := stdlib.OptionResetSession(func(ctx context.Context, conn *pgx.Conn) error {
		if conn.IsClosed() || conn.PgConn().Exec(ctx, anew+settings(opts)).Close() != nil {
			return driver.ErrBadConn // another one is opened instead
		}
		return nil
	})
	d.sessions = stdlib.OpenDB(*config, prepare, renew)
	d.sessions.SetMaxIdleConns(idleSessions)
	d.sessions.SetConnMaxIdleTime(time.Minute)
	d.asides = stdlib.OpenDB(*config, prepare)
	d.asides.SetMaxOpenConns(1)
	d.asides.SetConnMaxIdleTime(time.Minute)

	var version string
	if err = d.asides.QueryRowContext(ctx, "SHOW server_version_num").Scan(&version); err != nil {
		d.Close()
		return nil, d.Explain(err)
	}
	if d.version, err = strconv.Atoi(version); err != nil {
		d.Close()
		return nil, twice.Errorf("old-server", "the server says that its version is %q", version)
	}
	if d.version < 140000 {
		d.Close()
		return nil, twice.Errorf("old-server", "the server is PostgreSQL %d; 14 is the oldest that works", d.version/10000)
	}
	return d, nil
}

func badURL(why string) error {
	return twice.Errorf("bad-url", "the target's url is not a PostgreSQL address: %s", why).
		WithNext("write postgres://USER:PASSWORD@HOST:PORT/DATABASE, with special characters of the password as %%XX, @ as %%40").
		WithExit(twice.ExitProject)
}

func (o Options) defaults() Options {
	if o.Schema == "" {
		o.Schema = "public"
	}
	if o.LockTimeout == 0 {
		o.LockTimeout = 5 * time.Minute
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = time.Minute
	}
	return o
}

// keepAlive finds a dead server in about half a minute.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 4}

// Features implements engine.Driver.
func (d *Driver) Features() engine.Features {
	return engine.Features{
		Name:              "postgres",
		Home:              pgx.Identifier{d.schema}.Sanitize(),
		ConcurrentWriters: true,
		SharedTarget:      true,
		RowID:             "ctid",
		Merge:             d.version >= 150000,
		RenameSwap:        false, // views, grants and foreign keys point at a table by its identity
		Word:              "TEXT",
		Mark:              "TEXT",
		Fingerprint:       "pg-hashrecord-2",
	}
}

// idleSessions is how many connections wait for another session. A new one costs the server a process, which then reads
// its catalogue again: for windows of few rows that is half of the time.
const idleSessions = 8

// Connect implements engine.Driver. What a session leaves behind, temporary tables and settings, is gone before its
// connection is used again.
func (d *Driver) Connect(ctx context.Context) (*sql.Conn, error) {
	conn, err := d.sessions.Conn(ctx)
	return conn, d.Explain(err)
}

// Close implements engine.Driver. Sessions that are still open stay until they are closed.
func (d *Driver) Close() error {
	d.mu.Lock()
	idle := d.pumps
	d.pumps = nil
	d.mu.Unlock()
	for _, p := range idle {
		_ = p.driver.Close() // nothing was written
	}
	return errors.Join(d.sessions.Close(), d.asides.Close())
}
