package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/engine/postgres"
	"github.com/twice-data/twice/engine/postgres/pgtest"
)

const postgresRows = 1_000_000

// csvFeeds writes two CSV files with the same keys and other amounts.
func csvFeeds(b *testing.B, rows int) [2]string {
	s := open(b, b.TempDir())
	var files [2]string
	for i := range files {
		files[i] = filepath.Join(s.dir, fmt.Sprintf("feed%d.csv", i))
		s.exec(fmt.Sprintf(`COPY (SELECT i AS id, TIMESTAMP '2020-01-06' + to_microseconds(i * (86400000000 // %d)) AS ts,
			CAST(hash(i) %% 50000 AS INTEGER) AS customer, CAST((hash(i, %d) %% 100000) / 100.0 AS DECIMAL(12,2)) AS amount,
			'order number ' || i AS note FROM range(%d) r(i)) TO '%s' (HEADER)`, rows, i, rows, files[i]))
	}
	return files
}

const (
	feedColumns = `columns: {id: bigint, ts: timestamp, customer: integer, amount: "decimal(12,2)", note: varchar}`
	tableDDL    = "CREATE TABLE t (id BIGINT, ts TIMESTAMP, customer INTEGER, amount NUMERIC(12,2), note TEXT)"
	contract    = "columns:\n  - {name: id, type: bigint}\n  - {name: ts, type: timestamp}\n  - {name: customer, type: integer}\n" +
		"  - {name: amount, type: \"numeric(12,2)\"}\n  - {name: note, type: text}\n"
)

// onPostgres makes a side whose runner writes to a database of its own.
func onPostgres(b *testing.B, url string) *side {
	d, err := postgres.Open(context.Background(), postgres.Options{URL: url})
	if err != nil {
		b.Fatal(err)
	}
	db := engine.Open(d, nil)
	s, err := db.Session(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close(); db.Close() })
	return &side{B: b, db: db, s: s, dir: b.TempDir()}
}

// copyStage is \copy by hand: the file into a temporary table.
func copyStage(b *testing.B, conn *pgx.Conn, file string) {
	b.Helper()
	ctx := context.Background()
	if _, err := conn.Exec(ctx, "CREATE TEMP TABLE stage (LIKE t)"); err != nil {
		b.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if _, err := conn.PgConn().CopyFrom(ctx, f, "COPY stage FROM STDIN (FORMAT csv, HEADER)"); err != nil {
		b.Fatal(err)
	}
}

func byHand(b *testing.B, conn *pgx.Conn, file string, statements ...string) {
	b.Helper()
	run := func(sql string) {
		if _, err := conn.Exec(context.Background(), sql); err != nil {
			b.Fatalf("%s: %v", sql, err)
		}
	}
	run("BEGIN")
	copyStage(b, conn, file)
	for _, st := range statements {
		run(st)
	}
	run("DROP TABLE stage")
	run("COMMIT")
}

func postgresPair(b *testing.B, key bool) (*pgx.Conn, *side) {
	server := pgtest.Start(b)
	urls := [2]string{server.Database(b), server.Database(b)}
	ddl := tableDDL
	if key {
		ddl += "; CREATE UNIQUE INDEX t_id ON t (id)"
	}
	for _, url := range urls {
		conn, err := pgx.Connect(context.Background(), url)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := conn.Exec(context.Background(), ddl); err != nil {
			b.Fatal(err)
		}
		conn.Close(context.Background())
	}
	conn, err := pgx.Connect(context.Background(), urls[0])
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close(context.Background()) })
	return conn, onPostgres(b, urls[1])
}

func BenchmarkPostgresOverwrite(b *testing.B) {
	files := csvFeeds(b, postgresRows)
	conn, ours := postgresPair(b, false)
	r, ps := ours.runnerOf("write: overwrite\ntime_column: ts\nwindow: day\nbegin: 2020-01-06\nend: 2020-01-07\n"+contract, "feed.csv", feedColumns)
	compare(b, 1.30, func(round int) {
		byHand(b, conn, files[round%2], "DELETE FROM t WHERE ts >= TIMESTAMP '2020-01-06' AND ts < TIMESTAMP '2020-01-07'",
			"INSERT INTO t SELECT * FROM stage")
	}, func(round int) {
		ours.feedAs(files[round%2], "feed.csv")
		ours.run(r, ps, round)
	})
}

