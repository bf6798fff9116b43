package wire

import (
	"errors"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// errTLS and errSeveral say why a Proxy cannot stand in front of a server.
var (
	errTLS     = errors.New("the url asks for TLS, which nobody can look into")
	errSeveral = errors.New("the url names several servers")
)

// plain reads a connection string, with what the environment, services and .pgpass add to it. It must name one server, and
// allow a connection without TLS: what was to be encrypted is not sent in the clear.
func plain(address string) (*pgconn.Config, error) {
	config, err := pgconn.ParseConfig(address)
	if err != nil {
		return nil, errors.New("the url is not a PostgreSQL address") // the cause may show the password
	}
	open := config.TLSConfig == nil
	for _, f := range config.Fallbacks {
		if f.Host != config.Host || f.Port != config.Port {
			return nil, errSeveral
		}
		open = open || f.TLSConfig == nil
	}
	if !open {
		return nil, errTLS
	}
	return config, nil
}

func networkOf(c *pgconn.Config) (network, address string) {
	return pgconn.NetworkAddress(c.Host, c.Port)
}

// Through is a connection string of the form postgres://…, to a database of the proxy's server, that leads through the
// proxy. What depended on the server's name, like a password of .pgpass, is in it.
func (p *Proxy) Through(address string) (string, error) {
	config, err := plain(address)
	if err != nil {
		return "", err
	}
	old, err := url.Parse(address)
	if err != nil {
		return "", errors.New("the url is not of the form postgres://…")
	}
	query := url.Values{}
	for name, values := range old.Query() {
		switch {
		case strings.HasPrefix(name, "ssl"), name == "host", name == "port", name == "user", name == "password",
			name == "dbname", name == "database":
		default:
			query[name] = values
		}
	}
	query.Set("sslmode", "disable")
	u := url.URL{Scheme: "postgres", User: url.UserPassword(config.User, config.Password), Host: p.listener.Addr().String(),
		Path: "/" + config.Database, RawQuery: query.Encode()}
	if config.Password == "" {
		u.User = url.User(config.User)
	}
	return u.String(), nil
}
