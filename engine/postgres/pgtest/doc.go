// Package pgtest starts a real PostgreSQL for tests, and breaks connections to it at places of a test's choice.
//
//	Server    one server for a test binary: Start(t), then Database(t) gives each test a database of its own
//	Proxy     a wire.Proxy in front of it: it cuts sessions before or after a given message
//
// It imports testing and is for tests alone.
package pgtest
