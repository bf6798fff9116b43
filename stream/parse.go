package stream

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/duckdb/duckdb-go/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// Poison is a record that does not parse.
type Poison struct {
	Partition int32
	Offset    int64
	Why       string
	Bytes     []byte // of the value
}

// parser judges records with DuckDB, which says what fits a type as it does for files.
type parser struct {
	db   *sql.DB
	conn *sql.Conn
}

func newParser(ctx context.Context) (*parser, error) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err == nil {
		_, err = conn.ExecContext(ctx, "SET TimeZone = 'UTC'; SET threads = 2")
	}
	if err != nil {
		db.Close()
		return nil, err
	}
	return &parser{db: db, conn: conn}, nil
}

func (p *parser) close() {
	p.conn.Close()
	p.db.Close()
}

// reading is a stream's input whose records become rows.
type reading struct {
	in      *twice.Input
	p       *twice.Pipeline
	parser  *parser
	schemas *registry       // of formats that have one
	layout  *layout         // of rows in memory; nil: DuckDB judges all records
	named   map[string]bool // of the columns that every record has, those that the SELECT names
}

// place says where the input is declared.
func (s *reading) place(err error) error {
	e := *twice.AsError(err)
	return e.At(filepath.ToSlash(s.p.File), s.in.Line)
}

func (s *reading) close() {
	if s.parser != nil {
		s.parser.close()
	}
}

// Relation gives the relation that has the batch's records, and those that are not in it because they do not parse. Where
// it cannot hold them in memory, it writes a file into the folder tmp.
func (s *reading) Relation(ctx context.Context, b *Batch, tmp string) (engine.Relation, []Poison, error) {
	rel := engine.Relation{Name: s.in.Name, File: s.p.File, Line: s.in.Line}
	if s.parser == nil {
		var err error
		if s.parser, err = newParser(ctx); err != nil {
			return rel, nil, err
		}
		s.layout = s.newLayout(ctx)
	}
	if len(s.columns()) == 0 {
		return rel, nil, s.place(twice.Errorf("missing-key", "the input %s has no columns", s.in.Name).
			WithNext("declare the value's fields under columns:, or name one of %s in the SELECT",
				strings.Join(twice.RecordColumns, ", ")).WithExit(twice.ExitProject))
	}
	records, odd, err := s.decoded(ctx, b)
	if err != nil {
		return rel, nil, s.place(err)
	}
	poison, err := s.fill(ctx, &rel, records, tmp)
	s.asTheyCame(b, poison)
	poison = append(poison, odd...)
	if err != nil {
		return rel, nil, s.place(twice.Errorf("sql", "%w", err))
	}
	poison = append(poison, b.poison...)
	slices.SortFunc(poison, func(a, b Poison) int {
		if a.Partition != b.Partition {
			return int(a.Partition) - int(b.Partition)
		}
		return int(a.Offset - b.Offset)
	})
	return rel, poison, nil
}

// fill puts the records that parse into the relation.
func (s *reading) fill(ctx context.Context, rel *engine.Relation, records []*kgo.Record, tmp string) (poison []Poison, err error) {
	if s.layout != nil {
		var rest []*kgo.Record
		if rel.Rows, rest = s.rows(records); len(rest) > 0 {
			poison, err = s.judged(ctx, rel.Rows, rest)
		}
		return poison, err
	}
	if poison, err = s.judge(ctx, records); err != nil {
		return nil, err
	}
	path := filepath.Join(tmp, "batch.parquet")
	rel.Files, rel.Reader.Format = []string{path}, "parquet"
	_, err = s.parser.conn.ExecContext(ctx, fmt.Sprintf("COPY (SELECT %s FROM judged WHERE \"twice why\" IS NULL) TO %s (FORMAT parquet, COMPRESSION lz4_raw)",
		strings.Join(s.columns(), ", "), engine.Literal(path)))
	return poison, err
}

// judge makes the table judged: the records with their fields and, of one that does not parse, why.
func (s *reading) judge(ctx context.Context, records []*kgo.Record) ([]Poison, error) {
	poison, err := s.load(ctx, records)
	if err != nil {
		return nil, err
	}
	if _, err := s.parser.conn.ExecContext(ctx, s.judgement()); err != nil {
		return nil, err
	}
	rows, err := s.parser.conn.QueryContext(ctx, `SELECT "twice n", "twice why" FROM judged WHERE "twice why" IS NOT NULL`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int
		var why string
		if err := rows.Scan(&n, &why); err != nil {
			return nil, err
		}
		poison = append(poison, poisoned(records[n], why))
	}
	return poison, rows.Err()
}

