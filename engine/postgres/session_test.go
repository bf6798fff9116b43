package postgres_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/engine/postgres"
	"github.com/twice-data/twice/engine/postgres/pgtest"
)

// TestSessionAnew uses a connection again. Nothing of the session before may be left: its tables would hide the target's,
// its settings would change results.
func TestSessionAnew(t *testing.T) {
	db := target(t)
	pid := ""
	for round := range 3 {
		s, err := db.Session(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if again := value(t, s, "SELECT pg_backend_pid()"); round > 0 && again != pid {
			t.Errorf("round %d has a connection of its own", round)
		} else {
			pid = again
		}
		if left := value(t, s, "SELECT count(*) FROM pg_class WHERE relpersistence = 't'"); left != "0" {
			t.Errorf("%s temporary relations are left", left)
		}
		if left := value(t, s, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"); left != "0" {
			t.Errorf("%s advisory locks are left", left)
		}
		if got := value(t, s, "SELECT current_setting('TimeZone') || ' ' || current_setting('work_mem') || ' ' || current_user"); got != "UTC 4MB postgres" {
			t.Errorf("settings are left: %s", got)
		}
		file := filepath.Join(t.TempDir(), "feed.csv")
		if err := os.WriteFile(file, fmt.Appendf(nil, "id\n%d\n", round), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := db.Attach(ctx, s, engine.Relation{Name: "feed", Files: []string{file}}); err != nil {
			t.Fatal(err)
		}
		if got := value(t, s, "SELECT id FROM feed"); got != fmt.Sprint(round) {
			t.Errorf("round %d reads %s", round, got)
		}
		exec(t, s, "CREATE TEMPORARY VIEW v AS SELECT 1", "SET TimeZone = 'Asia/Tokyo'", "SET work_mem = '9MB'",
			"SELECT pg_advisory_lock(7)", "SET ROLE pg_monitor")
		s.Close()
	}
}

// TestSessionGone opens a session when the server has ended the idle connections.
func TestSessionGone(t *testing.T) {
	db := target(t)
	s, err := db.Session(ctx)
	if err != nil {
		t.Fatal(err)
	}
	pid := value(t, s, "SELECT pg_backend_pid()")
	s.Close()
	other := open(t, postgres.Options{URL: pgtest.Start(t).URL("postgres")})
	exec(t, session(t, other), "SELECT pg_terminate_backend("+pid+", 10000)")
	if again := value(t, session(t, db), "SELECT pg_backend_pid()"); again == pid {
		t.Error("the same process answers")
	}
}
