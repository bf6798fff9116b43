package main

import (
	"database/sql"
	"strconv"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/twice-data/twice/engine/postgres/pgtest"
)

// pgWorld is a project whose target is a PostgreSQL database of its own.
type pgWorld struct {
	*world
	server *pgtest.Server
	url    string
	db     *sql.DB // as an onlooker
}

// newPostgres makes a project of files on an empty database. Its url comes from the environment, as it should.
func newPostgres(t *testing.T, files map[string]string) *pgWorld {
	server := pgtest.Start(t)
	w := &pgWorld{world: newWorld(t, files), server: server, url: server.Database(t)}
	w.write("twice.yml", "project: test\ndefault_target: prod\ntargets:\n  prod: {engine: postgres, url: \"${DATABASE_URL}\"}\n")
	w.env = []string{"DATABASE_URL=" + w.url, "TMPDIR=" + t.TempDir()}
	var err error
	if w.db, err = sql.Open("pgx", w.url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.db.Close() })
	return w
}

// through leads the program's connections to the server over a proxy.
func (w *pgWorld) through(p *pgtest.Proxy) { w.env[0] = "DATABASE_URL=" + p.Through(w.url) }

func (w *pgWorld) exec(query string) {
	w.Helper()
	if _, err := w.db.Exec(query); err != nil {
		w.Fatalf("%s: %v", query, err)
	}
}

// text is the one value that a query gives.
func (w *pgWorld) text(query string) string {
	w.Helper()
	var text sql.NullString
	if err := w.db.QueryRow(query).Scan(&text); err != nil {
		w.Fatalf("%s: %v", query, err)
	}
	return text.String
}

func (w *pgWorld) number(query string) int {
	w.Helper()
	n, err := strconv.Atoi(w.text(query))
	if err != nil {
		w.Fatalf("%s: %v", query, err)
	}
	return n
}

// reset empties the database. It waits for sessions of killed programs, which may hold locks until they notice.
func (w *pgWorld) reset() {
	w.Helper()
	w.exec("SET client_min_messages = warning; DROP SCHEMA IF EXISTS twice, mart, public CASCADE; CREATE SCHEMA public")
}

// rows are a table's rows, sorted, as one text.
func (w *pgWorld) rows(table string) string {
	w.Helper()
	return w.text("SELECT string_agg(t::text, E'\\n' ORDER BY t::text) FROM " + table + " t")
}

// quiet waits until every session of the program has ended on the server.
func (w *pgWorld) quiet() {
	w.Helper()
	w.exec(`DO $$ BEGIN
		FOR i IN 1 .. 1000 LOOP
			PERFORM pg_stat_clear_snapshot();
			EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'twice');
			PERFORM pg_sleep(0.01);
		END LOOP;
	END $$`)
}

// residues are queries for what nobody may leave behind, each the number of such things.
var residues = map[string]string{
	"staging tables":   `SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname LIKE '%\_\_staging'`,
	"temporary tables": `SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relpersistence = 't'`,
	"sessions":         `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'twice'`,
	"held leases":      `SELECT count(*) FROM twice.leases WHERE run <> ''`,
	"windows committed twice": `SELECT count(*) FROM (SELECT FROM twice.history GROUP BY pipeline, window_start, manifest, code
		HAVING count(*) > 1) AS d`,
	"windows with two receipts": `SELECT count(*) FROM (SELECT FROM twice.receipts GROUP BY pipeline, window_start
		HAVING count(*) > 1) AS d`,
	"deadlocks": `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`,
}

// noResidue looks for what a crash or a crowd may have left.
func (w *pgWorld) noResidue(how string) {
	w.Helper()
	w.quiet()
	for what, query := range residues {
		if n := w.number(query); n > 0 {
			w.Errorf("%s: %d %s", how, n, what)
		}
	}
}

// feed is the project of a story with two days of input.
func (w *pgWorld) feed() *pgWorld {
	w.write("in/2020-03-01.csv", "id,n\n1,1\n2,1\n")
	w.write("in/2020-03-02.csv", "id,n\n2,2\n3,1\n")
	return w
}
