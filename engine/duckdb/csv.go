package duckdb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// sniffed is what DuckDB's sniffer found in a CSV file.
type sniffed struct {
	delim, quote, escape string
	header               bool
	date, timestamp      string // strptime formats; empty: ISO
	columns              []column
}

// csv looks at a CSV file as a whole: names, dialect and types. DuckDB's sniffer skips lines that do not fit at the top
// of a file, and takes lines of unequal length for one wide column; here the first is switched off and the second an
// error.
func (l look) csv(path string, gz bool) (*source, error) {
	seen := l.glance(path, gz)
	if !seen.whole {
		// The types of declared columns need no look at every line; a date's format does.
		quick, err := l.sniff(path, gz, fmt.Sprintf("sample_size = %d", quickSample))
		if err == nil && l.allTyped(quick) && quick.date == "" && quick.timestamp == "" {
			return l.csvSource(path, gz, quick), nil
		}
	}
	strict, err := l.sniff(path, gz, append(seen.given, "sample_size = -1")...)
	if err == nil && (len(strict.columns) > 1 || l.found(strict) > 0) {
		strict = l.declaredHeader(path, gz, strict)
		return l.csvSource(path, gz, strict), nil
	}
	ragged, raggedErr := l.sniff(path, gz, "sample_size = -1", "null_padding = true")
	switch {
	case raggedErr == nil && len(ragged.columns) > 1:
		return l.ragged(path, gz, ragged)
	case err != nil:
		return nil, inFile(path, err)
	}
	if lines := l.preamble(path, gz); lines > 0 {
		return nil, twice.Errorf("bad-input", "%s: the first line is not the header: %s",
			path, shorten(strict.columns[0].file)).WithNext("set skip: %d", lines)
	}
	if likelyDelimiter(strict.columns[0].file) != "" {
		return nil, l.wrongDelimiter(path, strict)
	}
	return l.csvSource(path, gz, l.declaredHeader(path, gz, strict)), nil
}

// quickSample is how many lines DuckDB's sniffer looks at when it does not look at all of them.
const quickSample = 20480

// glance is what the bytes of a CSV file tell before DuckDB's sniffer looks at them.
type glance struct {
	whole bool     // a quick sample would be all of the file
	given []string // what the sniffer need not find out
}

// mostGlance is the size up to which a file is read for a glance.
const mostGlance = 4 << 20

// glance spares the sniffer work that cannot change what it finds, which takes it ten times as long: it tries the formats
// of dates once for each quote and escape that the file may have, and where none of them occurs, all are the same.
func (l look) glance(path string, gz bool) (g glance) {
	info, err := os.Stat(path)
	if err != nil || gz || info.Size() > mostGlance {
		return g
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return g
	}
	g.whole = bytes.Count(text, []byte{'\n'})+bytes.Count(text, []byte{'\r'}) < quickSample
	if l.reader.Quote == "" && l.reader.Escape == "" && !bytes.ContainsAny(text, "\"'\\") {
		g.given = []string{`quote = '"'`, `escape = '"'`}
	}
	return g
}

func (l look) sniff(path string, gz bool, extra ...string) (sniffed, error) {
	r := l.reader
	args := append([]string{
		pathLiteral(path), "comment = ''", "hive_partitioning = false", compression(gz),
		fmt.Sprintf("skip = %d", r.Skip),
	}, extra...)
	for _, o := range []struct{ name, value string }{{"delim", r.Delimiter}, {"quote", r.Quote}, {"escape", r.Escape}} {
		if o.value != "" {
			args = append(args, o.name+" = "+engine.Literal(o.value))
		}
	}
	if r.Header != nil {
		args = append(args, fmt.Sprintf("header = %t", *r.Header))
	}
	args = append(args, l.nulls()...)
	query := `SELECT Delimiter, Quote, Escape, HasHeader, coalesce(DateFormat, ''), coalesce(TimestampFormat, ''),
		CAST(to_json(Columns) AS VARCHAR) FROM sniff_csv(` + strings.Join(args, ", ") + ")"
	var s sniffed
	var columns string
	err := l.conn.QueryRowContext(l.ctx, query).
		Scan(&s.delim, &s.quote, &s.escape, &s.header, &s.date, &s.timestamp, &columns)
	if err != nil {
		return s, err
	}
	var found []struct{ Name, Type string }
	if err := json.Unmarshal([]byte(columns), &found); err != nil {
		return s, fmt.Errorf("reading what DuckDB found in %s: %w", path, err)
	}
	for _, c := range found {
		s.columns = append(s.columns, column{file: c.Name, name: c.Name, typ: c.Type})
	}
	// What did not occur is not told, but may be meant.
	s.delim, s.quote, s.escape = or(s.delim, ","), or(s.quote, `"`), or(s.escape, `"`)
	return s, nil
}

