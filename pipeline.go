package twice

import (
	"strings"
	"time"
)

// Write is one of the three ways to write.
type Write string

// The writes. There is no append.
const (
	Overwrite Write = "overwrite" // delete the window's rows, insert the SELECT's
	Merge     Write = "merge"     // match on UniqueKey; insert, update, and perhaps delete
	Publish   Write = "publish"   // build beside, audit, swap
)

// Writes lists them as they are written in a header.
var Writes = []Write{Overwrite, Merge, Publish}

// Table names a table of the target. An empty Schema is the target's default schema.
type Table struct {
	Schema, Name string
}

// String is "schema.name", or "name" in the default schema: also the pipeline's name unless "table:" says otherwise.
func (t Table) String() string {
	if t.Schema == "" {
		return t.Name
	}
	return t.Schema + "." + t.Name
}

// Beside is a table next to t, for staging and for the previous version: "name__suffix" in the same schema.
func (t Table) Beside(suffix string) Table {
	return Table{Schema: t.Schema, Name: t.Name + "__" + suffix}
}

// Pipeline is one SQL SELECT, in one file, that fills one table. It is what a header and its SQL say, validated.
type Pipeline struct {
	Name string // path under pipelines/ with dots: "mart.daily"
	File string // relative to the project's folder
	SQL  string // without the header
	Line int    // line of the file on which SQL starts, 1-based

	Description string
	Owner       string
	Tags        []string

	Table      Table
	Write      Write
	TimeColumn string // which window a row belongs to; empty for whole tables and for merges without one
	Calendar   Calendar

	UniqueKey      []string
	Dedupe         *Dedupe // a stream that has no UniqueKey and only adds rows; otherwise nil
	Version        string  // merge: a row replaces another only if this column is larger
	WhenMissing    string  // merge: "delete" removes keys that the source no longer has; otherwise ""
	Lookback       int     // always redo the last N windows
	BatchSize      int     // windows in one statement; at least 1
	OnSchemaChange string  // "fail" or "append_new_columns"
	AllowEmpty     bool    // a zero-row result may replace rows

	To        *KafkaOutput // a relay: the rows become records of a topic, and there is no table; nil: they go to Table
	Inputs    []Input      // declared under inputs:, sorted by name
	Upstreams []string     // names of the pipelines whose tables the SELECT reads; found from the SQL, sorted
	Columns   []Column     // the contract; empty: whatever the SELECT gives
	Checks    []Check
	Allow     []Waiver
}

// Windowed says whether p is filled window by window, as opposed to the whole table at once.
func (p *Pipeline) Windowed() bool { return p.Calendar.Grain != None }

// How is the write's name, or "produce" for a relay.
func (p *Pipeline) How() string {
	if p.To != nil {
		return "produce"
	}
	return string(p.Write)
}

// Input finds a declared input by name, or nil.
func (p *Pipeline) Input(name string) *Input {
	for i := range p.Inputs {
		if p.Inputs[i].Name == name {
			return &p.Inputs[i]
		}
	}
	return nil
}

// Column is one column of a contract or of a table. Type is in the target's words.
type Column struct {
	Name string
	Type string
	Line int // of the header; 0: not from a header
}

// Input is a named relation that the SELECT reads. Exactly one of its sources is set.
type Input struct {
	Name string
	Line int // of the file

	Files    *FilesInput
	Table    string // an existing table of the target that no pipeline fills
	Database *DatabaseInput
	Command  *CommandInput
	HTTP     *HTTPInput
	Kafka    *KafkaInput
	Log      *LogInput
}

// Kind names the source as the header does: "files", "table", "postgres", "mysql", "command", "http", "kafka",
// "log".
func (in *Input) Kind() string {
	switch {
	case in.Files != nil:
		return "files"
	case in.Table != "":
		return "table"
	case in.Database != nil:
		return in.Database.Engine
	case in.Command != nil:
		return "command"
	case in.HTTP != nil:
		return "http"
	case in.Kafka != nil:
		return "kafka"
	case in.Log != nil:
		return "log"
	default:
		return ""
	}
}

// Captured says whether in cannot be read twice, so that it is captured before use.
func (in *Input) Captured() bool { return in.Database != nil || in.Command != nil || in.HTTP != nil }

