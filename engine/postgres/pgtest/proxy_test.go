package pgtest_test

import (
	"context"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/twice-data/twice/engine/postgres/pgtest"
)

func TestProxyCuts(t *testing.T) {
	s := pgtest.Start(t)
	for _, c := range []struct {
		name      string
		cut       pgtest.Cut
		known     bool // the client sees COMMIT succeed
		committed string
	}{
		{"no cut", pgtest.Cut{}, true, "yes"},
		{"before BEGIN's reply", pgtest.Cut{Kind: pgtest.Reply, N: 1}, false, "no"},
		{"before the second statement", pgtest.Cut{Kind: pgtest.Statement, N: 2}, false, "no"},
		{"after the second reply", pgtest.Cut{Kind: pgtest.Reply, N: 2, After: true}, false, "no"},
		{"before COMMIT", pgtest.Cut{Kind: pgtest.Statement, Text: "commit", N: 1}, false, "no"},
		{"after COMMIT was sent", pgtest.Cut{Kind: pgtest.Statement, Text: "commit", N: 1, After: true}, false, "unknown"},
		{"before COMMIT's reply", pgtest.Cut{Kind: pgtest.Reply, Text: "COMMIT", N: 1}, false, "yes"},
		{"after COMMIT's reply", pgtest.Cut{Kind: pgtest.Reply, Text: "COMMIT", N: 1, After: true}, true, "yes"},
		{"a cut that never comes", pgtest.Cut{Kind: pgtest.Statement, N: 4}, true, "yes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := context.Background()
			address := s.Database(t)
			plain := connect(t, address)
			if _, err := plain.Exec(ctx, "CREATE TABLE t (x int)"); err != nil {
				t.Fatal(err)
			}
			p := s.Proxy(t)
			through := connect(t, p.Through(address))
			p.Arm(c.cut)
			var err error
			for _, statement := range []string{"BEGIN", "INSERT INTO t VALUES (1)", "COMMIT"} {
				if _, err = through.Exec(ctx, statement); err != nil {
					break
				}
			}
			if c.committed != "unknown" && (err == nil) != c.known { // otherwise the reply may come before the cut
				t.Errorf("the client saw %v", err)
			}
			if want := c.cut.N > 0 && c.cut.N < 4; (p.Fired() == 1) != want {
				t.Errorf("fired %d times; saw %v", p.Fired(), p.Log())
			}
			var rows int
			if err := plain.QueryRow(ctx, "SELECT count(*) FROM t").Scan(&rows); err != nil {
				t.Fatal(err)
			}
			if c.committed != "unknown" && (rows == 1) != (c.committed == "yes") {
				t.Errorf("%d rows are there", rows)
			}
		})
	}
}

func TestProxyPassesPasswordsAndBulk(t *testing.T) {
	ctx := context.Background()
	s := pgtest.Start(t)
	address := s.Database(t)
	plain := connect(t, address)
	if _, err := plain.Exec(ctx, `CREATE ROLE password_required; CREATE ROLE visitor LOGIN PASSWORD 'pea' IN ROLE password_required;
		CREATE TABLE t (x int, y text); GRANT ALL ON t TO visitor`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := plain.Exec(ctx, "DROP OWNED BY visitor; DROP ROLE visitor, password_required"); err != nil {
			t.Error(err)
		}
	})
	p := s.Proxy(t)
	config, err := pgx.ParseConfig(p.Through(address))
	if err != nil {
		t.Fatal(err)
	}
	config.User, config.Password = "visitor", "wrong"
	if _, err := pgx.ConnectConfig(ctx, config); err == nil {
		t.Error("a wrong password is let in")
	}
	config.Password = "pea"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	rows := pgx.CopyFromSlice(50_000, func(i int) ([]any, error) { return []any{i, "some text"}, nil })
	if n, err := conn.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"x", "y"}, rows); err != nil || n != 50_000 {
		t.Fatalf("%d rows, %v", n, err)
	}
	var sum int
	if err := conn.QueryRow(ctx, "SELECT sum(x) FROM t WHERE x >= $1", 0).Scan(&sum); err != nil || sum != 1_249_975_000 {
		t.Errorf("sum %d, %v", sum, err)
	}
	if !slices.Contains(p.Log(), "reply COPY 50000") {
		t.Errorf("log: %q", p.Log())
	}
}

func connect(t *testing.T, address string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// A session that comes after a cut one is cut as well, for as many times as were asked for.
func TestProxyCutsSeveralTimes(t *testing.T) {
	ctx := context.Background()
	s := pgtest.Start(t)
	address := s.Database(t)
	plain := connect(t, address)
	if _, err := plain.Exec(ctx, "CREATE TABLE t (x int)"); err != nil {
		t.Fatal(err)
	}
	p := s.Proxy(t)
	p.Arm(pgtest.Cut{Kind: pgtest.Reply, Text: "INSERT", N: 2, Times: 2})
	var known []bool
	for i := range 4 {
		_, err := connect(t, p.Through(address)).Exec(ctx, "INSERT INTO t VALUES ($1)", i)
		known = append(known, err == nil)
	}
	var rows int
	if err := plain.QueryRow(ctx, "SELECT count(*) FROM t").Scan(&rows); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(known, []bool{true, false, false, true}) || p.Fired() != 2 || rows != 4 {
		t.Errorf("the client saw %v, %d cuts, %d rows are there", known, p.Fired(), rows)
	}
}
