package postgres_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine/postgres"
	"github.com/twice-data/twice/engine/postgres/pgtest"
)

// as is address with another user.
func as(t testing.TB, address string, user *url.Userinfo) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = user
	return u.String()
}

func wantError(t *testing.T, err error, code string, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", code)
	}
	e := twice.AsError(err)
	if e.Code != code {
		t.Errorf("code %q, want %q: %v (next: %s)", e.Code, code, e, e.Next)
	}
	for _, word := range words {
		if !strings.Contains(e.Message+"\n"+e.Next, word) {
			t.Errorf("%q is neither in %q nor in %q", word, e.Message, e.Next)
		}
	}
}

func TestWhoCannotComeIn(t *testing.T) {
	server := pgtest.Start(t)
	address := server.Database(t)
	role := strings.TrimPrefix(mustURL(t, address).Path, "/") + "_role"
	s := session(t, open(t, postgres.Options{URL: address}))
	exec(t, s, `DO $$ BEGIN CREATE ROLE password_required; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
		"CREATE ROLE "+role+" LOGIN PASSWORD 'right-secret' IN ROLE password_required")
	t.Cleanup(func() { exec(t, s, "DROP ROLE "+role) })

	for _, c := range []struct {
		name, url, code string
		words           []string
	}{
		{"wrong password", as(t, address, url.UserPassword(role, "wrong-secret")), "wrong-password", []string{role, "PGPASSWORD"}},
		{"no such role", as(t, address, url.UserPassword("nobody_here", "wrong-secret")), "login", []string{"nobody_here"}},
		{"no such database", strings.Replace(server.URL("nowhere_db"), "postgres@", "postgres:wrong-secret@", 1), "no-database", []string{"createdb nowhere_db"}},
		{"server down", fmt.Sprintf("postgres://me:wrong-secret@127.0.0.1:%d/db", closedPort(t)), "server-down", []string{"refused", "pg_isready -h 127.0.0.1"}},
		{"no such host", "postgres://me:wrong-secret@host.invalid/db", "server-down", []string{"host.invalid"}},
		{"not a url", "postgres://me:wrong-secret@host:port/db", "bad-url", []string{"postgres://"}},
		{"a / in the password", "postgres://me:x@/wrong-secret@host/db?port=1", "bad-url", []string{"more than one @"}},
		{"not even that", "wrong-secret", "bad-url", nil},
		{"a bad setting", "host=x password=wrong-secret sslmode=perhaps", "bad-url", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := postgres.Open(ctx, postgres.Options{URL: c.url})
			wantError(t, err, c.code, c.words...)
			if e := twice.AsError(err); strings.Contains(fmt.Sprintf("%s %s %v", e, e.Next, e.Message), "wrong-secret") {
				t.Errorf("the password is printed: %v", err)
			}
		})
	}
}

func mustURL(t testing.TB, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func closedPort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestMissingPrivilegesNameTheGrant(t *testing.T) {
	server := pgtest.Start(t)
	address := server.Database(t)
	database := strings.TrimPrefix(mustURL(t, address).Path, "/")
	role := database + "_role"
	admin := session(t, open(t, postgres.Options{URL: address}))
	exec(t, admin, "CREATE ROLE "+role+" LOGIN", "CREATE TABLE t (x int)", "CREATE SCHEMA closed", "CREATE SEQUENCE seq",
		"REVOKE CREATE ON SCHEMA public FROM public", "REVOKE TEMPORARY ON DATABASE "+database+" FROM public",
		"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "REVOKE EXECUTE ON FUNCTION f FROM public")
	t.Cleanup(func() { exec(t, admin, "DROP ROLE "+role) })

	s := session(t, open(t, postgres.Options{URL: as(t, address, url.User(role))}))
	for statement, next := range map[string]string{
		"SELECT * FROM t":               "GRANT SELECT, INSERT, UPDATE, DELETE ON t TO " + `"` + role + `"`,
		"CREATE TABLE u (x int)":        "GRANT USAGE, CREATE ON SCHEMA public TO",
		"CREATE TABLE closed.u (x int)": "GRANT USAGE, CREATE ON SCHEMA closed TO",
		"CREATE SCHEMA twice":           "GRANT CREATE, TEMPORARY ON DATABASE " + database + " TO",
		"CREATE TEMP TABLE u (x int)":   "GRANT TEMPORARY ON DATABASE",
		"SELECT nextval('seq')":         "GRANT USAGE ON SEQUENCE seq TO",
		"SELECT f()":                    "GRANT EXECUTE ON FUNCTION f TO",
		"ALTER TABLE t ADD y int":       "ALTER TABLE t OWNER TO",
	} {
		_, err := s.Exec(ctx, "exec", statement)
		t.Run(statement, func(t *testing.T) { wantError(t, err, "permission", next) })
	}
}

func TestExplain(t *testing.T) {
	db := target(t)
	s := session(t, db)
	exec(t, s, "CREATE TABLE t (x int PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)")
	for statement, c := range map[string]struct{ code, words string }{
		"SELECT 1 / 0":              {"sql", "division by zero"},
		"INSERT INTO t VALUES (1)":  {"sql", "Key (x)=(1) already exists"},
		"SELECT lowwer('X')":        {"sql", "No function matches"},
		"CREATE TABLE nowhere.u ()": {"sql", "nowhere"},
		"DO $$BEGIN RAISE EXCEPTION SQLSTATE '53100' USING MESSAGE = 'no space'; END$$": {"disk-full", "no space"},
		"DO $$BEGIN RAISE EXCEPTION SQLSTATE '53300' USING MESSAGE = 'full'; END$$":     {"too-many-connections", "--jobs"},
	} {
		_, err := s.Exec(ctx, "exec", statement)
		t.Run(statement, func(t *testing.T) { wantError(t, err, c.code, c.words) })
	}
	if db.Explain(nil) != nil {
		t.Error("nil is explained")
	}
	own := twice.Errorf("mine", "mine")
	if db.Explain(own) != error(own) {
		t.Error("an Error is changed")
	}
	canceled, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err := s.Exec(canceled, "exec", "SELECT pg_sleep(60)")
	wantError(t, err, "canceled")
}

func TestReadOnly(t *testing.T) {
	s := session(t, target(t))
	exec(t, s, "SET default_transaction_read_only = on")
	_, err := s.Exec(ctx, "exec", "CREATE TABLE t (x int)")
	wantError(t, err, "read-only", "default_transaction_read_only")
}

func TestAHeldLock(t *testing.T) {
	address := pgtest.Start(t).Database(t)
	holder := session(t, open(t, postgres.Options{URL: address}))
	exec(t, holder, "CREATE TABLE t (x int)", "BEGIN", "LOCK TABLE t")
	_, err := session(t, open(t, postgres.Options{URL: address, LockTimeout: 1})).Exec(ctx, "exec", "INSERT INTO t VALUES (1)")
	wantError(t, err, "target-held", "pg_blocking_pids")
	if twice.ExitCode(err) != twice.ExitHeld {
		t.Errorf("exit code %d", twice.ExitCode(err))
	}
	exec(t, holder, "ROLLBACK")
}

func TestADeadlockIsASerializationFailure(t *testing.T) {
	db := target(t)
	a, b := session(t, db), session(t, db)
	exec(t, a, "SET deadlock_timeout = '10ms'", "CREATE TABLE t (x int)", "INSERT INTO t VALUES (1), (2)", "BEGIN", "UPDATE t SET x = x WHERE x = 1")
	exec(t, b, "SET deadlock_timeout = '10s'", "BEGIN", "UPDATE t SET x = x WHERE x = 2")
	done := make(chan error)
	go func() {
		_, err := b.Exec(ctx, "exec", "UPDATE t SET x = x WHERE x = 1")
		done <- err
	}()
	_, err := a.Exec(ctx, "exec", "UPDATE t SET x = x WHERE x = 2")
	if err == nil { // b came second
		exec(t, a, "COMMIT")
		err = <-done
	} else {
		exec(t, a, "ROLLBACK")
		if err := <-done; err != nil {
			t.Errorf("the other one fails too: %v", err)
		}
	}
	wantError(t, err, "serialization", "deadlock")
	exec(t, b, "ROLLBACK")
}

func TestASilentTransactionIsEnded(t *testing.T) {
	address := pgtest.Start(t).Database(t)
	zombie := session(t, open(t, postgres.Options{URL: address, IdleTimeout: 1}))
	exec(t, zombie, "CREATE TABLE t (x int)", "BEGIN")
	// It holds what the next one waits for, until the server ends it.
	_, err := zombie.Exec(ctx, "exec", "LOCK TABLE t")
	if err == nil {
		exec(t, session(t, open(t, postgres.Options{URL: address})), "INSERT INTO t VALUES (1)")
		_, err = zombie.Exec(ctx, "commit", "COMMIT")
	}
	wantError(t, err, "connection-lost")
}

func TestLostConnections(t *testing.T) {
	server := pgtest.Start(t)
	address := server.Database(t)
	exec(t, session(t, open(t, postgres.Options{URL: address})), "CREATE TABLE t (x int)")
	proxy := server.Proxy(t)
	db := open(t, postgres.Options{URL: proxy.Through(address)})
	for _, c := range []struct {
		cut  pgtest.Cut
		code string
		rows string
	}{
		{pgtest.Cut{Kind: pgtest.Statement, Text: "INSERT", N: 1}, "connection-lost", "0"},
		{pgtest.Cut{Kind: pgtest.Reply, Text: "INSERT", N: 1}, "connection-lost", "0"},
		{pgtest.Cut{Kind: pgtest.Statement, Text: "COMMIT", N: 1}, "commit-unknown", "0"},
		{pgtest.Cut{Kind: pgtest.Reply, Text: "COMMIT", N: 1}, "commit-unknown", "1"},
	} {
		t.Run(fmt.Sprint(c.cut), func(t *testing.T) {
			s := session(t, db)
			before := proxy.Fired()
			proxy.Arm(c.cut)
			err := s.Tx(ctx, func() error {
				_, err := s.Exec(ctx, "insert", "INSERT INTO t VALUES (1)")
				return err
			})
			wantError(t, err, c.code)
			if proxy.Fired() != before+1 {
				t.Error("nothing was cut")
			}
			if got := value(t, session(t, db), "SELECT count(*) FROM t"); got != c.rows {
				t.Errorf("%s rows, want %s", got, c.rows)
			}
		})
	}
	s := session(t, db)
	var pid int
	if err := s.Row(ctx, "pid", "SELECT pg_backend_pid()", &pid); err != nil {
		t.Fatal(err)
	}
	exec(t, session(t, db), fmt.Sprintf("SELECT pg_terminate_backend(%d, 10000)", pid))
	_, err := s.Exec(ctx, "exec", "SELECT 1")
	wantError(t, err, "connection-lost")
}