// load puts the records into a table. Those whose bytes cannot be text are poison already.
func (s *reading) load(ctx context.Context, records []*kgo.Record) ([]Poison, error) {
	text := "VARCHAR"
	if s.raw() {
		text = "BLOB"
	}
	_, err := s.parser.conn.ExecContext(ctx, fmt.Sprintf(`CREATE OR REPLACE TABLE records ("twice n" BIGINT, _topic VARCHAR,
		_partition INTEGER, _offset BIGINT, "twice ms" BIGINT, _key %[1]s, _value %[1]s, _headers VARCHAR, "twice doc" VARCHAR)`, text))
	if err != nil {
		return nil, err
	}
	var poison []Poison
	err = s.parser.conn.Raw(func(conn any) error {
		app, err := duckdb.NewAppenderFromConn(conn.(driver.Conn), "", "records")
		if err != nil {
			return err
		}
		for n, r := range records {
			row := []driver.Value{int64(n), r.Topic, r.Partition, r.Offset, nil, nil, nil, nil, nil}
			if !r.Timestamp.IsZero() {
				row[4] = r.Timestamp.UnixMilli()
			}
			if s.names("_headers") {
				row[7] = string(headers(r.Headers))
			}
			if why := s.set(row, r); why != "" {
				poison = append(poison, poisoned(r, why))
				continue
			}
			if err := app.AppendRow(row...); err != nil {
				_ = app.Close()
				return err
			}
		}
		return app.Close()
	})
	return poison, err
}

func (s *reading) raw() bool { return s.in.Records().Format == "raw" }

// set sets a row's key, value and document, and says what is wrong with the record.
func (s *reading) set(row []driver.Value, r *kgo.Record) (why string) {
	const key, value, doc = 5, 6, 8
	if s.raw() {
		if r.Key != nil {
			row[key] = r.Key
		}
		if r.Value != nil {
			row[value] = r.Value
		}
		return ""
	}
	switch {
	case r.Value == nil:
		return "it has no value (a tombstone)"
	case !utf8.Valid(r.Value):
		return "its value is not UTF-8"
	case s.names("_key") && !utf8.Valid(r.Key):
		return "its key is not UTF-8"
	}
	if r.Key != nil && s.names("_key") {
		row[key] = string(r.Key)
	}
	if s.names("_value") {
		row[value] = string(r.Value)
	}
	if s.in.Records().Format != "csv" {
		if !isObject(r.Value) {
			return "it is not a JSON object"
		}
		row[doc] = exact(r.Value)
		return ""
	}
	fields, why := s.csv(r.Value)
	if why != "" {
		return why
	}
	list, err := json.Marshal(fields)
	if err != nil {
		panic(err) // strings always marshal
	}
	row[doc] = string(list)
	return ""
}

func isObject(value []byte) bool {
	begin := bytes.TrimLeft(value, " \t\r\n")
	return len(begin) > 0 && begin[0] == '{' && json.Valid(value)
}

var numeric = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// exact is a JSON object whose own fields' numbers are text if they have a fraction, an exponent or many digits: DuckDB
// would take them for floating-point numbers before it makes a DECIMAL of them. What is not JSON is left to be found out.
func exact(value []byte) string {
	var out []byte
	done, depth, last := 0, 0, 0 // last: where the last byte is that is no space
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '"':
			for i++; i < len(value) && value[i] != '"'; i++ {
				if value[i] == '\\' {
					i++
				}
			}
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case depth == 1 && value[last] == ':' && (c == '-' || c >= '0' && c <= '9'):
			from := i
			for i+1 < len(value) && strings.IndexByte("+-.eE0123456789", value[i+1]) >= 0 {
				i++
			}
			token := value[from : i+1]
			if (len(token) > 15 || bytes.ContainsAny(token, ".eE")) && numeric.Match(token) {
				out = append(out, value[done:from]...)
				out = append(append(append(out, '"'), token...), '"')
				done = i + 1
			}
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			continue
		}
		last = min(i, len(value)-1)
	}
	if done == 0 {
		return string(value)
	}
	return string(append(out, value[done:]...))
}

