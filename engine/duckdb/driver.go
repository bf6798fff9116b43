// Package duckdb is the embedded target: a DuckDB file, or a database in memory.
//
//	Driver  one open database; one process, and one Driver in it, owns the file
//	source  one input file as it will be read: its columns and the reader's arguments, settled before the first row
package duckdb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/duckdb/duckdb-go/v2"
	"github.com/google/uuid"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// Options opens a database. The zero value is one in memory.
type Options struct {
	Path     string        // the database's file; empty: in memory
	ReadOnly bool          // nothing can be written
	Threads  int           // 0: as many as there are processors
	Memory   string        // how much it may keep in memory, "2GB"; empty: 80 % of the machine's
	Wait     time.Duration // how long to wait for a file that somebody else holds

	BlockSize int // of a file that is made, in bytes: a power of two from 16384 to 262144; 0: 262144
}

// Driver is an open DuckDB database.
type Driver struct {
	catalog  string // the database's name inside DuckDB
	db       *sql.DB
	path     string       // resolved; empty: in memory
	leave    func() error // gives back the instance in which the file is open; nil: it is the driver's own
	closed   bool         // guarded by openMu
	readOnly bool

	mu        sync.Mutex
	threshold string // checkpoint_threshold as it is set
	spare     spare
	syncing   sync.WaitGroup    // uses the spare's file
	types     map[string]string // type names as they were written, to DuckDB's own

	library library
}

// Open opens the database of o, and creates its file if there is none. A file that somebody else holds is an Error with
// code "target-held" and ExitHeld, after o.Wait.
func Open(ctx context.Context, o Options) (*Driver, error) {
	dsn, err := o.dsn()
	if err != nil {
		return nil, err
	}
	return open(ctx, o, func() (driver.Connector, error) { return newConnector(dsn) })
}

func open(ctx context.Context, o Options, start func() (driver.Connector, error)) (*Driver, error) {
	path, err := resolve(o.Path)
	if err != nil {
		return nil, err
	}
	d := &Driver{path: path, readOnly: o.ReadOnly, types: map[string]string{}, threshold: never}
	if err := d.wait(ctx, start, o.Wait); err != nil {
		return nil, err
	}
	if err := d.db.QueryRowContext(ctx, "SELECT current_database()").Scan(&d.catalog); err != nil {
		_ = d.Close() // it never worked; err says why
		return nil, d.Explain(err)
	}
	return d, nil
}

// dsn is the path with the settings that DuckDB takes when it opens.
func (o Options) dsn() (string, error) {
	if strings.ContainsAny(o.Path, "?#%") {
		return "", twice.Errorf("bad-path", "the path %s has one of the characters ? # %% in it, "+
			"which DuckDB's driver does not open", o.Path).WithNext("rename the file or its folder").WithExit(twice.ExitProject)
	}
	set := url.Values{
		"checkpoint_threshold":         {never},
		"autoinstall_known_extensions": {"false"},
		"autoload_known_extensions":    {"false"},
		"allow_community_extensions":   {"false"},
		"allow_persistent_secrets":     {"false"},
		"default_null_order":           {"nulls_last"},
		"default_order":                {"asc"},
	}
	if o.ReadOnly {
		set.Set("access_mode", "read_only")
	}
	if o.Threads > 0 {
		set.Set("threads", strconv.Itoa(o.Threads))
	}
	if o.Memory != "" {
		set.Set("memory_limit", o.Memory)
	}
	if o.BlockSize > 0 {
		set.Set("default_block_size", strconv.Itoa(o.BlockSize))
	}
	if o.Path == "" {
		set.Set("temp_directory", filepath.Join(os.TempDir(), "twice-duckdb-"+uuid.NewString()))
		return "?" + set.Encode(), nil
	}
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return "", twice.Errorf("bad-path", "%s: %w", o.Path, err)
	}
	set.Set("temp_directory", path+".tmp")
	return path + "?" + set.Encode(), nil
}

