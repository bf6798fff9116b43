package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// late is a window whose first version takes its time on the server.
func late(version, seconds int) string {
	return fmt.Sprintf("/* @twice\nwrite: overwrite\ntime_column: day\nwindow: day\nbegin: 2020-03-01\nend: 2020-03-03\n"+
		"allow:\n  - {rule: volatile-function, reason: it takes time and gives nothing}\n*/\n"+
		"select $start::date as day, i as id, %d as version from generate_series(1, 3) as g(i), (select pg_sleep(%d)) as s\n", version, seconds)
}

// active waits until the program is at work on a statement that starts with text.
func (w *pgWorld) active(text string) {
	w.Helper()
	w.exec(`DO $$ BEGIN
		FOR i IN 1 .. 3000 LOOP
			PERFORM pg_stat_clear_snapshot();
			EXIT WHEN EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'twice'
				AND state = 'active' AND query LIKE '` + text + `%');
			ASSERT i < 3000, 'no ` + text + ` came';
			PERFORM pg_sleep(0.01);
		END LOOP;
	END $$`)
}

// TestPostgresPausedInsideAStatement stops a run while the server is at work for it. Its lease is over long before the
// statement is: the next run may take the window over only when the other's transaction has ended. The window is empty
// before, so that the two have no row in common that would make one wait for the other.
func TestPostgresPausedInsideAStatement(t *testing.T) {
	w := newPostgres(t, nil)
	w.write("pipelines/t.sql", late(0, 0))
	w.must("run", "--start", "2020-03-02")
	w.write("pipelines/t.sql", late(1, 4))
	args := []string{"run", "--end", "2020-03-02", "--lease", "1s", "--wait", "1m"}
	a := &asleep{Cmd: w.command(args...), T: t}
	a.Stdout, a.Stderr = &a.out, &a.out
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Process.Kill() })
	w.active("INSERT INTO \"public\".\"t\"")
	if err := a.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	w.write("pipelines/t.sql", late(2, 0))
	w.must(args...)
	if r := a.wake(); r.code != 3 || !strings.Contains(r.stdout, "was taken over by another run") {
		t.Errorf("exit code %d, want 3 and that it lost its lease\n%s", r.code, r.stdout)
	}
	if got := w.text("SELECT string_agg(version::text, ' ') FROM t WHERE day = '2020-03-01'"); got != "2 2 2" {
		t.Errorf("the table has versions %s", got)
	}
	w.noResidue("paused inside INSERT")
	w.must("verify")
}

// TestPostgresOrphan kills a run whose COMMIT is under way, and runs it again at once: the rows of the killed run are not
// to be seen yet, and are there a moment later. This is how a partition doubles.
func TestPostgresOrphan(t *testing.T) {
	w := newPostgres(t, nil)
	w.write("pipelines/t.sql", late(0, 0))
	w.must("run", "--end", "2020-03-02")
	// COMMIT takes less than the second after which the server looks whether its client is still there.
	w.exec(`CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.8); RETURN NULL; END';
		CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON twice.receipts DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION nap()`)
	orphans := 0
	n := rounds(3)
	for v := 1; v <= n; v++ {
		w.write("pipelines/t.sql", late(v, 0))
		c := w.command("run", "--end", "2020-03-02")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		w.active("COMMIT")
		_ = c.Process.Kill()
		_ = c.Wait()
		killed := c.Process.Pid
		w.must("run", "--end", "2020-03-02")
		if got, want := w.text("SELECT string_agg(version::text, ' ') FROM t"), fmt.Sprintf("%d %[1]d %[1]d", v); got != want {
			t.Errorf("round %d: the table has versions %s, want %s", v, got, want)
		}
		w.noResidue(fmt.Sprintf("round %d", v))
		orphans += w.number("SELECT count(*) FROM twice.receipts JOIN twice.runs USING (run) WHERE pid = " + fmt.Sprint(killed))
	}
	w.must("verify")
	t.Logf("%d kills inside COMMIT, %d of which were committed by the orphaned session; every window has its rows once", n, orphans)
}
