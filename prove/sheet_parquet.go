package prove

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/project"
)

// parquetFile is Parquet. Its rows stay in their file: no value leaves the embedded DuckDB, which reads them there and
// writes them into the new file, so that each keeps its type and every bit.
type parquetFile struct {
	sc      *scratch
	columns []parquetColumn
}

// parquetColumn is a column of the file that will be written.
type parquetColumn struct {
	name, typ string
	sql       string // of the file that is read
}

// mostParquet is how many rows a Parquet file may have that is rewritten.
const mostParquet = 1_000_000

// Names that no column of a file has.
const (
	rowNumber   = `"twice row"`   // in the file that is read
	rowPlace    = `"twice place"` // in the file that is written
	wanted      = `"twice wanted"`
	sourceAlias = `"twice source"`
)

// parquet is a session of the embedded DuckDB that rewrites Parquet. It has a database of its own in the scratch folder,
// for what does not fit into memory.
func (sc *scratch) parquet(ctx context.Context) (*sql.Conn, error) {
	sc.parquetMu.Lock()
	defer sc.parquetMu.Unlock()
	if sc.parquetDB == nil {
		d, err := sc.Open(ctx, project.Target{Name: "parquet", Engine: "duckdb", Path: filepath.Join(sc.root, "parquet.duckdb")})
		if err != nil {
			return nil, err
		}
		sc.parquetDB = d
	}
	return sc.parquetDB.Connect(ctx)
}

func (sc *scratch) closeParquet() {
	if sc.parquetDB != nil {
		sc.parquetDB.Close()
	}
}

func parquetFrom(path string) string {
	return "read_parquet(" + engine.Literal(path) + ", hive_partitioning = false)"
}

func (sc *scratch) readParquet(ctx context.Context, path string) (*sheet, error) {
	conn, err := sc.parquet(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	f := &parquetFile{sc: sc}
	s := &sheet{format: f}
	found, err := conn.QueryContext(ctx, "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM "+parquetFrom(path)+")")
	if err != nil {
		return nil, err
	}
	defer found.Close()
	for found.Next() {
		var c parquetColumn
		if err := found.Scan(&c.name, &c.typ); err != nil {
			return nil, err
		}
		c.sql = sourceAlias + "." + engine.Ident(c.name)
		f.columns = append(f.columns, c)
		s.columns = append(s.columns, c.name)
		s.shape += c.name + " " + c.typ + "\n"
	}
	if err := found.Err(); err != nil {
		return nil, err
	}
	var n int64
	if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM "+parquetFrom(path)).Scan(&n); err != nil {
		return nil, err
	}
	if n > mostParquet {
		return &sheet{why: fmt.Sprintf("it has %d rows, and at most %d are rewritten", n, mostParquet)}, nil
	}
	s.rows = make([]row, n)
	for i := range s.rows {
		s.rows[i] = row{from: path, n: int64(i) + 1}
	}
	return s, nil
}

