package engine

import "github.com/twice-data/twice"

// Query is what an engine's own parser says about a SELECT, as far as the dependency graph and lint need it.
type Query struct {
	Tables []TableRef // every relation that is read, through CTEs and subqueries; names of CTEs are not among them
}

// TableRef is a relation that a SELECT reads.
type TableRef struct {
	Table twice.Table
	At    int // byte offset in the text; -1: unknown
}
