package duckdb

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// look is the first look at an input's files: it finds what each of them holds.
type look struct {
	ctx    context.Context
	conn   *sql.Conn
	reader twice.Reader
}

// file looks at one file; nil is an NDJSON file without a record.
func (l look) file(path string) (*source, error) {
	format, gz, err := l.kind(path)
	if err != nil {
		return nil, err
	}
	empty, err := isEmpty(path, gz)
	if err != nil {
		return nil, err
	}
	if empty && format == "ndjson" {
		return nil, nil
	}
	if empty {
		return nil, twice.Errorf("empty-input", "%s is empty: not even a header is in it", path).
			WithNext("get the file again from where it comes from")
	}
	switch format {
	case "csv":
		return l.csv(path, gz)
	case "ndjson":
		return l.ndjson(path, gz)
	default:
		return l.parquet(path)
	}
}

// kind is the file's format and compression: the declared ones, or what the name says.
func (l look) kind(path string) (format string, gz bool, err error) {
	name, isGz := strings.CutSuffix(strings.ToLower(path), ".gz")
	gz = l.reader.Compression == "gzip" || l.reader.Compression == "" && isGz
	format = l.reader.Format
	if format == "" {
		switch name[strings.LastIndexByte(name, '.')+1:] {
		case "csv", "tsv", "txt":
			format = "csv"
		case "ndjson", "jsonl":
			format = "ndjson"
		case "parquet":
			format = "parquet"
		default:
			return "", false, twice.Errorf("unknown-format", "the name of %s does not say what format it has", path).
				WithNext("set format: csv, ndjson or parquet for the input").WithExit(twice.ExitProject)
		}
	}
	if format == "parquet" && gz {
		return "", false, twice.Errorf("bad-input", "%s: Parquet is not read from a gzip file: it compresses by itself",
			path).WithNext("gunzip the file")
	}
	return format, gz, nil
}

// isEmpty says whether a file has no bytes. DuckDB takes a gzip file that was cut short for a whole one, so that a gzip
// file is read to its end here.
func isEmpty(path string, gz bool) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, twice.Errorf("missing-input", "cannot open an input file: %w", err)
	}
	defer f.Close()
	if !gz {
		info, err := f.Stat()
		return err == nil && info.Size() == 0, err
	}
	var n int64
	r, err := gzip.NewReader(f)
	if err == nil {
		n, err = io.Copy(io.Discard, r)
	}
	if err != nil {
		return false, twice.Errorf("bad-input", "%s is not a whole gzip file: %w", path, err).
			WithNext("get the file again from where it comes from")
	}
	return n == 0, nil
}

func compression(gz bool) string {
	if gz {
		return "compression = 'gzip'"
	}
	return "compression = 'uncompressed'"
}

func (l look) ndjson(path string, gz bool) (*source, error) {
	args := "format = 'newline_delimited', records = true, hive_partitioning = false, " + compression(gz)
	cols, err := l.describe(fmt.Sprintf("read_json([%s], sample_size = -1, map_inference_threshold = -1, %s)",
		pathLiteral(path), args))
	if err != nil {
		return nil, inFile(path, err)
	}
	return &source{path: path, options: args, columns: cols, typed: true, read: func(paths, columns string) string {
		return fmt.Sprintf("read_json(%s, auto_detect = false, %s, columns = %s)", paths, args, columns)
	}}, nil
}

// fileColumn holds the path of a row's file where a cast may need it for an error.
const fileColumn = "twice file"

func (l look) parquet(path string) (*source, error) {
	read := func(paths, _ string) string {
		return fmt.Sprintf("read_parquet(%s, hive_partitioning = false, filename = %s)", paths, engine.Literal(fileColumn))
	}
	cols, err := l.describe(read("["+pathLiteral(path)+"]", ""))
	if err != nil {
		return nil, inFile(path, err)
	}
	types := make([]string, 0, len(cols))
	for i := range cols {
		types = append(types, cols[i].typ)
	}
	return &source{path: path, options: "parquet" + strings.Join(types, ","), columns: cols[:len(cols)-1], read: read}, nil
}

// inFile is an error about a file's bytes that names the file.
func inFile(path string, err error) error {
	e := twice.AsError(explain(err))
	if e.Code != "sql" && e.Code != "bad-input" {
		return e
	}
	message := firstLine(e.Message)
	if !strings.Contains(message, path) {
		message = path + ": " + message
	}
	bad := twice.Errorf("bad-input", "%s", message).WithNext("get the file again from where it comes from")
	bad.Err = err
	return bad
}

func (l look) describe(from string) ([]column, error) {
	rows, err := l.conn.QueryContext(l.ctx, "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM "+from+")")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var cols []column
	for rows.Next() {
		var c column
		if err := rows.Scan(&c.file, &c.typ); err != nil {
			return nil, err
		}
		c.name = c.file
		cols = append(cols, c)
	}
	return cols, rows.Err()
}