// faithful says in what a file at path differs that is rewritten without a change; empty: in nothing that a reader sees.
func (sc *scratch) faithful(ctx context.Context, path string) (string, error) {
	s, err := sc.readParquet(ctx, path)
	if err != nil || s.why != "" {
		return "", err
	}
	other := filepath.Join(sc.root, sc.name()+".parquet")
	defer os.Remove(other)
	if err := s.write(ctx, s, other); err != nil {
		return firstLine(err.Error()), nil
	}
	again, err := sc.readParquet(ctx, other)
	if err != nil {
		return firstLine(err.Error()), nil
	}
	if s.shape != again.shape {
		for i, c := range s.format.(*parquetFile).columns {
			if o := again.format.(*parquetFile).columns[i]; o.typ != c.typ {
				return fmt.Sprintf("its column %s of type %s cannot be written as it is", c.name, c.typ), nil
			}
		}
		return "its columns cannot be written as they are", nil
	}
	conn, err := sc.parquet(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	sum := "(SELECT count(*)::VARCHAR || ' ' || coalesce(sum(hash(t)), 0)::VARCHAR FROM %s AS t)"
	var same bool
	err = conn.QueryRowContext(ctx, "SELECT "+fmt.Sprintf(sum, parquetFrom(path))+" = "+fmt.Sprintf(sum, parquetFrom(other))).Scan(&same)
	if err == nil && !same {
		return "its values cannot be written as they are", nil
	}
	return "", err
}

// farApart keeps the numbers of rows of several files apart.
const farApart = 1 << 40

// write lets DuckDB join the rows' numbers, in their order, with the files that they stand in.
func (f *parquetFile) write(ctx context.Context, s *sheet, path string) error {
	conn, err := f.sc.parquet(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	var files []string
	order := make([]int64, len(s.rows))
	others := map[int][]int{} // of each column, the places of the rows that hold another value in it
	for i, r := range s.rows {
		at := slices.Index(files, r.from)
		if at < 0 {
			at, files = len(files), append(files, r.from)
		}
		order[i] = int64(at)*farApart + r.n
		for c := range r.put {
			others[c] = append(others[c], i)
		}
	}
	if len(files) == 0 {
		files = []string{path} // for its columns
	}
	var sources, columns []string
	for i, file := range files {
		sources = append(sources, fmt.Sprintf("SELECT *, row_number() OVER () + %d AS %s FROM %s", int64(i)*farApart, rowNumber, parquetFrom(file)))
	}
	for c, col := range f.columns {
		value := col.sql
		if len(others[c]) > 0 {
			value = "CASE " + rowPlace
			for _, at := range others[c] {
				value += fmt.Sprintf(" WHEN %d THEN CAST(%s AS %s)", at+1, s.rows[at].put[c], col.typ)
			}
			value += " ELSE " + col.sql + " END"
		}
		columns = append(columns, value+" AS "+engine.Ident(col.name))
	}
	if _, err := conn.ExecContext(ctx, "CREATE OR REPLACE TEMP TABLE twice_rows AS SELECT "+wanted+", row_number() OVER () AS "+rowPlace+
		" FROM (SELECT unnest(?::BIGINT[]) AS "+wanted+")", order); err != nil {
		return err
	}
	block := ""
	if s.block > 0 {
		block = fmt.Sprintf(", ROW_GROUP_SIZE %d", s.block)
	}
	_, err = conn.ExecContext(ctx, fmt.Sprintf("COPY (SELECT %s FROM twice_rows JOIN (%s) AS %s ON %s = %s ORDER BY %s) TO %s (FORMAT parquet%s)",
		strings.Join(columns, ", "), strings.Join(sources, " UNION ALL "), sourceAlias, wanted, rowNumber, rowPlace, engine.Literal(path+".new"), block))
	if err != nil && strings.Contains(err.Error(), "Conversion Error") {
		return errDoesNotFit
	}
	if err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func (f *parquetFile) with(r row, c int, value string) (row, bool) {
	if c >= len(f.columns) {
		return r, false
	}
	r.put = maps.Clone(r.put)
	if r.put == nil {
		r.put = map[int]string{}
	}
	r.put[c] = value
	return r, true
}

func (f *parquetFile) odd(_ *sheet, c int) []odd {
	col := f.columns[c]
	var all []odd
	for _, v := range oddSQL(col.typ) {
		all = append(all, odd{fmt.Sprintf("%s = %s", col.name, short(v)), v, false})
	}
	return slices.Insert(all, min(len(all), 1), odd{col.name + " = NULL", "NULL", true})
}

// integers are the whole types with their smallest and largest values.
var integers = map[string][2]string{
	"TINYINT": {"-128", "127"}, "SMALLINT": {"-32768", "32767"}, "INTEGER": {"-2147483648", "2147483647"},
	"BIGINT": {"(-9223372036854775808)", "9223372036854775807"}, "UTINYINT": {"0", "255"}, "USMALLINT": {"0", "65535"},
	"UINTEGER": {"0", "4294967295"}, "UBIGINT": {"0", "18446744073709551615"},
}

// oddSQL lists values of a type: an ordinary one first, then those at its edge.
func oddSQL(typ string) []string {
	quoted := func(texts ...string) []string {
		for i, t := range texts {
			texts[i] = engine.Literal(t)
		}
		return texts
	}
	if ends, ok := integers[typ]; ok {
		return []string{"7", ends[0], ends[1], "0"}
	}
	switch {
	case strings.HasSuffix(typ, "]"):
		return []string{"[]", "[NULL]"}
	case strings.HasPrefix(typ, "DECIMAL("):
		var width, scale int
		_, _ = fmt.Sscanf(typ, "DECIMAL(%d,%d)", &width, &scale) // as DuckDB writes it
		largest := strings.Repeat("9", width-scale) + "." + strings.Repeat("9", scale)
		return quoted("0", largest, "-"+largest)
	case typ == "FLOAT":
		return quoted("7", "NaN", "Infinity", "-0.0", "1e38", "0.1")
	case typ == "DOUBLE":
		return quoted("7", "NaN", "Infinity", "-0.0", "1e308", "0.1")
	case typ == "BOOLEAN":
		return []string{"true", "false"}
	case typ == "DATE":
		return quoted("2001-02-03", "0001-01-01", "9999-12-31", "infinity", "-infinity")
	case typ == "TIMESTAMP_NS":
		return quoted("2001-02-03 04:05:06", "2001-02-03 04:05:06.123456789", "1677-09-22 00:12:44", "2262-04-11 23:47:16")
	case strings.HasPrefix(typ, "TIMESTAMP"):
		return quoted("2001-02-03 04:05:06", "2001-02-03 23:59:59.999999", "0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "infinity")
	case strings.HasPrefix(typ, "TIME"):
		return quoted("04:05:06", "00:00:00", "23:59:59.999999", "24:00:00")
	case typ == "VARCHAR":
		return quoted(append([]string{"7", "", "99999999999999999999999", "2026-02-29"}, extremes("")...)...)
	case typ == "BLOB":
		return quoted(`\x37`, "", `\x00\xFF`)
	case typ == "UUID":
		return quoted("00000000-0000-4000-8000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff")
	case typ == "JSON":
		return quoted(`{}`, `null`, `[]`, `"text"`)
	case strings.HasPrefix(typ, "MAP("):
		return []string{"MAP {}"}
	default:
		return nil
	}
}

// types are what producers make of a column: the next larger or smaller type, or text.
func (f *parquetFile) types(c int) []string {
	switch typ := f.columns[c].typ; {
	case typ == "INTEGER":
		return []string{"BIGINT", "SMALLINT", "VARCHAR", "DOUBLE"}
	case typ == "BIGINT":
		return []string{"DECIMAL(38,0)", "INTEGER", "VARCHAR", "DOUBLE"}
	case integers[typ][0] != "":
		return []string{"BIGINT", "VARCHAR"}
	case strings.HasPrefix(typ, "DECIMAL("), typ == "FLOAT":
		return []string{"DOUBLE", "VARCHAR"}
	case typ == "DOUBLE":
		return []string{"FLOAT", "VARCHAR"}
	case typ == "TIMESTAMP":
		return []string{"TIMESTAMP WITH TIME ZONE", "DATE", "VARCHAR"}
	case typ == "VARCHAR":
		return []string{"BLOB"}
	case typ == "DATE", typ == "BOOLEAN", typ == "UUID", strings.HasPrefix(typ, "TIME"):
		return []string{"VARCHAR"}
	default:
		return nil
	}
}

// retype makes the file one that cannot be written if a value does not go into the type.
func (f *parquetFile) retype(s *sheet, c int, typ string) bool {
	if c >= len(f.columns) || f.columns[c].typ == typ {
		return false
	}
	f.columns[c].sql = "CAST(" + f.columns[c].sql + " AS " + typ + ")"
	f.columns[c].typ = typ
	return true
}

func (f *parquetFile) rename(_ *sheet, c int, name string) bool {
	if c >= len(f.columns) {
		return false
	}
	f.columns[c].name = name
	return true
}

func (f *parquetFile) drop(_ *sheet, c int) bool {
	if c >= len(f.columns) || len(f.columns) == 1 {
		return false
	}
	f.columns = slices.Delete(f.columns, c, c+1)
	return true
}

func (f *parquetFile) widen(_ *sheet, name string) bool {
	f.columns = append(f.columns, parquetColumn{name: name, typ: "VARCHAR", sql: "'x'"})
	return true
}

// miscount changes each value of the last column of numbers, but not of the first column, which is a key more often than not.
func (f *parquetFile) miscount(s *sheet) bool {
	for c := len(f.columns) - 1; c > 0 && len(s.rows) > 0; c-- {
		col := &f.columns[c]
		_, whole := integers[col.typ]
		switch {
		case whole:
			col.sql = fmt.Sprintf("xor(%s, 1::%s)", col.sql, col.typ)
		case strings.HasPrefix(col.typ, "DECIMAL("), col.typ == "DOUBLE", col.typ == "FLOAT":
			col.sql = fmt.Sprintf("CAST(CASE WHEN %[1]s > 0 THEN %[1]s - 1 ELSE %[1]s + 1 END AS %[2]s)", col.sql, col.typ)
		default:
			continue
		}
		return true
	}
	return false
}
