package pgtest_test

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/twice-data/twice/engine/postgres/pgtest"
)

func TestEachTestHasADatabaseOfItsOwn(t *testing.T) {
	s := pgtest.Start(t)
	for _, url := range []string{s.Database(t), s.Database(t)} {
		conn, err := pgx.Connect(context.Background(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		if _, err := conn.Exec(context.Background(), "CREATE TABLE t (x int)"); err != nil {
			t.Fatal(err)
		}
	}
	if s != pgtest.Start(t) {
		t.Error("a second Start started a second server")
	}
}

func TestAServerOfATestsOwnGoesWithoutTrace(t *testing.T) {
	s := pgtest.StartWith(t, pgtest.Options{Settings: map[string]string{"max_connections": "17"}})
	conn, err := pgx.Connect(context.Background(), s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	var n string
	if err := conn.QueryRow(context.Background(), "SHOW max_connections").Scan(&n); err != nil || n != "17" {
		t.Errorf("max_connections = %s, %v", n, err)
	}
	s.Stop()
	if _, err := os.Stat(s.Dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", s.Dir, err)
	}
	if conn.Ping(context.Background()) == nil {
		t.Error("the server still answers")
	}
}
