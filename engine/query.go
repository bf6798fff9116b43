package engine

import "github.com/twice-data/twice"

// Query is what an engine's own parser says about a SELECT, as far as the dependency graph and lint need it. Names are in
// lower case unless they were quoted. Views and macros of the target are opened: what is found inside one carries Via,
// and stands at the place where the text names it. A driver may add calls that only the bound plan shows: they have no
// place and belong to no SELECT.
type Query struct {
	Tables  []TableRef // every relation that is read, through CTEs and subqueries; names of CTEs are not among them
	Calls   []*Call    // every use of a function, in FROM, over a window or written like a column; operators are not
	Picks   []Pick     // what chooses or pairs rows by chance or by position
	Selects []*Select  // every SELECT core and set operation, those of CTEs and subqueries included; the outermost first
}

// Place is where something stands: a byte offset in the text, and the view or macro that it was found in.
type Place struct {
	At  int    // byte offset in the text; -1: unknown
	Via string // "view mart.recent", "macro tidy"; empty: in the text itself
}

// TableRef is a relation that a SELECT reads.
type TableRef struct {
	Table   twice.Table
	Catalog string // the database, where one other than the target is named
	View    bool   // a view of the target
	System  bool   // part of the engine's own catalogue
	At      int    // byte offset in the text; -1: unknown
	Via     string // as in Place
}

// Call is the use of a function.
type Call struct {
	Place
	Name      string
	Schema    string
	Table     bool // stands in FROM
	Keyword   bool // written without parentheses, like a column: current_date, rowid
	Aggregate bool // the catalogue says that it folds rows, whether over a group or over a window
	Args      []Expr
	Order     []Expr // ORDER BY inside the parentheses or WITHIN GROUP
	Distinct  bool
	Over      *Over   // nil: not a window call
	Inside    string  // name of the call that it is an argument of: list_sort(list(x))
	In        *Select // the SELECT that it belongs to; nil: unknown
}

// Over is a call's window.
type Over struct {
	Partition, Order []Expr
	Rows             bool // the frame counts rows and does not span the whole partition: ties decide what is in it
}

// Expr is an expression, as far as two of them can be compared.
type Expr struct {
	At      int
	Key     string   // equal for equal expressions, wherever they stand and however they are spaced
	Column  string   // name of the column, if it is nothing else
	Of      string   // the relation that qualifies Column; may be empty
	Ordinal int      // ORDER BY 2, GROUP BY 2: the 1-based position of an output column; 0: not one
	Const   bool     // a literal or a parameter
	All     bool     // ORDER BY ALL: every output column
	Casts   []string // types that it is known to have or that parts of it are cast to, in lower case
	Call    *Call    // if it is nothing but a call, or an operator over its Args: "+", "coalesce"
}

// Select is a SELECT core, or a set operation over other SELECTs.
type Select struct {
	Place
	Arms []*Select // of a set operation; then From, Group and Fixed are empty
	Op   string    // "union", "union all", "except", "intersect"; empty: not a set operation

	From         []*Source
	Columns      []Output // empty for a set operation: the first arm's
	Fixed        []Expr   // what WHERE holds equal to a constant or a parameter, and window calls that QUALIFY does
	Implied      []Implied
	Filters      []Filter // what lets some rows through and others not
	Aggregated   bool     // one row for each group; without Group: one row
	Group        []Expr
	GroupingSets bool // ROLLUP, CUBE, GROUPING SETS: Group may repeat
	Distinct     bool
	DistinctOn   []Expr
	Order        []Expr
	Limit        *Limit
	Exists       bool // inside EXISTS: only whether there is a row matters
}

// Filter is something that lets some rows through and others not: a condition, or a join.
type Filter struct {
	Word string // "WHERE", "HAVING", "QUALIFY", "JOIN"
	At   int    // byte offset in the text; -1: unknown
}

// Limit is LIMIT, OFFSET or FETCH.
type Limit struct {
	At   int
	One  bool // at most one row comes back
	Ties bool // WITH TIES: the order need not be total
}

// Implied is what an equality of a join or of WHERE says: in one row of the result, Known decides Then. An inner join
// gives it both ways, an outer join from the preserved side only.
type Implied struct {
	Known, Then Expr
}

// Output is a column of a SELECT's result.
type Output struct {
	Name string // empty: unknown, or a star
	Star bool   // all columns of Expr.Of, or of everything in FROM
	Expr Expr
}

// Source is an item of FROM. At most one of Select and Call is set; a plain table has neither.
type Source struct {
	Alias   string    // the name by which expressions refer to it
	Columns []string  // its columns' new names: t(a, b); may be shorter than the list of its columns
	Table   *TableRef // a table or a view
	Select  *Select   // a subquery, the body of a CTE (shared between references) or of a view
	Call    *Call     // a table function
	Lateral bool      // what identifies a row of it may do so only for one row of what stands before it
	Single  bool      // it gives at most one row for each row of what stands before it: ASOF
	Matched []string  // of an ASOF join: its columns in the condition; rows that are equal in them tie
}

// Pick is a construct that chooses or pairs rows by chance or by position.
type Pick struct {
	Place
	What string // "sample", "positional join"
}
