package duckdb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// holdEnv makes the test binary a process that holds the file it names: it says "ready", and ends with its input.
const holdEnv = "TWICE_TEST_HOLD"

func TestMain(m *testing.M) {
	path := os.Getenv(holdEnv)
	if path == "" {
		os.Exit(m.Run())
	}
	d, err := Open(context.Background(), Options{Path: path})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin) // the end of the input is the signal
	_ = d.Close()
}

// hold starts a process that holds path, and returns its PID and what makes it let go.
func hold(t *testing.T, path string) (pid int, letGo func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holdEnv+"="+path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "ready\n" {
		t.Fatalf("the other process said %q, %v", line, err)
	}
	return cmd.Process.Pid, func() {
		_ = in.Close()
		_ = cmd.Wait()
	}
}

func openTest(t *testing.T, o Options) *Driver {
	t.Helper()
	d, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func session(t *testing.T, d engine.Driver) *engine.Session {
	t.Helper()
	s, err := engine.Open(d, nil).Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func exec1(t *testing.T, s *engine.Session, query string) {
	t.Helper()
	if _, err := s.Exec(t.Context(), "test", query); err != nil {
		t.Fatal(err)
	}
}

func one[T any](t *testing.T, s *engine.Session, query string) T {
	t.Helper()
	var v T
	if err := s.Row(t.Context(), "test", query, &v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func wantError(t *testing.T, err error, code string, parts ...string) *twice.Error {
	t.Helper()
	var e *twice.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an Error with code %s", err, code)
	}
	if e.Code != code {
		t.Errorf("code is %s (%v), want %s", e.Code, e, code)
	}
	for _, p := range parts {
		if !strings.Contains(e.Message+"\n"+e.Next, p) {
			t.Errorf("%q, next %q does not say %q", e.Message, e.Next, p)
		}
	}
	return e
}

func TestSettingsHoldOnEveryConnection(t *testing.T) {
	t.Setenv("TZ", "America/New_York")
	d := openTest(t, Options{Path: filepath.Join(t.TempDir(), "x.duckdb"), Threads: 1, Memory: "512MB"})
	for range 3 {
		s := session(t, d)
		for name, want := range map[string]string{
			"checkpoint_threshold":         "931.3 GiB",
			"TimeZone":                     "UTC",
			"threads":                      "1",
			"memory_limit":                 "488.2 MiB",
			"autoload_known_extensions":    "false",
			"autoinstall_known_extensions": "false",
			"default_null_order":           "NULLS_LAST",
		} {
			got := one[string](t, s, "SELECT value FROM duckdb_settings() WHERE name = '"+name+"'")
			if got != want {
				t.Errorf("%s is %s, want %s", name, got, want)
			}
		}
	}
}

func TestErrorUndoesTransaction(t *testing.T) {
	s := session(t, openTest(t, Options{}))
	exec1(t, s, "CREATE TABLE t (a int)")
	err := s.Tx(t.Context(), func() error {
		exec1(t, s, "INSERT INTO t VALUES (1)")
		_, err := s.Exec(t.Context(), "bad", "SELECT nope FROM t") // by itself this error would not end the transaction
		return err
	})
	wantError(t, err, "sql", "nope")
	if n := one[int](t, s, "SELECT count(*) FROM t"); n != 0 {
		t.Errorf("half of the transaction is there: %d rows", n)
	}
}

// A commit of a row group or more writes the database itself, also behind small ones that went through the WAL.
func TestLargeCommitLeavesNoWAL(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.duckdb")
	s := session(t, openTest(t, Options{Path: path}))
	wal := func() int64 {
		info, err := os.Stat(path + ".wal")
		if err != nil {
			return 0
		}
		return info.Size()
	}
	commit := func(query string) {
		t.Helper()
		if err := s.Tx(t.Context(), func() error { exec1(t, s, query); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	commit("CREATE TABLE t AS SELECT i % 2 = 0 AS a FROM range(1000) r(i)")
	if wal() == 0 {
		t.Error("a small commit went past the WAL: many of them are slow that way")
	}
	for _, large := range []string{
		"INSERT INTO t SELECT i % 2 = 0 FROM range(122880) r(i)",
		"UPDATE t SET a = NOT a",
		"DELETE FROM t",
	} {
		commit("CREATE OR REPLACE TABLE small AS SELECT 1")
		commit(large)
		if n := wal(); n != 0 {
			t.Errorf("%s: %d bytes of WAL are left", large, n)
		}
	}
}

func TestSessionsShareNoViews(t *testing.T) {
	d := openTest(t, Options{})
	s := session(t, d)
	exec1(t, s, "CREATE TEMP VIEW v AS SELECT 1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := session(t, d).Exec(t.Context(), "read", "SELECT * FROM v")
	wantError(t, err, "sql", "v does not exist")
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][2]string{
		filepath.Join(dir, "none", "x.duckdb"): {"missing-folder", "mkdir -p " + filepath.Join(dir, "none")},
		text:                                   {"not-a-database", text},
		dir:                                    {"not-a-database", dir},
		filepath.Join(dir, "a?b.duckdb"):       {"bad-path", "a?b.duckdb"},
	} {
		_, err := Open(t.Context(), Options{Path: path})
		if e := wantError(t, err, want[0], want[1]); e.Exit != twice.ExitProject {
			t.Errorf("%s: exit code %d", path, e.Exit)
		}
	}
}

func TestReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.duckdb")
	d := openTest(t, Options{Path: path})
	w := session(t, d)
	exec1(t, w, "CREATE TABLE t (a int)")
	if err := errors.Join(w.Close(), d.Close()); err != nil {
		t.Fatal(err)
	}
	s := session(t, openTest(t, Options{Path: path, ReadOnly: true}))
	_, err := s.Exec(t.Context(), "insert", "INSERT INTO t VALUES (1)")
	wantError(t, err, "read-only")
}

func TestReadOnlyFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "x.duckdb")
	if f, err := os.Create(path); err == nil {
		_ = f.Close()
		t.Skip("this user may write anywhere")
	}
	_, err := Open(t.Context(), Options{Path: path})
	wantError(t, err, "read-only", path)
}

func TestHeldByAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.duckdb")
	pid, letGo := hold(t, path)
	defer letGo()
	_, err := Open(t.Context(), Options{Path: path})
	e := wantError(t, err, "target-held", path, fmt.Sprintf("(PID %d)", pid), "--wait")
	if e.Exit != twice.ExitHeld {
		t.Errorf("exit code %d", e.Exit)
	}
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if name := strings.TrimSpace(string(comm)); !strings.Contains(e.Message, name) {
		t.Errorf("%q does not name the process %s", e.Message, name)
	}
	if _, err = Open(t.Context(), Options{Path: path, Wait: 30 * time.Millisecond}); err == nil {
		t.Fatal("opened a file that is held")
	}
	wantError(t, err, "target-held")
}

func TestWaitsUntilTheFileIsFree(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.duckdb")
	_, letGo := hold(t, path)
	opened := make(chan error, 1)
	go func() {
		d, err := Open(context.Background(), Options{Path: path, Wait: time.Minute})
		if err == nil {
			err = d.Close()
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Fatalf("did not wait: %v", err)
	default:
	}
	letGo()
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.duckdb")
	_, letGo := hold(t, path)
	defer letGo()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, Options{Path: path, Wait: time.Hour}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestHeldByThisProcess(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.duckdb")
	d := openTest(t, Options{Path: path})
	link := filepath.Join(dir, "link.duckdb")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Options{Path: link})
	wantError(t, err, "target-held", "this process")
	s := session(t, d)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), Options{Path: path}) // DuckDB would spin here until the session ends
	wantError(t, err, "target-held", "this process")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openTest(t, Options{Path: link})
}

func BenchmarkOpenToFirstQuery(b *testing.B) {
	path := filepath.Join(b.TempDir(), "x.duckdb")
	for b.Loop() {
		d, err := Open(b.Context(), Options{Path: path})
		if err != nil {
			b.Fatal(err)
		}
		var n int
		if err := d.db.QueryRow("SELECT 1").Scan(&n); err != nil {
			b.Fatal(err)
		}
		_ = d.Close()
	}
}

func BenchmarkConnect(b *testing.B) {
	d, err := Open(b.Context(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	for b.Loop() {
		c, err := d.Connect(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		_ = c.Close()
	}
}

// TestSmallCommitsDoNotGrowTheLogForEver commits rows of a megabyte, one at a time.
func TestSmallCommitsDoNotGrowTheLogForEver(t *testing.T) {
	d := openTest(t, Options{Path: filepath.Join(t.TempDir(), "a.duckdb")})
	s := session(t, d)
	if _, err := s.Exec(t.Context(), "create", "CREATE TABLE t (x VARCHAR)"); err != nil {
		t.Fatal(err)
	}
	var most int64
	for range 40 {
		err := s.Tx(t.Context(), func() error {
			_, err := s.Exec(t.Context(), "insert", "INSERT INTO t VALUES (repeat('x', 1000000))")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, d.logged())
	}
	if most < logMost || most > logMost+2_000_000 {
		t.Errorf("the log grew to %d bytes", most)
	}
}