// newConnector opens the database. The time zone is not among the settings of the dsn because its extension is not
// there yet when DuckDB reads them.
func newConnector(dsn string) (driver.Connector, error) {
	return duckdb.NewConnector(dsn, func(conn driver.ExecerContext) error {
		_, err := conn.ExecContext(context.Background(), "SET GLOBAL TimeZone = 'UTC'", nil)
		return err
	})
}

// When a commit writes the database itself, instead of its WAL: DuckDB's checkpoint_threshold. A commit of a row group or
// more (122,880 rows) that goes through the WAL and dies on the way can come back in part; one that writes the database
// itself cannot. Doing so at every commit would make a small one ten times as slow.
const (
	never  = "1TB"
	always = "0MB"

	largeFrom = 100_000  // rows
	logMost   = 16 << 20 // bytes of the WAL that there may be already
)

// Written sends a large transaction's blocks from the system's cache to the disk, so that COMMIT finds them there. How that
// ends does not matter: DuckDB's own sync is told of any error as well.
func (d *Driver) Written(rows int64) {
	d.mu.Lock()
	f := d.spare.file
	d.mu.Unlock()
	if f != nil && rows >= largeFrom {
		d.syncing.Go(func() { _ = f.Sync() })
	}
}

// BeforeCommit keeps a large commit out of the WAL, and the WAL from growing for ever. What the checkpoint may tear is in
// the spare file by then; until there is one, that is being copied.
func (d *Driver) BeforeCommit(ctx context.Context, s *engine.Session, rows int64) error {
	threshold := never
	_, err := d.copy()
	if rows >= largeFrom || d.logged() >= logMost {
		threshold = always
		err = errors.Join(err, d.protect())
	}
	if err != nil {
		return spareError(d.path, err)
	}
	d.mu.Lock()
	same := d.threshold == threshold
	d.threshold = threshold
	d.mu.Unlock()
	if same {
		return nil
	}
	_, err = s.Exec(ctx, "checkpoint threshold", "SET checkpoint_threshold = '"+threshold+"'")
	return err
}

// logged is the size of the WAL, in bytes.
func (d *Driver) logged() int64 {
	if wal, err := os.Stat(d.path + ".wal"); d.path != "" && err == nil {
		return wal.Size()
	}
	return 0
}

var _ engine.Driver = (*Driver)(nil)

// Features of DuckDB: MERGE, but one writer and one process at a time.
func (d *Driver) Features() engine.Features {
	return engine.Features{
		Name:        "duckdb",
		Home:        engine.Ident(d.catalog) + `."main"`,
		RowID:       "rowid",
		Merge:       true,
		Columnar:    true,
		RenameSwap:  true,
		Word:        "TEXT USING COMPRESSION dictionary", // else each checkpoint tries all other ways first
		Mark:        "TEXT USING COMPRESSION uncompressed",
		Fingerprint: "duckdb-hash-1.5", // hash() may change from version to version
	}
}

// Connect opens a session of its own: nothing of an earlier session is left in it.
func (d *Driver) Connect(ctx context.Context) (*sql.Conn, error) {
	conn, err := d.db.Conn(ctx)
	return conn, d.Explain(err)
}

// Close closes the database. Its file is free once the last session is closed too. It may be called twice.
func (d *Driver) Close() error {
	d.settle()
	var err error
	if d.logged() > 0 && !d.isClosed() && d.protect() != nil {
		// Closing makes a checkpoint, unless it is told not to: the log is good for another day.
		_, err = d.db.ExecContext(context.Background(), "PRAGMA disable_checkpoint_on_shutdown")
	}
	err = errors.Join(err, d.db.Close())
	if d.leave != nil && !d.isClosed() {
		err = errors.Join(err, d.leave())
	}
	err = errors.Join(err, d.letGo())
	openMu.Lock()
	defer openMu.Unlock()
	d.closed = true
	return err
}

func (d *Driver) isClosed() bool {
	openMu.Lock()
	defer openMu.Unlock()
	return d.closed
}
