package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"testing"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/engine/duckdb"
	"github.com/twice-data/twice/ledger"
	"github.com/twice-data/twice/project"
	"github.com/twice-data/twice/run"
)

// Sizes of the tables: ten days of a million rows, one of which is written again.
const (
	days       = 10
	dayRows    = 1_000_000
	rounds     = 15
	sixColumns = "id BIGINT, ts TIMESTAMP, customer INTEGER, amount DECIMAL(12,2), status VARCHAR, note VARCHAR"
)

// rowsOf is a SELECT of a day's rows; another salt gives other amounts for the same keys.
func rowsOf(day, salt string) string {
	return fmt.Sprintf(`SELECT %s * %d + i AS id, TIMESTAMP '2020-01-01' + INTERVAL 1 DAY * (%s) + to_microseconds(i * 86000) AS ts,
		CAST(hash(i) %% 50000 AS INTEGER) AS customer, CAST((hash(i, %s) %% 100000) / 100.0 AS DECIMAL(12,2)) AS amount,
		CASE i %% 3 WHEN 0 THEN 'new' WHEN 1 THEN 'paid' ELSE 'shipped' END AS status, 'order number ' || i AS note
		FROM range(%d) r(i)`, day, dayRows, day, salt, dayRows)
}

// side is one of the two databases that a benchmark compares.
type side struct {
	*testing.B
	db  *engine.DB
	s   *engine.Session
	dir string
}

func open(b *testing.B, dir string) *side {
	d, err := duckdb.Open(context.Background(), duckdb.Options{Path: filepath.Join(dir, "target.duckdb")})
	if err != nil {
		b.Fatal(err)
	}
	db := engine.Open(d, nil)
	s, err := db.Session(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close(); db.Close() })
	return &side{B: b, db: db, s: s, dir: dir}
}

// openPlain is open for statements by hand, at whose commits DuckDB does what it does by default.
func openPlain(b *testing.B, dir string) *side {
	s := open(b, dir)
	s.exec("RESET checkpoint_threshold")
	return s
}

func (s *side) exec(query string) {
	s.Helper()
	if _, err := s.s.Exec(context.Background(), "bench", query); err != nil {
		s.Fatal(err)
	}
}

// fill makes the table t with ten days of rows.
func (s *side) fill() {
	s.exec("CREATE TABLE t (" + sixColumns + ")")
	for day := range days {
		s.exec("INSERT INTO t " + rowsOf(fmt.Sprint(day), "1"))
	}
	s.exec("CHECKPOINT")
}

// twins are two databases with the table t in them, the one for statements by hand, the other for ours. They are copies of
// one file: how the rows of two tables lie that were filled alike is chance, and decides about some hundredths.
func twins(b *testing.B) (hand, ours *side) {
	handDir, oursDir := b.TempDir(), b.TempDir()
	first := open(b, b.TempDir())
	first.fill()
	first.s.Close()
	if err := first.db.Close(); err != nil {
		b.Fatal(err)
	}
	for _, dir := range []string{handDir, oursDir} {
		file, err := os.ReadFile(filepath.Join(first.dir, "target.duckdb"))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "target.duckdb"), file, 0o600)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	return openPlain(b, handDir), open(b, oursDir)
}

// feeds writes two Parquet files with day 5's rows that differ in their amounts.
func feeds(b *testing.B) [2]string {
	return feedsOf(b, [2]string{rowsOf("5", "2"), rowsOf("5", "3")})
}

func feedsOf(b *testing.B, queries [2]string) [2]string {
	s := open(b, b.TempDir())
	var files [2]string
	for i, query := range queries {
		files[i] = filepath.Join(s.dir, fmt.Sprintf("feed%d.parquet", i))
		s.exec(fmt.Sprintf("COPY (%s) TO '%s' (FORMAT parquet)", query, files[i]))
	}
	return files
}

// runner makes a project around one pipeline that reads feed.parquet, and a runner of it on the side's database.
func (s *side) runner(header, query string) (*run.Runner, []*twice.Pipeline) {
	return s.runnerFor("/* @twice\n" + header + "inputs:\n  feed: {files: \"feed.parquet\"}\n*/\n" + query + "\n")
}

// runnerOf does the same for another file, with options of its reader.
func (s *side) runnerOf(header, file, reader string) (*run.Runner, []*twice.Pipeline) {
	return s.runnerFor(fmt.Sprintf("/* @twice\n%sinputs:\n  feed: {files: %q, %s}\n*/\nselect * from feed\n", header, file, reader))
}

func (s *side) runnerFor(text string) (*run.Runner, []*twice.Pipeline) {
	s.project(text)
	p, err := project.Load(s.dir, os.LookupEnv)
	if err != nil {
		s.Fatal(err)
	}
	r := &run.Runner{
		DB: s.db, Project: p.Pipelines, Dir: s.dir, Temp: s.TempDir(), ID: "bench", Version: "bench",
		Me: ledger.Process{Host: "bench", PID: os.Getpid(), Alive: func(int) bool { return true }},
	}
	r.Now = time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)
	return r, p.Pipelines
}

// project writes the files of a project with one pipeline.
func (s *side) project(text string) {
	for name, body := range map[string]string{
		"twice.yml":       "project: bench\ndefault_target: dev\ntargets:\n  dev: {engine: duckdb, path: target.duckdb}\n",
		"pipelines/t.sql": text,
	} {
		path := filepath.Join(s.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			s.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
			s.Fatal(err)
		}
	}
}

// feed lays a Parquet file where both sides look for it: like a day's new file it is in no cache of DuckDB's.
func (s *side) feed(file string) { s.feedAs(file, "feed.parquet") }

