package duckdb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestInstancesOpenOneFileAfterTheOther uses one DuckDB for several files: each has its own rows and settings, is written
// out when it is closed, and is then free for others.
func TestInstancesOpenOneFileAfterTheOther(t *testing.T) {
	var is Instances
	dir := t.TempDir()
	open := func(name string) *Driver {
		d, err := is.Open(t.Context(), Options{Path: filepath.Join(dir, name), BlockSize: 16 << 10})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	text := func(d *Driver, query string) (s string) {
		t.Helper()
		if err := d.db.QueryRowContext(t.Context(), query).Scan(&s); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return s
	}
	exec := func(d *Driver, statement string) {
		t.Helper()
		if _, err := d.db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	close := func(d *Driver) {
		t.Helper()
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}

	a, b := open("a.duckdb"), open("b.duckdb") // at the same time: in two of them
	exec(a, "CREATE TABLE t AS SELECT 'of a' AS x")
	exec(b, "CREATE TABLE t AS SELECT 'of b' AS x")
	exec(a, "SET GLOBAL threads = 3; SET GLOBAL checkpoint_threshold = '1GB'; PRAGMA disable_checkpoint_on_shutdown")
	close(a)
	if _, err := os.Stat(filepath.Join(dir, "a.duckdb.wal")); err != nil {
		t.Errorf("the log was written out although it was not to be: %v", err)
	}
	close(b)
	if len(is.idle) != 2 {
		t.Fatalf("%d instances, want 2", len(is.idle))
	}
	for range 2 { // in either instance
		for name, want := range map[string]string{"a.duckdb": "of a", "b.duckdb": "of b"} {
			d := open(name)
			if got := text(d, "SELECT x FROM t"); got != want {
				t.Errorf("%s holds the rows %s", name, got)
			}
			if got := text(d, "SELECT current_setting('threads') || ', ' || current_setting('checkpoint_threshold')"); got != "1, 931.3 GiB" {
				t.Errorf("%s is opened with %s", name, got)
			}
			exec(d, "CREATE OR REPLACE TABLE again AS SELECT 1")
			close(d)
			if entries, _ := filepath.Glob(filepath.Join(dir, name+".*")); len(entries) > 0 {
				t.Errorf("a closed database leaves %v", entries)
			}
			own := openTest(t, Options{Path: filepath.Join(dir, name)}) // it is nobody's any more
			if got := text(own, "SELECT x FROM t"); got != want {
				t.Errorf("%s holds the rows %s", name, got)
			}
			close(own)
		}
	}
	if len(is.idle) != 2 {
		t.Errorf("%d instances, want 2", len(is.idle))
	}
	if err := is.Close(); err != nil {
		t.Error(err)
	}
}

// TestInstancesLeaveWhatIsInUse closes a database that a session still has: its instance is not used again.
func TestInstancesLeaveWhatIsInUse(t *testing.T) {
	var is Instances
	path := filepath.Join(t.TempDir(), "a.duckdb")
	d, err := is.Open(t.Context(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := d.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := is.Open(t.Context(), Options{Path: path}); err == nil || !strings.Contains(err.Error(), "is held by this process") {
		t.Errorf("a file in use is opened again: %v", err)
	}
	if _, err := conn.ExecContext(t.Context(), "CREATE TABLE t AS SELECT 1"); err != nil {
		t.Errorf("the session does not work any more: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if d, err = is.Open(t.Context(), Options{Path: path}); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if len(is.idle) != 1 {
		t.Errorf("%d instances, want 1", len(is.idle))
	}
}