// ByWindow says whether what in gives depends on the window that asks.
func (in *Input) ByWindow() bool {
	switch {
	case in.Database != nil:
		return len(Params(in.Database.Query)) > 0
	case in.HTTP != nil:
		return strings.Contains(in.HTTP.URL, "{start") || strings.Contains(in.HTTP.URL, "{end")
	default:
		return true // a command sees it in its environment
	}
}

// Reader says how bytes become rows.
type Reader struct {
	Format      string   // "csv", "parquet" or "ndjson"; empty: from the file's name
	Compression string   // "gzip" or "none"; empty: from the file's name
	Delimiter   string   // csv; empty: detected
	Quote       string   // csv; empty: detected
	Escape      string   // csv; empty: detected
	Header      *bool    // csv; nil: detected
	Skip        int      // csv: lines before the header
	Encodings   []string // csv, ndjson: the first one in which the bytes are valid; empty: utf-8
	Nulls       []string // csv: strings that mean NULL; nil: the empty string
	Columns     []ReaderColumn
}

// ReaderColumn is a column that a reader must find. A file without it is an error unless Optional: then it is NULL.
type ReaderColumn struct {
	Name     string
	Type     string   // in DuckDB's words, which reads all files; empty: detected
	Aliases  []string // other names for it, in older or newer files
	Optional bool
}

// FilesInput is a set of files found by a path template.
type FilesInput struct {
	Path string // with {start:%Y-%m-%d}, {end:…} and globs; relative to the project's folder
	Reader
}

// DatabaseInput is the result of a query on another database; it is captured before use.
type DatabaseInput struct {
	Engine string // "postgres" or "mysql"
	URL    string
	Query  string // with $start and $end
}

// CommandInput is what a program prints; it is captured before use.
type CommandInput struct {
	Argv    []string
	Timeout time.Duration
	Reader
}

// HTTPInput is what a server answers to GET; it is captured before use.
type HTTPInput struct {
	URL     string // with the placeholders of a path template
	Headers map[string]string
	Records string // dotted path of the array of records in a JSON answer; empty: the answer itself
	Next    string // pagination: dotted path of the next page's address, or "link" for the Link header
	Page    string // pagination: name of the query parameter that counts pages from 1 until one is empty
	Timeout time.Duration
	Reader
}

// KafkaInput is a topic, read by offset ranges.
type KafkaInput struct {
	Brokers []string
	Records
}

// LogInput is a log on disk that other programs append to, read by offset ranges.
type LogInput struct {
	Envelope bool // a line is a record with its key and its time, not just a value
	Records
}

// KafkaOutput is a topic that a relay's rows are produced to.
type KafkaOutput struct {
	Brokers    []string // of the cluster that the input is in; nil: the input's
	Topic      string
	Key        string // the column whose text is a record's key; empty: records have none
	Quarantine string // the topic for records that do not parse; empty: none
	Options    map[string]string
	Line       int // of the file
}

// Check is a condition on the rows about to become visible. Exactly one of its conditions is set.
type Check struct {
	Name string // as it is shown: "unique(report_date, country)"
	Warn bool   // on_fail: warn; otherwise it blocks
	Line int

	NotNull        []string
	Unique         []string
	AcceptedValues *AcceptedValues
	Rows           *RowCount
	Relationships  *Relationship
	SQL            string // rows that it returns are violations; {rows} stands for the rows
}

// Awaits says whether p's checks look into other's table, so that other goes first where both are written.
func (p *Pipeline) Awaits(other *Pipeline) bool {
	for _, c := range p.Checks {
		if r := c.Relationships; r != nil && other != p && strings.EqualFold(r.To.String(), other.Table.String()) {
			return true
		}
	}
	return false
}

// AcceptedValues lists what a column may hold besides NULL.
type AcceptedValues struct {
	Column string
	Values []string // compared as text
}

// RowCount bounds the number of rows; nil: no bound.
type RowCount struct {
	Min, Max *int64
}

// Relationship says that each value of Column is found in To's ToColumn.
type Relationship struct {
	Column   string
	To       Table
	ToColumn string
}

// Waiver switches a lint rule off for a pipeline, with a reason.
type Waiver struct {
	Rule   string
	Reason string
	Line   int
}