// preamble is the number of lines before the columns begin, which the sniffer would skip by itself.
func (l look) preamble(path string, gz bool) int {
	var lines, columns int
	query := fmt.Sprintf("SELECT SkipRows, len(Columns) FROM sniff_csv(%s, comment = '', %s)",
		pathLiteral(path), compression(gz))
	err := l.conn.QueryRowContext(l.ctx, query).Scan(&lines, &columns)
	if err != nil || columns < 2 || l.reader.Skip > 0 {
		return 0
	}
	return lines
}

// asText reads every column as it stands in the file.
func (s sniffed) asText() string {
	types := make([]string, len(s.columns))
	for i, c := range s.columns {
		types[i] = engine.Literal(c.file) + ": 'VARCHAR'"
	}
	return "{" + strings.Join(types, ", ") + "}"
}

func or(found, usual string) string {
	if found == "" || found == "(empty)" {
		return usual
	}
	return found
}

func (l look) nulls() []string {
	if l.reader.Nulls == nil {
		return nil
	}
	quoted := make([]string, len(l.reader.Nulls))
	for i, n := range l.reader.Nulls {
		quoted[i] = engine.Literal(n)
	}
	return []string{"nullstr = [" + strings.Join(quoted, ", ") + "]"}
}

// found counts the declared columns that s has.
func (l look) found(s sniffed) int {
	n := 0
	src := source{columns: s.columns}
	for _, want := range l.reader.Columns {
		if src.declared(want) != nil {
			n++
		}
	}
	return n
}

// allTyped says that s has a header and that each of its columns is declared with a type.
func (l look) allTyped(s sniffed) bool {
	src := source{columns: s.columns}
	typed := map[*column]bool{}
	for _, want := range l.reader.Columns {
		if got := src.declared(want); got != nil && want.Type != "" {
			typed[got] = true
		}
	}
	return s.header && len(typed) == len(s.columns)
}

// declaredHeader takes the first line for the header if declared names are in it. Without values of another type under
// it, the sniffer cannot know.
func (l look) declaredHeader(path string, gz bool, s sniffed) sniffed {
	if l.reader.Header != nil || s.header || l.found(s) > 0 || len(l.reader.Columns) == 0 {
		return s
	}
	if again, err := l.sniff(path, gz, "sample_size = -1", "header = true"); err == nil && l.found(again) > 0 {
		return again
	}
	return s
}

// csvSource is the file as s says. Without a header the declared columns name the file's, in their order.
func (l look) csvSource(path string, gz bool, s sniffed, extra ...string) *source {
	if !s.header {
		for i := range min(len(s.columns), len(l.reader.Columns)) {
			name := l.reader.Columns[i].Name
			s.columns[i].file, s.columns[i].name = name, name
		}
	}
	return &source{path: path, options: l.csvArgs(gz, s, extra), columns: s.columns, typed: true,
		read: func(paths, columns string) string {
			return fmt.Sprintf("read_csv(%s, columns = %s, %s)", paths, columns, l.csvArgs(gz, s, extra))
		}}
}

// csvBuffer is an eighth of DuckDB's own, which in threads enough is most of what reading a file takes. The longest line
// is that long.
const csvBuffer = "buffer_size = 4000000"

