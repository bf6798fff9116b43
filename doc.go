// Package twice holds the nouns of the engine and their arithmetic. It does no I/O and imports nothing else of the
// project.
//
// Glossary, in the order in which data flows:
//
//	pipeline     one SQL SELECT, in one file, that fills one table
//	window       the half-open interval [start, end) that one run is responsible for; the unit of idempotency
//	input        a named relation that the SELECT reads: files, a table, a query, a command, a topic, a pipeline
//	manifest     exactly what a window's inputs resolved to, recorded before the work starts
//	write        overwrite, merge or publish: the three ways to write, each f(f(x)) = f(x)
//	check        a condition on the rows about to become visible; it blocks or warns
//	receipt      the row, committed with the data, that says which window was written, by which code, from what
//	ledger       runs, manifests, receipts, leases and offsets: tables in the schema "twice" of the target
//	fingerprint  an order-independent hash of a set of rows; equal rows count
//	target       a database that pipelines write to; an engine is the kind of it
//	law          a property that "twice prove" tests
package twice