// csv gives the fields of a line of CSV, by whose places its columns are found; nil is NULL.
func (s *reading) csv(value []byte) (values []*string, why string) {
	read := csv.NewReader(bytes.NewReader(value))
	reader := s.in.Records().Reader
	if reader.Delimiter != "" {
		read.Comma, _ = utf8.DecodeRuneInString(reader.Delimiter)
	}
	read.FieldsPerRecord = -1
	fields, err := read.Read()
	if err != nil {
		return nil, "it is not a line of CSV: " + err.Error()
	}
	if more, err := read.Read(); err == nil {
		return nil, fmt.Sprintf("it has more than one line of CSV: the second begins with %q", more[0])
	}
	if want := len(reader.Columns); len(fields) != want {
		return nil, fmt.Sprintf("it has %d fields, expected %d", len(fields), want)
	}
	nulls := reader.Nulls
	if nulls == nil {
		nulls = []string{""}
	}
	values = make([]*string, len(fields))
	for i := range fields {
		if !slices.Contains(nulls, fields[i]) {
			values[i] = &fields[i]
		}
	}
	return values, ""
}

// headers are a record's headers as JSON: an array, as a name may be there more than once.
func headers(hs []kgo.RecordHeader) []byte {
	type header struct {
		Key    string `json:"key"`
		Value  string `json:"value,omitempty"`
		Base64 []byte `json:"base64,omitempty"` // of a value that is not text
	}
	list := make([]header, len(hs))
	for i, h := range hs {
		list[i].Key = h.Key
		if utf8.Valid(h.Value) {
			list[i].Value = string(h.Value)
		} else {
			list[i].Base64 = h.Value
		}
	}
	b, err := json.Marshal(list)
	if err != nil {
		panic(err) // strings and bytes always marshal
	}
	return b
}

func poisoned(r *kgo.Record, why string) Poison {
	return Poison{Partition: r.Partition, Offset: r.Offset, Why: why, Bytes: r.Value}
}

// judgement is the SQL that judges the fields.
func (s *reading) judgement() string {
	declared := s.in.Records().Columns
	if s.raw() || len(declared) == 0 {
		return `CREATE OR REPLACE TABLE judged AS SELECT * EXCLUDE ("twice doc"), CAST(NULL AS VARCHAR) AS "twice why" FROM records`
	}
	// Half of a surrogate pair is JSON for Go, and none for DuckDB.
	whys := []string{`CASE WHEN "twice doc" IS NULL THEN 'it is not a JSON object' END`}
	var paths, fields, absent []string
	for i, places := range s.paths() {
		c := declared[i]
		var texts, there []string
		for _, path := range places {
			paths = append(paths, engine.Literal(path))
			texts = append(texts, fmt.Sprintf(`"twice f"[%d]`, len(paths)))
			there = append(there, fmt.Sprintf(`"twice e"[%d]`, len(paths)))
		}
		text := texts[0]
		if len(texts) > 1 {
			text = "coalesce(" + strings.Join(texts, ", ") + ")"
		}
		if !c.Optional {
			absent = append(absent, text+" IS NULL")
			whys = append(whys, fmt.Sprintf("CASE WHEN NOT (%s) THEN %s END", strings.Join(there, " OR "),
				engine.Literal("it has no field "+c.Name)))
		}
		value, why := typed(c, text)
		if why != "" {
			whys = append(whys, why)
		}
		fields = append(fields, value+" AS "+engine.Ident(c.Name))
	}
	list := "[" + strings.Join(paths, ", ") + "]"
	// Whether a field is there matters, and is looked at, only where its value is NULL.
	return fmt.Sprintf(`CREATE OR REPLACE TABLE judged AS
		WITH d AS (SELECT * REPLACE (CASE WHEN json_valid("twice doc") THEN "twice doc" END AS "twice doc") FROM records),
		f AS (SELECT *, json_extract_string("twice doc", %[1]s) AS "twice f" FROM d),
		e AS (SELECT *, CASE WHEN %[2]s THEN json_exists("twice doc", %[1]s) END AS "twice e" FROM f)
		SELECT * EXCLUDE ("twice doc", "twice f", "twice e"), %[3]s, coalesce(%[4]s) AS "twice why" FROM e`,
		list, strings.Join(append(absent, "FALSE"), " OR "), strings.Join(fields, ", "), strings.Join(append(whys, "NULL"), ", "))
}