func (l look) csvArgs(gz bool, s sniffed, extra []string) string {
	args := append([]string{
		"auto_detect = false", "comment = ''", "hive_partitioning = false", compression(gz), csvBuffer,
		"delim = " + engine.Literal(s.delim), "quote = " + engine.Literal(s.quote), "escape = " + engine.Literal(s.escape),
		fmt.Sprintf("header = %t", s.header), fmt.Sprintf("skip = %d", l.reader.Skip),
	}, l.nulls()...)
	if s.date != "" {
		args = append(args, "dateformat = "+engine.Literal(s.date))
	}
	if s.timestamp != "" {
		args = append(args, "timestampformat = "+engine.Literal(s.timestamp))
	}
	return strings.Join(append(args, extra...), ", ")
}

// ragged allows lines that are too short where they lack nothing that was asked for: every declared column that is not
// optional must be in every line. A line cut off in the middle would otherwise pass as one with NULLs.
func (l look) ragged(path string, gz bool, s sniffed) (*source, error) {
	last := l.lastRequired(s)
	if last == "" {
		return nil, l.strictError(path, gz, s)
	}
	// With a NULL that no file has in it, an empty field is '' and only a field that is not there is NULL.
	plain := s
	plain.date, plain.timestamp = "", ""
	args := look{reader: twice.Reader{Skip: l.reader.Skip, Nulls: []string{"\x01"}}}.csvArgs(gz, plain, raggedArgs)
	var short int64
	query := fmt.Sprintf("SELECT count(*) FROM read_csv([%s], columns = %s, %s) WHERE %s IS NULL",
		pathLiteral(path), s.asText(), args, engine.Ident(last))
	if err := l.conn.QueryRowContext(l.ctx, query).Scan(&short); err != nil {
		return nil, inFile(path, err)
	}
	if short > 0 {
		return nil, l.strictError(path, gz, s)
	}
	return l.csvSource(path, gz, s, raggedArgs...), nil
}

// raggedArgs pad short lines with NULLs. The parallel reader cannot, where values have line breaks in them.
var raggedArgs = []string{"null_padding = true", "parallel = false"}

// lastRequired is the last column of the file that is declared and not optional.
func (l look) lastRequired(s sniffed) string {
	src := source{columns: s.columns}
	last := ""
	for _, c := range s.columns {
		for _, want := range l.reader.Columns {
			if got := src.declared(want); !want.Optional && got != nil && got.file == c.file {
				last = c.file
			}
		}
	}
	return last
}

// strictError reads the file as strictly as a run would, for an error that names the line.
func (l look) strictError(path string, gz bool, s sniffed) error {
	var n int64
	err := l.conn.QueryRowContext(l.ctx, fmt.Sprintf("SELECT count(*) FROM read_csv([%s], columns = %s, %s)",
		pathLiteral(path), s.asText(), l.csvArgs(gz, s, nil))).Scan(&n)
	if err == nil {
		return twice.Errorf("bad-input", "%s: its lines do not all have the same number of columns", path)
	}
	return explain(err)
}

func (l look) wrongDelimiter(path string, s sniffed) error {
	header := s.columns[0].file
	likely := likelyDelimiter(header)
	if l.reader.Delimiter != "" {
		return twice.Errorf("bad-input", "%s: with the delimiter %q the file has one column, %s",
			path, l.reader.Delimiter, shorten(header)).WithNext("set delimiter: %q", likely)
	}
	return twice.Errorf("bad-input", "%s: no delimiter gives all its lines the same number of columns; the first is %s",
		path, shorten(header)).WithNext("mend the file, or set delimiter: %q and declare the columns", likely)
}

// likelyDelimiter is the character that probably separates the fields of a header, or nothing.
func likelyDelimiter(header string) string {
	best, most := "", 0
	for _, d := range []string{",", ";", "\t", "|"} {
		if n := strings.Count(header, d); n > most {
			best, most = d, n
		}
	}
	return best
}
