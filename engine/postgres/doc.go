// Package postgres writes to PostgreSQL, version 14 and later.
//
//	Driver    engine.Driver over pgx: sessions with fixed settings, the catalogue, the parser, the words for errors
//	Attach    files -> embedded DuckDB -> binary COPY -> a temporary table under the input's name
//	Parse     PostgreSQL's own grammar, with the target's views opened
//
// Nothing here starts a server; package pgtest does, for tests.
package postgres
