package postgres

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	duck "github.com/duckdb/duckdb-go/v2"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/engine/duckdb"
)

// pump is a DuckDB that reads files, for one source at a time.
type pump struct {
	driver *duckdb.Driver
	sink   atomic.Pointer[sink] // of the source whose rows are under way
}

// openPump opens a DuckDB and makes the function to which it gives rows.
func openPump(ctx context.Context) (*pump, error) {
	driver, err := duckdb.Open(ctx, duckdb.Options{Threads: min(4, runtime.GOMAXPROCS(0))})
	if err != nil {
		return nil, err
	}
	p := &pump{driver: driver}
	if err := p.prepare(ctx); err != nil {
		_ = driver.Close()
		return nil, err
	}
	return p, nil
}

func (p *pump) prepare(ctx context.Context) error {
	conn, err := p.driver.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, set := range frugal {
		if _, err := conn.ExecContext(ctx, set); err != nil {
			return err
		}
	}
	return duck.RegisterScalarUDF(conn, "twice_copy", p)
}

// source is an input's files, open in a DuckDB.
type source struct {
	rel     engine.Relation
	pump    *pump
	session *engine.Session
	routes  []route
}

// openSource opens rel's files and finds how each column travels. Every column that cannot is reported. To open a DuckDB
// takes longer than to read a small file, so that of another source is used again.
func (d *Driver) openSource(ctx context.Context, rel engine.Relation) (*source, error) {
	f := &source{rel: rel}
	d.mu.Lock()
	if n := len(d.pumps); n > 0 {
		f.pump, d.pumps = d.pumps[n-1], d.pumps[:n-1]
	}
	d.mu.Unlock()
	var err error
	if f.pump == nil {
		if f.pump, err = openPump(ctx); err != nil {
			return nil, err
		}
	}
	if err = f.attach(ctx); err != nil {
		d.closeSource(f, false)
		return nil, err
	}
	return f, nil
}

// closeSource closes the source, and leaves its DuckDB for another one if it can be relied on.
func (d *Driver) closeSource(f *source, healthy bool) {
	if f.session != nil {
		_ = f.session.Close() // nothing was written
	}
	if healthy {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.pumps = append(d.pumps, f.pump)
		return
	}
	_ = f.pump.driver.Close()
}

func (f *source) attach(ctx context.Context) error {
	var err error
	if f.session, err = engine.Open(f.pump.driver, nil).Session(ctx); err != nil {
		return err
	}
	if err := f.pump.driver.Attach(ctx, f.session, f.rel); err != nil {
		return err
	}
	columns, err := f.pump.driver.Describe(ctx, f.session, "SELECT * FROM "+quoteDuck(f.rel.Name))
	if err != nil {
		return err
	}
	var errs twice.Errors
	for _, c := range columns {
		r, ok := routeFor(c)
		if !ok {
			errs = append(errs, cannotTravel(f.rel, c.Name, c.Type, "which PostgreSQL has no counterpart for"))
		}
		f.routes = append(f.routes, r)
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errs.Err()
}

// frugal keeps DuckDB from holding what it has read: it would otherwise fill most of the machine's memory with the
// buffers of large files. COPY is the slower side, so a few threads are enough, and with them the limit is.
var frugal = []string{
	"SET memory_limit = '256MB'",
	"SET enable_external_file_cache = false",
	"SET preserve_insertion_order = false",
}

// What is around the rows of a binary COPY.
const (
	copyBegin = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	copyEnd   = "\xff\xff" // no more tuples
)

// stream writes the rows to w as the body of a binary COPY and returns their number. DuckDB gives them to a function of
// ours, chunk by chunk and from several threads: its driver for database/sql would first collect the whole result.
func (f *source) stream(ctx context.Context, w io.Writer) (int64, error) {
	out := &sink{source: f, w: w}
	f.pump.sink.Store(out)
	if _, err := io.WriteString(w, copyBegin); err != nil {
		return 0, err
	}
	exprs := make([]string, len(f.routes))
	for i, r := range f.routes {
		exprs[i] = r.expr(quoteDuck(r.name))
	}
	var rows int64
	err := f.session.Query(ctx, "read "+f.rel.Name,
		"SELECT count(twice_copy("+strings.Join(exprs, ", ")+")) FROM "+quoteDuck(f.rel.Name),
		func(r *sql.Rows) error { return r.Scan(&rows) })
	if failed := out.failed(); failed != nil {
		return 0, failed
	}
	if err != nil {
		return 0, err
	}
	_, err = io.WriteString(w, copyEnd)
	return rows, err
}

// sink takes the rows that DuckDB gives.
type sink struct {
	source *source
	w      io.Writer // takes whole chunks from several threads at once

	mu  sync.Mutex
	err error // the first one, as DuckDB keeps only its text
}

// Config implements duckdb.ScalarFunc.
func (p *pump) Config() duck.ScalarFuncConfig {
	anything, err := duck.NewTypeInfo(duck.TYPE_ANY)
	if err != nil {
		panic(err) // the type is a constant
	}
	boolean, err := duck.NewTypeInfo(duck.TYPE_BOOLEAN)
	if err != nil {
		panic(err)
	}
	return duck.ScalarFuncConfig{ResultTypeInfo: boolean, VariadicTypeInfo: anything, Volatile: true, SpecialNullHandling: true}
}

// Executor implements duckdb.ScalarFunc.
func (p *pump) Executor() duck.ScalarFuncExecutor {
	return duck.ScalarFuncExecutor{
		// Without a binder the driver would look for the context when the first chunks come, in all threads at once.
		ScalarBinder: func(ctx context.Context, _ []duck.ScalarUDFArg) (context.Context, error) {
			if ctx == nil {
				ctx = context.Background()
			}
			return ctx, nil
		},
		ChunkContextExecutor: func(_ context.Context, state *duck.ChunkIteratorState) error {
			s := p.sink.Load()
			err := s.chunk(state)
			if err != nil {
				s.mu.Lock()
				defer s.mu.Unlock()
				if s.err == nil {
					s.err = err
				}
			}
			return err
		},
	}
}

func (s *sink) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// buffers of chunks that were sent.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// chunk encodes a chunk of rows and sends it.
func (s *sink) chunk(state *duck.ChunkIteratorState) error {
	in := state.GetInputChunk()
	cells := make([]cells, len(s.source.routes))
	for i, r := range s.source.routes {
		var err error
		if cells[i], err = r.cells(in, i); err != nil {
			return err
		}
	}
	pooled := buffers.Get().(*[]byte)
	defer buffers.Put(pooled)
	buf := (*pooled)[:0]
	for row := range in.GetSize() {
		buf = binary.BigEndian.AppendUint16(buf, uint16(len(cells)))
		for i, cell := range cells {
			var err error
			if buf, err = cell(buf, row); err != nil {
				return s.blame(err, s.source.routes[i])
			}
		}
	}
	*pooled = buf
	_, err := s.w.Write(buf)
	return err // the results stay as DuckDB made them, not NULL: all it does with them is count
}

func (s *sink) blame(err error, r route) error { return blame(s.source.rel, err, r) }

// blame names the column of a value that cannot travel.
func blame(rel engine.Relation, err error, r route) error {
	var value valueError
	if errors.As(err, &value) {
		return cannotTravel(rel, r.name, r.from, "and holds "+value.why)
	}
	return err
}
