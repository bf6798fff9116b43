package capture

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/engine/duckdb"
)

// rows are a query's rows on their way to Parquet. As a Writer it takes lines of CSV, at least one whole line a call.
type rows struct {
	in      *twice.Input
	columns []column
	count   int64

	file    *os.File
	buffer  *bufio.Writer
	longest int  // bytes of a line
	beforeC bool // a value may end in " BC", as dates before the year 1 do
}

// column is how a column travels.
type column struct {
	name string
	as   string // the type by which DuckDB reads the text
	to   string // the type in the capture
	expr string // with %s for the value; empty: as it was read
	list bool   // the text is a JSON array of the values' texts
	bits bool   // the value is the bytes of a number
}

func newRows(in *twice.Input, path string) (*rows, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &rows{in: in, file: f, buffer: bufio.NewWriterSize(f, 1<<20)}, nil
}

func (r *rows) close() { _ = r.file.Close() } // its folder is removed with it

var christ = []byte(" BC")

// Write implements io.Writer.
func (r *rows) Write(line []byte) (int, error) {
	r.longest = max(r.longest, len(line))
	r.beforeC = r.beforeC || bytes.Contains(line, christ)
	return r.buffer.Write(line)
}

// expect sets the columns. Two of one name, in DuckDB's eyes, are an error.
func (r *rows) expect(columns []column) error {
	seen := map[string]bool{}
	for _, c := range columns {
		name := strings.ToLower(c.name)
		if seen[name] {
			return twice.Errorf("duplicate-column", "input %s: the query gives two columns named %s", r.in.Name, c.name).
				WithNext("name one of them with AS").WithExit(twice.ExitProject)
		}
		seen[name] = true
	}
	r.columns = columns
	return nil
}

// toParquet writes what was staged.
func (r *rows) toParquet(ctx context.Context, path string) error {
	if err := r.buffer.Flush(); err != nil {
		return noRoom(err)
	}
	p, err := newParquet(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	n, err := p.write(ctx, r.query(), path)
	switch {
	case err != nil:
		return r.refused(err)
	case n != r.count:
		return twice.Errorf("rows-lost", "input %s: %d rows were read and %d captured", r.in.Name, r.count, n)
	}
	return nil
}

// query reads the staged rows.
func (r *rows) query() string {
	var exprs, types []string
	for i, c := range r.columns {
		field := fmt.Sprintf("c%d", i)
		exprs = append(exprs, c.value(field, r.beforeC)+" AS "+engine.Ident(c.name))
		types = append(types, fmt.Sprintf("'%s': '%s'", field, c.read(r.beforeC)))
	}
	if r.count == 0 {
		for i, c := range r.columns {
			exprs[i] = fmt.Sprintf("CAST(NULL AS %s) AS %s", c.kind(), engine.Ident(c.name))
		}
		return "SELECT " + strings.Join(exprs, ", ") + " WHERE false"
	}
	const usual = 2_000_000
	size := ""
	if r.longest > usual {
		size = fmt.Sprintf(", max_line_size = %d, buffer_size = %d", r.longest+1, 2*r.longest)
	}
	return fmt.Sprintf(`SELECT %s FROM read_csv(%s, auto_detect = false, header = false, delim = ',', quote = '"', escape = '"',`+
		` nullstr = '\N', allow_quoted_nulls = false, new_line = '\n', strict_mode = true%s, columns = {%s})`,
		strings.Join(exprs, ", "), engine.Literal(r.file.Name()), size, strings.Join(types, ", "))
}

// kind is the column's type in the capture.
func (c column) kind() string {
	if c.list {
		return c.to + "[]"
	}
	return c.to
}

func (c column) dated() bool { return c.to == "DATE" || c.to == "TIMESTAMP" || c.to == "TIMESTAMPTZ" }

// read is the type by which the text is read.
func (c column) read(beforeC bool) string {
	if c.list || beforeC && c.dated() {
		return "VARCHAR"
	}
	return c.as
}

// value is the column as the capture has it.
func (c column) value(field string, beforeC bool) string {
	one := func(x string) string {
		if beforeC && c.dated() { // PostgreSQL says "0044-03-15 12:00:00 BC", DuckDB "0044-03-15 (BC) 12:00:00"
			x = fmt.Sprintf(`regexp_replace(%s, '^(\S+)(.*) BC$', '\1 (BC)\2')`, x)
		}
		if c.expr != "" {
			return strings.ReplaceAll(c.expr, "%s", x)
		}
		return fmt.Sprintf("CAST(%s AS %s)", x, c.to)
	}
	switch {
	case c.list:
		return fmt.Sprintf(`CAST(CASE WHEN %[1]s LIKE '[[%%' THEN error('cannot travel: an array of arrays') `+
			`ELSE list_transform(from_json(%[1]s, '["VARCHAR"]'), lambda x: %[2]s) END AS %[3]s[])`, field, one("x"), c.to)
	case c.expr == "" && c.read(beforeC) == c.to:
		return field
	default:
		return one(field)
	}
}

// refused says which value could not be taken over, as far as DuckDB says it.
func (r *rows) refused(err error) error {
	e := twice.AsError(err)
	if e.Code != "sql" && e.Code != "bad-input" && e.Code != "internal" {
		return err
	}
	why := e.Message
	for _, line := range strings.Split(e.Message, "\n") {
		if strings.Contains(line, "Error when converting") || strings.Contains(line, "cannot travel") {
			why = strings.TrimSpace(line)
		}
	}
	why, _, _ = strings.Cut(why, "\n")
	for i, c := range r.columns {
		why = strings.ReplaceAll(why, fmt.Sprintf(`column "c%d"`, i), fmt.Sprintf("column %q", c.name))
	}
	return r.cannotTravel("a value cannot travel: %s", why)
}

func (r *rows) cannotTravel(format string, args ...any) *twice.Error {
	return twice.Errorf("type-cannot-travel", "input %s: %s", r.in.Name, fmt.Sprintf(format, args...)).
		WithNext("cast the column in the query, to text for example, or leave it out; nothing was written")
}

// noRoom words an error of the temporary folder.
func noRoom(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return twice.Errorf("disk-full", "there is no room for what is being captured: %w", err).
			WithNext("make room in %s, or set TMPDIR to a folder with more; nothing was written", os.TempDir())
	}
	return err
}

// parquet is a DuckDB that writes Parquet files, always in the same way.
type parquet struct {
	driver  *duckdb.Driver
	session *engine.Session
}

func newParquet(ctx context.Context) (*parquet, error) {
	d, err := duckdb.Open(ctx, duckdb.Options{Threads: 1})
	if err != nil {
		return nil, err
	}
	s, err := engine.Open(d, nil).Session(ctx)
	if err != nil {
		_ = d.Close() // nothing was done with it
		return nil, err
	}
	return &parquet{d, s}, nil
}

func (p *parquet) close() {
	_ = p.session.Close()
	_ = p.driver.Close()
}

// write writes a SELECT's rows into a file and counts them there.
func (p *parquet) write(ctx context.Context, query, path string) (int64, error) {
	_, err := p.session.Exec(ctx, "capture", fmt.Sprintf("COPY (%s) TO %s (FORMAT parquet, PARQUET_VERSION v2)", query, engine.Literal(path)))
	if err != nil {
		return 0, err
	}
	var n int64
	err = p.session.Row(ctx, "captured", "SELECT count(*) FROM read_parquet("+engine.Literal(path)+")", &n)
	return n, err
}
