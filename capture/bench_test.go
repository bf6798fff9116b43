package capture

import (
	"bufio"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/engine/duckdb"
	"github.com/twice-data/twice/engine/postgres/pgtest"
	"github.com/twice-data/twice/manifest"
)

// BenchmarkPostgresMillion is a million rows from PostgreSQL into a DuckDB table through a capture, as a ratio to COPY TO
// STDOUT and DuckDB's own read.
func BenchmarkPostgresMillion(b *testing.B) {
	s := pgtest.Start(b)
	url := s.Database(b)
	s.Exec(b, database(url), `CREATE TABLE src AS SELECT i AS id, i % 1000 AS customer, (i * 7 % 100000)::numeric(12,2) / 100 AS total,
		'row number ' || i AS note, timestamptz '2020-01-01' + i * interval '1 second' AS at, i % 3 = 0 AS paid
		FROM generate_series(1, 1000000) AS i; ANALYZE src`)
	const query = "select id, customer, total::numeric(12,2) as total, note, at, paid from src"
	for b.Loop() {
		began := time.Now()
		byHand(b, url, query)
		hand := time.Since(began)

		began = time.Now()
		tmp := b.TempDir()
		c := &Capturer{Store: manifest.Local{Dir: filepath.Join(tmp, "store")}}
		pins, err := c.Capture(b.Context(), queried("postgres", url, query), []twice.Window{{}}, tmp)
		if err != nil {
			b.Fatal(err)
		}
		took := time.Since(began)
		load(b, "read_parquet('"+manifest.CapturePath(tmp, pins[0][0].Capture.SHA256)+"')")
		b.ReportMetric(hand.Seconds(), "s/by-hand")
		b.ReportMetric(took.Seconds(), "s/capture")
		b.ReportMetric(time.Since(began).Seconds()/hand.Seconds(), "ratio")
	}
}

func byHand(b *testing.B, url, query string) {
	conn, err := pgx.Connect(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(b.Context())
	name := filepath.Join(b.TempDir(), "rows.csv")
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	if _, err := conn.PgConn().CopyTo(b.Context(), w, "COPY ("+query+") TO STDOUT (FORMAT csv)"); err != nil {
		b.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	load(b, "read_csv('"+name+"', header = false, columns = {'id': 'INTEGER', 'customer': 'INTEGER', "+
		"'total': 'DECIMAL(12,2)', 'note': 'VARCHAR', 'at': 'TIMESTAMPTZ', 'paid': 'BOOLEAN'})")
}

// load makes a table of a file database from a relation, with all threads, as a run would.
func load(b *testing.B, from string) {
	d, err := duckdb.Open(b.Context(), duckdb.Options{Path: filepath.Join(b.TempDir(), "t.duckdb")})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	s, err := engine.Open(d, nil).Session(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Exec(b.Context(), "load", "CREATE TABLE t AS SELECT * FROM "+from); err != nil {
		b.Fatal(err)
	}
}