func (s *side) feedAs(file, name string) {
	path := filepath.Join(s.dir, name)
	_ = os.Remove(path) // the first time there is none
	if err := os.Link(file, path); err != nil {
		s.Fatal(err)
	}
}

func (s *side) run(r *run.Runner, ps []*twice.Pipeline, id int) {
	s.Helper()
	r.ID = fmt.Sprintf("bench-%d", id)
	r.On = func(e run.Event) {
		if e.Status != twice.Committed {
			s.Fatalf("window %s: %s %v", e.Window, e.Status, e.Err)
		}
	}
	if _, err := r.Run(context.Background(), ps); err != nil {
		s.Fatal(err)
	}
}

// compare measures hand and ours in turns, and reports the median of the rounds' ratios: a machine that is slow for a while
// is so for both sides of a round.
func compare(b *testing.B, bar float64, hand, ours func(round int)) {
	var hs, os, ratios []float64
	timed := func(f func(int), round int) float64 {
		began := time.Now()
		f(round)
		return time.Since(began).Seconds()
	}
	timed(hand, 0) // warm
	timed(ours, 0)
	for round := 1; round <= rounds; round++ {
		h := timed(hand, round)
		o := timed(ours, round)
		hs, os, ratios = append(hs, h), append(os, o), append(ratios, o/h)
	}
	ratio := median(ratios)
	b.ReportMetric(ratio, "ratio")
	b.ReportMetric(median(hs)*1000, "hand-ms")
	b.ReportMetric(median(os)*1000, "twice-ms")
	b.ReportMetric(0, "ns/op")
	b.Logf("hand %.0f ms, twice %.0f ms, ratio %.2f: %s the bar of %.2f", median(hs)*1000, median(os)*1000, ratio, verdict(ratio, bar), bar)
}

func verdict(ratio, bar float64) string {
	if ratio > bar {
		return "OVER"
	}
	return "within"
}

func median(xs []float64) float64 {
	sorted := append([]float64(nil), xs...)
	sort.Float64s(sorted)
	return sorted[len(sorted)/2]
}

func BenchmarkOverwrite(b *testing.B) {
	files := feeds(b)
	hand, ours := twins(b)
	r, ps := ours.runner("write: overwrite\ntime_column: ts\nwindow: day\nbegin: 2020-01-06\nend: 2020-01-07\n", "select * from feed")
	compare(b, 1.20, func(round int) {
		hand.feed(files[round%2])
		hand.exec("BEGIN")
		hand.exec("DELETE FROM t WHERE ts >= TIMESTAMP '2020-01-06' AND ts < TIMESTAMP '2020-01-07'")
		hand.exec(fmt.Sprintf("INSERT INTO t SELECT * FROM read_parquet('%s/feed.parquet')", hand.dir))
		hand.exec("COMMIT")
	}, func(round int) {
		ours.feed(files[round%2])
		ours.run(r, ps, round)
	})
}

func BenchmarkMerge(b *testing.B) { mergeBench(b, feeds(b)) }

// BenchmarkMergeEveryColumn merges rows that differ in each of their columns: what it costs when none can be left alone.
func BenchmarkMergeEveryColumn(b *testing.B) {
	mergeBench(b, feedsOf(b, [2]string{
		rowsOf("5", "2"),
		"SELECT id, ts + INTERVAL 1 SECOND AS ts, customer + 1 AS customer, CAST(amount + 1 AS DECIMAL(12,2)) AS amount, status || '!' AS status, " +
			"note || '!' AS note FROM (" + rowsOf("5", "2") + ")",
	}))
}

func mergeBench(b *testing.B, files [2]string) {
	hand, ours := twins(b)
	r, ps := ours.runner("write: merge\nunique_key: [id]\n", "select * from feed")
	compare(b, 1.35, func(round int) {
		hand.feed(files[round%2])
		hand.exec(fmt.Sprintf(`MERGE INTO t USING (SELECT * FROM read_parquet('%s/feed.parquet')) AS s ON t.id = s.id
			WHEN MATCHED THEN UPDATE SET ts = s.ts, customer = s.customer, amount = s.amount, status = s.status, note = s.note
			WHEN NOT MATCHED THEN INSERT`, hand.dir))
	}, func(round int) {
		ours.feed(files[round%2])
		ours.run(r, ps, round)
	})
}

func BenchmarkMergeUnchanged(b *testing.B) {
	files := feeds(b)
	hand, ours := twins(b)
	r, ps := ours.runner("write: merge\nunique_key: [id]\n", "select * from feed")
	r.Force = true
	ours.feed(files[0])
	compare(b, 1.35, func(int) {
		hand.exec(fmt.Sprintf(`MERGE INTO t USING (SELECT * FROM read_parquet('%s')) AS s ON t.id = s.id
			WHEN MATCHED THEN UPDATE SET ts = s.ts, customer = s.customer, amount = s.amount, status = s.status, note = s.note
			WHEN NOT MATCHED THEN INSERT`, files[0]))
	}, func(round int) { ours.run(r, ps, round) })
}

func BenchmarkPublish(b *testing.B) {
	files := feeds(b)
	hand, ours := twins(b)
	r, ps := ours.runner("write: publish\n", "select * from feed")
	compare(b, 1.25, func(round int) {
		hand.feed(files[round%2])
		hand.exec(fmt.Sprintf("CREATE TABLE t_new AS SELECT * FROM read_parquet('%s/feed.parquet')", hand.dir))
		hand.exec("BEGIN")
		hand.exec("DROP TABLE IF EXISTS t_old")
		hand.exec("ALTER TABLE t RENAME TO t_old")
		hand.exec("ALTER TABLE t_new RENAME TO t")
		hand.exec("COMMIT")
	}, func(round int) {
		ours.feed(files[round%2])
		ours.run(r, ps, round)
	})
}
