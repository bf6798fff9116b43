package pgtest

import (
	"testing"

	"github.com/twice-data/twice/engine/postgres/wire"
)

// Proxy is a wire.Proxy in front of a test's server.
type Proxy struct{ *wire.Proxy }

// Cut and Kind say where it cuts.
type (
	Cut  = wire.Cut
	Kind = wire.Kind
)

// The kinds.
const (
	Statement = wire.Statement
	Reply     = wire.Reply
)

// Proxy starts a proxy in front of s; it ends with the test.
func (s *Server) Proxy(t testing.TB) *Proxy {
	t.Helper()
	p, err := wire.Listen(s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return &Proxy{p}
}

// Through is a server's URL, as Database gives it, that leads through the proxy.
func (p *Proxy) Through(address string) string {
	through, err := p.Proxy.Through(address)
	if err != nil {
		panic(err) // Database gave it
	}
	return through
}
