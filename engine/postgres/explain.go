package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"regexp"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/twice-data/twice"
)

// Explain implements engine.Driver.
func (d *Driver) Explain(err error) error {
	var known *twice.Error
	var many twice.Errors
	if err == nil || errors.As(err, &known) || errors.As(err, &many) {
		return err
	}
	var e *twice.Error
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &refused):
		e = d.refusal(refused)
	case isDial(err) && !errors.Is(err, context.Canceled):
		e = twice.Errorf("server-down", "no PostgreSQL answers at %s: %s", d.address(), lastCause(err)).
			WithNext("pg_isready -h %s -p %d", d.config.Host, d.config.Port)
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		e = twice.Errorf("canceled", "the statement was interrupted")
	case isLost(err):
		e = twice.Errorf("connection-lost", "the connection to %s broke: %s", d.address(), lastCause(err)).
			WithNext("run the same command again")
	default:
		e = twice.AsError(err)
	}
	e.Err = err
	return e
}

// refusal words what the server said.
func (d *Driver) refusal(p *pgconn.PgError) *twice.Error {
	e := &twice.Error{Code: "sql", Message: p.Message, Next: p.Hint}
	if p.Detail != "" {
		e.Message += ": " + p.Detail
	}
	user := pgx.Identifier{d.config.User}.Sanitize()
	switch {
	case p.Code == "40001" || p.Code == "40P01" || lostRace(p):
		e.Code = "serialization"
	case p.Code == "57P03":
		e.Code, e.Next = "server-down", fmt.Sprintf("pg_isready -h %s -p %d", d.config.Host, d.config.Port)
	case strings.HasPrefix(p.Code, "08") || p.Code == "57P01" || p.Code == "57P02" || p.Code == "57P05" || p.Code == "25P03":
		e.Code, e.Next = "connection-lost", "run the same command again"
	case p.Code == "53100":
		e.Code, e.Next = "disk-full", "free disk space on "+d.address()+" and run the same command again"
	case p.Code == "53300":
		e.Code, e.Next = "too-many-connections", "lower --jobs, or raise max_connections"
	case p.Code == "25006":
		e.Code, e.Next = "read-only", "point the target at the primary, or: ALTER ROLE "+user+" SET default_transaction_read_only = off"
	case p.Code == "42501":
		e.Code, e.Next = "permission", grant(p.Message, user)
	case p.Code == "28P01":
		e.Code, e.Exit = "wrong-password", twice.ExitProject
		e.Next = "check the password in the target's url, PGPASSWORD or ~/.pgpass"
	case strings.HasPrefix(p.Code, "28"):
		e.Code, e.Exit = "login", twice.ExitProject
		e.Next = "check the role, and that pg_hba.conf on " + d.address() + " lets it in"
	case p.Code == "3D000":
		e.Code, e.Exit = "no-database", twice.ExitProject
		e.Next = "createdb " + d.config.Database
	case p.Code == "3F000":
		e.Next = "CREATE SCHEMA " + pgx.Identifier{d.schema}.Sanitize()
	case p.Code == "55P03":
		e.Code, e.Exit = "target-held", twice.ExitHeld
		e.Message = "another session holds a lock that this one waited for too long: " + p.Message
		e.Next = "SELECT pid, application_name, query FROM pg_stat_activity WHERE pid = ANY (SELECT unnest(pg_blocking_pids(pid)) FROM pg_stat_activity)"
	}
	return e
}

// lostRace says that somebody else made the same schema or table at the same moment: IF NOT EXISTS does not see what is
// not committed yet, and then stumbles over the catalogue's own unique indexes.
func lostRace(p *pgconn.PgError) bool {
	switch p.Code {
	case "23505": // unique_violation
		return p.SchemaName == "pg_catalog" || p.SchemaName == "twice"
	case "42P06", "42P07", "42710": // duplicate_schema, duplicate_table, duplicate_object (a table's row type)
		return true
	case "XX000":
		return strings.Contains(p.Message, "tuple concurrently updated")
	default:
		return false
	}
}

var (
	deniedFor   = regexp.MustCompile(`^permission denied for (\S+) (.+)$`)
	deniedTemp  = regexp.MustCompile(`^permission denied to create temporary tables in database (.+)$`)
	mustBeOwner = regexp.MustCompile(`^must be owner of (\S+) (.+)$`)
)

// grant is the statement that an administrator types so that user may do what message says it may not. Messages in
// other languages than English get the general advice.
func grant(message, user string) string {
	if m := deniedTemp.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("GRANT TEMPORARY ON DATABASE %s TO %s", m[1], user)
	}
	if m := mustBeOwner.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("ALTER %s %s OWNER TO %s", strings.ToUpper(m[1]), m[2], user)
	}
	if m := deniedFor.FindStringSubmatch(message); m != nil {
		switch m[1] {
		case "table", "view", "materialized":
			name := strings.TrimPrefix(m[2], "view ")
			return fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s", name, user)
		case "schema":
			return fmt.Sprintf("GRANT USAGE, CREATE ON SCHEMA %s TO %s", m[2], user)
		case "database":
			return fmt.Sprintf("GRANT CREATE, TEMPORARY ON DATABASE %s TO %s", m[2], user)
		case "sequence":
			return fmt.Sprintf("GRANT USAGE ON SEQUENCE %s TO %s", m[2], user)
		case "function", "procedure":
			return fmt.Sprintf("GRANT EXECUTE ON %s %s TO %s", strings.ToUpper(m[1]), m[2], user)
		}
	}
	return "GRANT the missing privilege to " + user
}

// isDial says that no connection came about.
func isDial(err error) bool {
	var dial *net.OpError
	var name *net.DNSError
	var connect *pgconn.ConnectError
	return errors.As(err, &name) || errors.Is(err, syscall.ECONNREFUSED) ||
		errors.As(err, &dial) && dial.Op == "dial" || errors.As(err, &connect)
}

func isLost(err error) bool {
	for _, lost := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, driver.ErrBadConn,
		sql.ErrConnDone, syscall.EPIPE, syscall.ECONNRESET, syscall.ETIMEDOUT} {
		if errors.Is(err, lost) {
			return true
		}
	}
	var network net.Error
	return errors.As(err, &network) || strings.Contains(err.Error(), "conn closed")
}

// address is where the server is, and nothing of what may be a piece of a password with an @ or / in it.
func (d *Driver) address() string {
	return fmt.Sprintf("%s:%d", d.config.Host, d.config.Port)
}

// lastCause is the innermost error's text: the outer ones repeat the address.
func lastCause(err error) string {
	for {
		switch e := err.(type) { //nolint:errorlint // it walks the chain itself
		case interface{ Unwrap() error }:
			if e.Unwrap() == nil {
				return err.Error()
			}
			err = e.Unwrap()
		case interface{ Unwrap() []error }:
			err = e.Unwrap()[0]
		default:
			return err.Error()
		}
	}
}

// parseReason says why a url does not parse without any part of it, as a misplaced @ or : makes anything a password.
func parseReason(err error) string {
	var u *url.Error
	var parse *pgconn.ParseConfigError
	switch {
	case errors.As(err, &u):
		return "it does not parse as a URL"
	case errors.As(err, &parse) && strings.Contains(err.Error(), "failed to parse as"):
		return "it is neither a URL nor a list of keyword=value"
	default:
		return "a setting in it is not valid"
	}
}
