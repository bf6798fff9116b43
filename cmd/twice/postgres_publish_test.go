package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// TestPostgresPublish publishes again and again while a reader polls the table and a view on it. What hangs on the table
// stays, and the reader sees one version each time.
func TestPostgresPublish(t *testing.T) {
	const rows = 2000
	w := newPostgres(t, nil)
	version := func(v int) {
		w.write("pipelines/t.sql", fmt.Sprintf("/* @twice\nwrite: publish\nchecks:\n  - unique: [id]\n*/\n"+
			"select i as id, %d as version from generate_series(1, %d) as g(i)\n", v, rows))
	}
	version(0)
	w.must("run")
	role := "reader_" + w.text("SELECT current_database()")
	w.exec("CREATE ROLE " + role)
	t.Cleanup(func() { w.server.Exec(t, "postgres", "DROP ROLE "+role) })
	t.Cleanup(func() { w.exec("DROP OWNED BY " + role + " CASCADE") })
	w.exec("CREATE VIEW v AS SELECT version, count(*) AS n FROM t GROUP BY version; CREATE INDEX t_id ON t (id);" +
		"COMMENT ON TABLE t IS 'the table'; COMMENT ON COLUMN t.id IS 'the id'; ALTER TABLE t ADD CONSTRAINT one UNIQUE (id);" +
		"GRANT SELECT ON t TO " + role + "; GRANT CREATE ON SCHEMA public TO " + role + "; ALTER TABLE t OWNER TO " + role + ";" +
		"ALTER TABLE t SET (fillfactor = 70); CREATE TABLE child (id int REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED)")
	hangs := `SELECT concat_ws(E'\n', 't'::regclass::oid, 'v'::regclass::oid, pg_get_viewdef('v'::regclass), relacl, reloptions,
		relowner::regrole, obj_description(oid), col_description(oid, 1),
		(SELECT string_agg(indexdef, '; ' ORDER BY indexname) FROM pg_indexes WHERE tablename = 't'),
		(SELECT string_agg(pg_get_constraintdef(oid), '; ' ORDER BY conname) FROM pg_constraint WHERE 't'::regclass IN (conrelid, confrelid)))
		FROM pg_class WHERE oid = 't'::regclass`
	before := w.text(hangs)

	ctx, stop := context.WithCancel(t.Context())
	polled := make(chan string, 1)
	polls, seen := 0, map[string]bool{}
	go func() {
		defer close(polled)
		for ctx.Err() == nil {
			for _, query := range []string{"SELECT format('%s of %s', count(*), string_agg(DISTINCT version::text, ' and ')) FROM t",
				"SELECT format('%s of %s', sum(n), string_agg(version::text, ' and ')) FROM v"} {
				var got string
				if err := w.db.QueryRow(query).Scan(&got); err != nil {
					polled <- err.Error()
					return
				}
				if !strings.HasPrefix(got, fmt.Sprintf("%d of ", rows)) || strings.Contains(got, "and") {
					polled <- "the reader sees " + got
					return
				}
				seen[got] = true
				polls++
			}
		}
	}()
	n := rounds(10)
	for v := 1; v <= n; v++ {
		version(v)
		w.must("run")
	}
	stop()
	if bad := <-polled; bad != "" {
		t.Error(bad)
	}
	if after := w.text(hangs); after != before {
		t.Errorf("after %d publishes\n%s\nbefore\n%s", n, after, before)
	}
	if len(seen) < 2 {
		t.Errorf("the reader saw %d versions: it proves nothing", len(seen))
	}
	w.noResidue("published")
	w.must("verify")
	t.Logf("%d publishes, %d reads of %d versions, each of one version with all its rows; views, grants, indexes, comments, owner and "+
		"constraints as before", n, polls, len(seen))
}