func BenchmarkPostgresMerge(b *testing.B) {
	files := csvFeeds(b, postgresRows)
	conn, ours := postgresPair(b, true)
	r, ps := ours.runnerOf("write: merge\nunique_key: [id]\n"+contract, "feed.csv", feedColumns)
	compare(b, 1.30, func(round int) {
		byHand(b, conn, files[round%2], `MERGE INTO t USING stage s ON t.id = s.id
			WHEN MATCHED THEN UPDATE SET ts = s.ts, customer = s.customer, amount = s.amount, note = s.note
			WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.ts, s.customer, s.amount, s.note)`)
	}, func(round int) {
		ours.feedAs(files[round%2], "feed.csv")
		ours.run(r, ps, round)
	})
}

// BenchmarkMemory overwrites a window in processes of their own and compares their peak memory: of a million and of ten
// million CSV rows into PostgreSQL, and of a million Parquet rows into DuckDB against the same statements by hand.
func BenchmarkMemory(b *testing.B) {
	if task := os.Getenv("TWICE_BENCH_TASK"); task != "" {
		memoryTask(b, strings.Split(task, "|"))
		return
	}
	server := pgtest.Start(b)
	peak := func(task ...string) float64 {
		c := exec.Command(os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkMemory$", "-test.benchtime=1x")
		c.Env = append(os.Environ(), "TWICE_BENCH_TASK="+strings.Join(task, "|"))
		out, err := c.CombinedOutput()
		if err != nil {
			b.Fatalf("%v: %v\n%s", task, err, out)
		}
		var kb float64
		if _, found, ok := strings.Cut(string(out), "VmHWM:"); !ok {
			b.Skip("peak memory is read from /proc")
		} else if _, err := fmt.Sscan(found, &kb); err != nil {
			b.Fatal(err)
		}
		return kb / 1024
	}
	var mb [2]float64
	for i, rows := range []int{postgresRows, 10 * postgresRows} {
		mb[i] = peak("postgres", csvFeeds(b, rows)[0], server.Database(b), strconv.Itoa(rows))
	}
	b.Logf("PostgreSQL, overwrite from CSV: 1 million rows %.0f MB, 10 million rows %.0f MB, ratio %.2f: %s the bar of 1.20",
		mb[0], mb[1], mb[1]/mb[0], verdict(mb[1]/mb[0], 1.20))
	file := feeds(b)[0]
	hand, ours := peak("hand", file), peak("duckdb", file)
	b.Logf("DuckDB, overwrite from Parquet: by hand %.0f MB, twice %.0f MB, ratio %.2f: %s the bar of 1.20",
		hand, ours, ours/hand, verdict(ours/hand, 1.20))
	b.ReportMetric(0, "ns/op")
}

// memoryTask does one task and prints this process's peak. The parent cannot ask for it: what wait4 gives counts the
// parent's own memory too, which the child shares until it calls exec.
func memoryTask(b *testing.B, task []string) {
	defer func() {
		status, _ := os.ReadFile("/proc/self/status") // empty elsewhere
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "VmHWM:") {
				fmt.Print(line)
			}
		}
	}()
	switch task[0] {
	case "postgres":
		s := onPostgres(b, task[2])
		r, ps := s.runnerOf("write: overwrite\ntime_column: ts\nwindow: day\nbegin: 2020-01-06\nend: 2020-01-07\n"+contract, "feed.csv", feedColumns)
		s.feedAs(task[1], "feed.csv")
		s.run(r, ps, 1)
	case "hand":
		s := open(b, b.TempDir())
		s.exec("CREATE TABLE t (" + sixColumns + ")")
		s.exec("BEGIN")
		s.exec("DELETE FROM t")
		s.exec(fmt.Sprintf("INSERT INTO t SELECT * FROM read_parquet('%s')", task[1]))
		s.exec("COMMIT")
	case "duckdb":
		s := open(b, b.TempDir())
		r, ps := s.runner("write: overwrite\ntime_column: ts\nwindow: day\nbegin: 2020-01-06\nend: 2020-01-07\n", "select * from feed")
		s.feed(task[1])
		s.run(r, ps, 1)
	}
}
