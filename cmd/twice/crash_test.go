package main

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"
)

// stories are small projects, one for each write; each has a window that is new and one that replaces rows.
var stories = map[string]map[string]string{
	"overwrite": {
		"pipelines/t.sql": "/* @twice\nwrite: overwrite\ntime_column: day\nwindow: day\nbegin: 2020-03-01\nend: 2020-03-03\n" +
			"inputs:\n  feed: {files: \"in/{start:%Y-%m-%d}.csv\"}\nchecks:\n  - unique: [id]\n*/\nselect $start::date as day, id, n from feed\n",
	},
	"merge": {
		"pipelines/t.sql": "/* @twice\nwrite: merge\nunique_key: [id]\nversion: n\nwindow: day\nbegin: 2020-03-01\nend: 2020-03-03\n" +
			"inputs:\n  feed: {files: \"in/{start:%Y-%m-%d}.csv\"}\n*/\nselect id, n from feed\n",
	},
	"publish": {
		"pipelines/t.sql": "/* @twice\nwrite: publish\ninputs:\n  feed: {files: \"in/*.csv\"}\nchecks:\n  - rows: {min: 1}\n*/\nselect id, n from feed\n",
	},
}

func crashWorld(t *testing.T, write string) *world {
	w := newWorld(t, stories[write])
	w.write("in/2020-03-01.csv", "id,n\n1,1\n2,1\n")
	w.write("in/2020-03-02.csv", "id,n\n2,2\n3,1\n")
	return w
}

// TestCrash kills a real process with SIGKILL before and after every statement of each write, also twice in a row, runs
// again to the end, and compares with the clean run. The history in the ledger tells that each window was committed once.
func TestCrash(t *testing.T) {
	for write := range stories {
		t.Run(write, func(t *testing.T) {
			t.Parallel()
			w := crashWorld(t, write)
			points := w.trace("run")
			clean := w.fingerprint("t")
			rows := w.rows()
			recovered := 0
			step := 1
			if testing.Short() {
				step = 5
			}
			w.crash(crashes{points: points, step: step, pairs: rounds(10), again: w.reset, holds: func(how string) {
				t.Helper()
				if got := w.rows(); got != rows {
					t.Fatalf("%s: after a run again the table has\n%s\nthe clean run\n%s", how, got, rows)
				}
				w.noResidue(how)
				if recovered++; recovered%10 != 0 {
					return
				}
				w.must("verify")
				if got := w.must("run"); !strings.Contains(got.stdout, "up to date") {
					t.Fatalf("%s: one more run is not up to date:\n%s", how, got.stdout)
				}
			}})
			t.Logf("%s: all equal to the clean run (%s), no residue", write, clean)
		})
	}
}

// rows are the table's rows, sorted, as one text.
func (w *world) rows() string {
	w.Helper()
	db, err := sql.Open("duckdb", filepath.Join(w.dir, "target.duckdb")+"?access_mode=READ_ONLY")
	if err != nil {
		w.Fatal(err)
	}
	defer db.Close()
	var text string
	if err := db.QueryRow("SELECT string_agg(CAST(t AS VARCHAR), '\n' ORDER BY id, n) FROM t").Scan(&text); err != nil {
		w.Fatal(err)
	}
	return text
}

// noResidue looks for what a crash may have left: staging tables, temporary files, a WAL, held leases, a window committed
// twice.
func (w *world) noResidue(how string) {
	w.Helper()
	db, err := sql.Open("duckdb", filepath.Join(w.dir, "target.duckdb")+"?access_mode=READ_ONLY")
	if err != nil {
		w.Fatal(err)
	}
	defer db.Close()
	for what, query := range map[string]string{
		"staging tables": "SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE '%staging' OR table_name LIKE 'twice\\_%' ESCAPE '\\'",
		"held leases":    "SELECT count(*) FROM twice.leases WHERE run <> ''",
		"windows committed twice": "SELECT count(*) FROM (SELECT window_start FROM twice.history GROUP BY pipeline, window_start, manifest, code " +
			"HAVING count(*) > 1)",
		"windows with two receipts": "SELECT count(*) FROM (SELECT 1 FROM twice.receipts GROUP BY pipeline, window_start HAVING count(*) > 1)",
	} {
		var n int
		if err := db.QueryRow(query).Scan(&n); err != nil {
			w.Fatal(err)
		}
		if n > 0 {
			w.Errorf("%s: %d %s are left", how, n, what)
		}
	}
	files, err := filepath.Glob(filepath.Join(w.dir, "*"))
	if err != nil {
		w.Fatal(err)
	}
	for _, f := range files {
		if name := filepath.Base(f); name != "twice.yml" && name != "pipelines" && name != "in" && name != "target.duckdb" && name != ".twice" {
			w.Errorf("%s: %s is left", how, name)
		}
	}
}

// bigRows is more than a row group: from that size on, a commit of this DuckDB that dies half-way can lose its atomicity
// unless it goes past the WAL (see engine/duckdb).
const bigRows = 400_000

