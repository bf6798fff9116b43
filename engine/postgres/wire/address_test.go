package wire

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// What was to be encrypted is not sent in the clear, and of several servers it is not known which one to stand in front of.
func TestWhatAProxyCannotStandInFrontOf(t *testing.T) {
	for address, want := range map[string]error{
		"postgres://u@127.0.0.1:1/d?sslmode=disable":     nil,
		"postgres://u@127.0.0.1:1/d?sslmode=prefer":      nil,
		"postgres://u@127.0.0.1:1/d?sslmode=require":     errTLS,
		"postgres://u@127.0.0.1:1/d?sslmode=verify-full": errTLS,
		"postgres://u@127.0.0.1:1,127.0.0.2:1/d":         errSeveral,
	} {
		p, err := Listen(address)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", address, err, want)
		}
		if err == nil {
			p.Close()
		}
	}
}

// Through keeps who somebody is and what is set, and leads nowhere but to the proxy.
func TestThrough(t *testing.T) {
	p, err := Listen("postgres://127.0.0.1:1/d?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	t.Setenv("PGPASSWORD", "from/the environment")
	through, err := p.Through("postgres://ann@ignored/d%20e?host=elsewhere&port=9&sslmode=prefer&sslsni=0&statement_timeout=5s")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PGPASSWORD", "another")
	c, err := pgconn.ParseConfig(through)
	if err != nil {
		t.Fatal(err)
	}
	if _, address := networkOf(c); address != p.listener.Addr().String() || c.TLSConfig != nil || len(c.Fallbacks) > 0 {
		t.Errorf("%s leads to %s, %d more", through, address, len(c.Fallbacks))
	}
	if c.User != "ann" || c.Password != "from/the environment" || c.Database != "d e" || c.RuntimeParams["statement_timeout"] != "5s" {
		t.Errorf("%s: %q %q %q %v", through, c.User, c.Password, c.Database, c.RuntimeParams)
	}
}
