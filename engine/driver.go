package engine

import (
	"context"
	"database/sql"

	"github.com/twice-data/twice"
)

// Features says what a driver promises. Callers and the conformance suite read it; nobody asks for a driver's name.
type Features struct {
	Name              string // "duckdb", "postgres"
	Home              string // where tables without a schema live, quoted: "warehouse"."main"
	ConcurrentWriters bool   // transactions of one process may write at the same time
	SharedTarget      bool   // several processes may have the target open, so that leases mean something
	RowID             string // an expression that names a row of a table for the length of a statement; empty: none
	Merge             bool   // MERGE INTO is available
	Columnar          bool   // columns are stored apart: each one that an UPDATE sets has its price
	RenameSwap        bool   // a published table is swapped by renaming, as nothing in the database points at it by identity
	Word              string // the type of a column of short texts that many rows share, and how it is to be stored
	Mark              string // the same for texts of which no two are alike: digests, paths
	Fingerprint       string // name and version of the row hash: fingerprints of different ones are not comparable
}

// Driver is one kind of target. Statements reach it only through the sessions that Connect gives, which are driven by
// BEGIN, COMMIT and ROLLBACK as text.
type Driver interface {
	Features() Features

	// Connect opens a session in UTC with settings that make results independent of user, locale and machine. It may be
	// called many times; each connection is for one goroutine at a time. A target that somebody else holds is an Error
	// with code "target-held" and ExitHeld that says who holds it.
	Connect(ctx context.Context) (*sql.Conn, error)

	// Describe gives the columns that a SELECT would return, with full type names ("DECIMAL(18,2)"), without running it.
	Describe(ctx context.Context, s *Session, query string) ([]twice.Column, error)

	// Columns gives a table's columns in order with full type names, as Describe would write them, or none when there is
	// no such table.
	Columns(ctx context.Context, s *Session, table twice.Table) ([]twice.Column, error)

	// SameType says whether two type names mean one type: "bigint" and "INT8".
	SameType(a, b string) bool

	// Attach makes rel readable in s under its name, until the session ends or Attach is called with the same name. The
	// rows come from rel's files, or are its Rows, and from nothing else. It runs outside or inside a transaction.
	Attach(ctx context.Context, s *Session, rel Relation) error

	// RowHash is an SQL expression: a 64-bit integer hash over the columns of the relation alias, in the given order,
	// in which NULLs and types count. Equal rows hash equally in every process and session.
	RowHash(alias string, columns []twice.Column) string

	// Parse says what the engine's own parser finds in a SELECT. A syntax error is an Error with code "syntax" whose
	// Line counts from the start of the text.
	Parse(ctx context.Context, query string) (*Query, error)

	// Volatility asks the engine's catalogue about functions, by lower-case name. Names that it does not know are left
	// out.
	Volatility(ctx context.Context, names []string) (map[string]Volatility, error)

	// Explain turns an engine's error into an Error with a code that callers can act on: "serialization" (try again from
	// the manifest), "connection-lost", "target-held", "disk-full", "read-only", "permission", "sql" (everything else
	// that the statement itself is to blame for). It never prints a password. A nil or an Error comes back as it is.
	Explain(err error) error

	Close() error
}

// Volatility is what a catalogue says of a function.
type Volatility string

// The volatilities, in PostgreSQL's words. DuckDB's CONSISTENT_WITHIN_QUERY is Stable.
const (
	Immutable Volatility = "immutable" // same arguments, same result
	Stable    Volatility = "stable"    // may change from one statement to the next: now()
	Volatile  Volatility = "volatile"  // may change within a statement: random()
)

// Relation is an input as the SELECT will see it: the rows of some files, or of a table of the target, under a name.
type Relation struct {
	Name   string
	Files  []string // absolute paths of exactly the files of the manifest; none: an empty relation
	Rows   *Rows    // instead of files; nil: files
	Reader twice.Reader
	Table  twice.Table // instead of files; Attach is not asked then
	View   string      // the SELECT over Files, where a Looker has found it already
	File   string      // where the input is declared, for errors
	Line   int
}

// Looker is a Driver that looks into files before it attaches them, and can do so ahead.
type Looker interface {
	// Look finds the View of rel. It may be called from any goroutine.
	Look(ctx context.Context, rel Relation) (view string, err error)
}