func bigWorld(t *testing.T) *world {
	w := newWorld(t, map[string]string{
		"pipelines/t.sql": fmt.Sprintf("/* @twice\nwrite: overwrite\ntime_column: ts\nwindow: day\nbegin: 2020-03-01\nend: 2020-03-02\n"+
			"inputs:\n  feed: {files: \"in/{start:%%Y-%%m-%%d}.csv\"}\n*/\n"+
			"select $start::timestamp + to_microseconds(i) as ts, i + f.salt as n, 'row ' || i as name from feed f, range(%d) r(i)\n", bigRows),
	})
	w.write("in/2020-03-01.csv", "salt\n1\n")
	return w
}

// TestCrashInsideCommit kills at random moments of a commit larger than a row group. Statement boundaries cannot find a
// torn commit.
func TestCrashInsideCommit(t *testing.T) {
	t.Parallel()
	w := bigWorld(t)
	w.must("run")
	old := w.fingerprint("t")
	w.write("in/2020-03-01.csv", "salt\n2\n")
	w.must("run")
	clean := w.fingerprint("t")
	r := rand.New(rand.NewPCG(3, 4))
	kills := rounds(12)
	if testing.Short() {
		kills = 6
	}
	seen := map[string]int{}
	for range kills {
		w.reset()
		w.write("in/2020-03-01.csv", "salt\n1\n")
		w.must("run")
		w.write("in/2020-03-01.csv", "salt\n2\n")
		w.killAfterCommitBegins(time.Duration(r.IntN(400)) * time.Millisecond)
		switch got := w.fingerprint("t"); got {
		case old:
			seen["old"]++
		case clean:
			seen["new"]++
		default:
			t.Fatalf("after SIGKILL inside COMMIT the table has %s; only %s (before) and %s (after) may be", got, old, clean)
		}
		if wal := filepath.Join(w.dir, "target.duckdb.wal"); exists(wal) {
			w.tearWAL(wal, "inside COMMIT")
		}
		w.must("verify")
		w.must("run")
		if got := w.fingerprint("t"); got != clean {
			t.Fatalf("after a run again the table has %s, want %s", got, clean)
		}
		w.noResidue("killed inside COMMIT")
	}
	t.Logf("%d kills inside a commit of %d rows: %d left the old rows, %d the new ones, 0 a mixture", kills, bigRows, seen["old"], seen["new"])
}

func exists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}

// killAfterCommitBegins starts a run that stops itself right before the COMMIT of the data, wakes it, and kills it after d.
func (w *world) killAfterCommitBegins(d time.Duration) {
	w.Helper()
	ctx, cancel := context.WithCancel(w.Context())
	defer cancel()
	c := w.command("run")
	c.Env = append(c.Env, "TWICE_TRACE=/dev/stderr")
	pipe, err := c.StderrPipe()
	if err != nil {
		w.Fatal(err)
	}
	if err := c.Start(); err != nil {
		w.Fatal(err)
	}
	defer func() { _ = c.Wait() }()
	context.AfterFunc(ctx, func() { _ = c.Process.Kill() })
	fenced := false
	var line []byte
	one := make([]byte, 1)
	for {
		if _, err := pipe.Read(one); err != nil {
			return
		}
		if one[0] != '\n' {
			line = append(line, one[0])
			continue
		}
		text := string(line)
		line = line[:0]
		fenced = fenced || strings.Contains(text, "fence")
		if fenced && strings.HasPrefix(text, "before") && strings.HasSuffix(text, "commit") {
			break
		}
	}
	time.Sleep(d) // the moment is meant to be random
	_ = c.Process.Kill()
}

// TestTornWAL truncates the WAL that a kill around a commit leaves at every byte of its tail, and opens the database: the
// table must have the rows before or after, and the receipt must say the same.
func TestTornWAL(t *testing.T) {
	t.Parallel()
	w := crashWorld(t, "overwrite")
	const before, after = "id,n\n2,2\n3,1\n", "id,n\n2,3\n4,1\n5,1\n"
	change := func() {
		w.reset()
		w.write("in/2020-03-02.csv", before)
		w.must("run")
		w.write("in/2020-03-02.csv", after)
	}
	change()
	points := w.trace("run")
	left := 0
	for _, p := range points {
		if !strings.HasSuffix(p, "commit") {
			continue
		}
		change()
		w.killed(crashAt(p), "run")
		if wal := filepath.Join(w.dir, "target.duckdb.wal"); exists(wal) {
			left++
			w.tearWAL(wal, p)
		}
	}
	if left == 0 {
		t.Error("no WAL was left by any kill: this test tries nothing")
	}
}

func (w *world) tearWAL(wal, where string) {
	w.Helper()
	whole, err := os.ReadFile(wal)
	if err != nil {
		w.Fatal(err)
	}
	base, err := os.ReadFile(filepath.Join(w.dir, "target.duckdb"))
	if err != nil {
		w.Fatal(err)
	}
	torn := 0
	for cut := len(whole); cut >= max(0, len(whole)-64); cut-- {
		w.write("target.duckdb", string(base))
		w.write("target.duckdb.wal", string(whole[:cut]))
		if r := w.run("verify"); r.code != 0 {
			w.Fatalf("WAL of %d bytes, killed %s, cut at %d: %s%s", len(whole), where, cut, r.stdout, r.stderr)
		}
		torn++
	}
	w.Logf("killed %s: a WAL of %d bytes was left; cut at each of its last %d bytes: the table and its receipt agreed each time", where, len(whole), torn)
}
