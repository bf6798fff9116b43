package examples_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twice-data/twice/engine/postgres/pgtest"
)

// TestSameOnBothTargets runs each example on DuckDB and on PostgreSQL and finds no difference between the tables; then one
// cell is changed behind its back, and diff names the row and the column.
func TestSameOnBothTargets(t *testing.T) {
	for _, c := range []struct {
		name, data string
		prepare    func(*example)
		run        []string
		tables     []string
		cell       string // a statement that changes one cell
		names      []string
	}{
		{
			name: "jaffle_shop", data: "D_jaffle_shop", tables: []string{"orders", "customers"},
			cell:  "update orders set status = 'lost' where order_id = 7",
			names: []string{"7", "status", "lost"},
		},
		{
			name: "covid_italy", prepare: func(e *example) {
				for _, feed := range []string{"province", "regioni"} {
					e.land(feed, "landing")
					e.land(feed, "corrections")
				}
			}, tables: []string{"province", "regioni", "national"},
			cell:  "update national set deaths = deaths + 1 where day = date '2020-04-01'",
			names: []string{"2020-04-01", "deaths"},
		},
		{
			name: "kev", data: "B_kev", tables: []string{"vulnerabilities"},
			cell:  "update vulnerabilities set product = 'nothing' where cve_id = (select min(cve_id) from vulnerabilities)",
			names: []string{"product", "nothing"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := newExample(t, c.name, filepath.Join(feeds, c.data), "dev")
			e.url = pgtest.Start(t).Database(t)
			if c.prepare != nil {
				e.data = t.TempDir()
				c.prepare(e)
			}
			for _, e.target = range []string{"prod", "dev"} {
				e.twice(0, "run")
			}
			for _, table := range c.tables {
				if code, stdout, stderr := e.start("diff", table, "--against", "prod"); code != 0 {
					t.Errorf("%s differs between the targets: exit code %d\n%s%s", table, code, stdout, stderr)
				}
			}
			db, err := sql.Open("pgx", e.url)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			res, err := db.Exec(c.cell)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := res.RowsAffected(); n != 1 || err != nil {
				t.Fatalf("%s: %d rows, %v", c.cell, n, err)
			}
			table := strings.Fields(c.cell)[1]
			code, stdout, stderr := e.start("diff", table, "--against", "prod")
			for _, name := range c.names {
				if !strings.Contains(stdout, name) {
					t.Errorf("diff does not name %s", name)
				}
			}
			if code != 1 {
				t.Errorf("exit code %d for a difference\n%s", code, stderr)
			}
			t.Logf("after %s:\n%s", c.cell, stdout)
		})
	}
}