var whole = regexp.MustCompile(`(?i)^u?(tiny|small|big|huge)?int(eger)?[0-9]*$`)

// typed is a field's text as its type, and the reason why a text has no such value. A number with a fraction is no whole
// number, which a cast would round it to.
func typed(c twice.ReaderColumn, text string) (value, why string) {
	if c.Type == "" || strings.EqualFold(c.Type, "varchar") || strings.EqualFold(c.Type, "text") {
		return text, ""
	}
	value = fmt.Sprintf("TRY_CAST(%s AS %s)", text, c.Type)
	if strings.ContainsAny(c.Type, "[") || regexp.MustCompile(`(?i)^(struct|map) *\(`).MatchString(c.Type) {
		value = fmt.Sprintf("TRY(CAST(CAST(%s AS JSON) AS %s))", text, c.Type)
	}
	cond := value + " IS NULL"
	if whole.MatchString(c.Type) {
		cond += fmt.Sprintf(" OR NOT regexp_full_match(%s, '\\s*[-+]?[0-9]+(\\.0*)?\\s*')", text)
	}
	return value, fmt.Sprintf("CASE WHEN %[1]s IS NOT NULL AND (%[2]s) THEN %[3]s || left(%[1]s, 100) || %[4]s END",
		text, cond, engine.Literal("its field "+c.Name+" is "), engine.Literal(", which is no "+c.Type))
}

// paths are, by declared column, where in the document its value may stand.
func (s *reading) paths() [][]string {
	all := make([][]string, len(s.in.Records().Columns))
	for i, c := range s.in.Records().Columns {
		if s.in.Records().Format == "csv" {
			all[i] = []string{fmt.Sprintf("$[%d]", i)}
			continue
		}
		for _, name := range append([]string{c.Name}, c.Aliases...) {
			all[i] = append(all[i], `$."`+strings.ReplaceAll(name, `"`, `\"`)+`"`)
		}
	}
	return all
}

// names says whether a column that every record has is needed.
func (s *reading) names(column string) bool {
	if s.named == nil {
		s.named = map[string]bool{}
		for _, name := range Attached(s.p, s.in) {
			s.named[name] = true
		}
	}
	return s.named[column]
}

// Columns lists what the SELECT sees of a record: the value's fields, and of what every record has that which it names, so
// that a star means the fields.
func Columns(p *twice.Pipeline, in *twice.Input) []string { return columnsOf(p, in, nil) }

// Attached lists the columns of a batch's relation: those that the SELECT sees, and those by which a stream dedupes.
func Attached(p *twice.Pipeline, in *twice.Input) []string {
	if p.Dedupe == nil {
		return Columns(p, in)
	}
	return columnsOf(p, in, append([]string{"_partition", "_offset", p.Dedupe.Time}, p.Dedupe.Key...))
}

func columnsOf(p *twice.Pipeline, in *twice.Input, also []string) []string {
	var list []string
	if rec := in.Records(); rec.Format != "raw" {
		for _, c := range rec.Columns {
			list = append(list, c.Name)
		}
	}
	for _, name := range twice.RecordColumns {
		asked := slices.ContainsFunc(also, func(a string) bool { return strings.EqualFold(a, name) })
		if asked || regexp.MustCompile(`(?i)\b`+name+`\b`).MatchString(p.SQL) {
			list = append(list, name)
		}
	}
	return list
}

// columns lists the relation's columns: the value's fields, and of what every record has that which the SELECT names, so that
// a star means the fields.
func (s *reading) columns() []string {
	var list []string
	if !s.raw() {
		for _, c := range s.in.Records().Columns {
			list = append(list, engine.Ident(c.Name))
		}
	}
	for _, name := range twice.RecordColumns {
		switch {
		case !s.names(name):
		case name == "_timestamp":
			list = append(list, `make_timestamptz("twice ms" * 1000) AS _timestamp`)
		default:
			list = append(list, name)
		}
	}
	return list
}
