package duckdb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/twice-data/twice/engine"
)

// Instances are DuckDBs that files are opened in, each in one after the other. To start a DuckDB costs some 20 ms of work,
// most of it to register its functions; to attach a file to one that is there costs some 6. The zero value has none yet. A
// driver from here is as one from the function Open, except that threads are Options.Threads or 1, and that neither Memory
// nor ReadOnly is looked at. Close them.
type Instances struct {
	mu   sync.Mutex
	idle []*instance
}

// instance is a DuckDB with no database of its own that matters.
type instance struct {
	connector driver.Connector
	db        *sql.DB // for the statements that attach and detach
}

// Open opens the database of o, which is a file. See the function Open for the errors.
func (is *Instances) Open(ctx context.Context, o Options) (*Driver, error) {
	in, err := is.take()
	if err != nil {
		return nil, err
	}
	d, err := open(ctx, o, func() (driver.Connector, error) { return in.attach(ctx, o) })
	if err != nil {
		return nil, errors.Join(err, in.db.Close())
	}
	d.leave = func() error { return is.leave(in, d) }
	return d, nil
}

// take is an instance that nobody uses.
func (is *Instances) take() (*instance, error) {
	is.mu.Lock()
	defer is.mu.Unlock()
	if n := len(is.idle); n > 0 {
		in := is.idle[n-1]
		is.idle = is.idle[:n-1]
		return in, nil
	}
	dsn, err := Options{Threads: 1}.dsn()
	if err != nil {
		return nil, err
	}
	connector, err := newConnector(dsn)
	if err != nil {
		return nil, explain(err)
	}
	in := &instance{connector, sql.OpenDB(connector)}
	in.db.SetMaxOpenConns(1)
	return in, nil
}

// attach opens a file under its own name, with the settings that an earlier one may have changed as they are to begin with.
func (in *instance) attach(ctx context.Context, o Options) (driver.Connector, error) {
	options := ""
	if _, err := os.Stat(o.Path); errors.Is(err, fs.ErrNotExist) && o.BlockSize > 0 {
		options = fmt.Sprintf(" (BLOCK_SIZE %d)", o.BlockSize)
	}
	name := engine.Ident(strings.TrimSuffix(filepath.Base(o.Path), filepath.Ext(o.Path)))
	_, err := in.db.ExecContext(ctx, fmt.Sprintf("SET GLOBAL threads = %d; SET GLOBAL checkpoint_threshold = '%s'; "+
		"PRAGMA enable_checkpoint_on_shutdown; ATTACH %s AS %s%s", max(1, o.Threads), never, engine.Literal(o.Path), name, options))
	return inside{in.connector, name}, err
}

// leave detaches a closed driver's file, which writes its log out as closing a DuckDB does, and keeps the instance for the
// next. One that still has sessions, or that something has gone wrong with, ends with them.
func (is *Instances) leave(in *instance, d *Driver) error {
	if d.db.Stats().OpenConnections > 0 {
		return in.db.Close()
	}
	if _, err := in.db.ExecContext(context.Background(), "DETACH "+engine.Ident(d.catalog)); err != nil {
		return errors.Join(err, in.db.Close())
	}
	is.mu.Lock()
	defer is.mu.Unlock()
	is.idle = append(is.idle, in)
	return nil
}

// Close ends the instances that have no file open.
func (is *Instances) Close() error {
	is.mu.Lock()
	defer is.mu.Unlock()
	var errs []error
	for _, in := range is.idle {
		errs = append(errs, in.db.Close())
	}
	is.idle = nil
	return errors.Join(errs...)
}

// inside connects to an instance, in one of its databases. Closing it closes no instance.
type inside struct {
	driver.Connector
	name string
}

func (a inside) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := a.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.(driver.ExecerContext).ExecContext(ctx, "USE "+a.name, nil); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}
