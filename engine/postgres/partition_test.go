package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// TestPartitioned writes to a table that is partitioned by the time column, a window a partition. What belongs to the
// partition stays, the others keep their rows, and a reader whose snapshot is older than the write sees the old rows.
func TestPartitioned(t *testing.T) {
	for _, write := range []twice.Write{twice.Overwrite, twice.Merge, twice.Publish} {
		t.Run(string(write), func(t *testing.T) {
			db := target(t)
			s, reader := session(t, db), session(t, db)
			exec(t, s, `CREATE TABLE t (ts timestamp NOT NULL, id integer NOT NULL, note text) PARTITION BY RANGE (ts)`,
				`CREATE UNIQUE INDEX ON t (ts, id)`,
				`CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM ('2020-03-01') TO ('2020-03-02')`,
				`CREATE TABLE t_2 PARTITION OF t FOR VALUES FROM ('2020-03-02') TO ('2020-03-03')`,
				`CREATE INDEX by_note ON t_2 (note)`,
				`GRANT SELECT ON t_2 TO PUBLIC`,
				`COMMENT ON TABLE t_2 IS 'the second day'`)
			p := &twice.Pipeline{Name: "t", Table: twice.Table{Name: "t"}, Write: write, TimeColumn: "ts", UniqueKey: []string{"ts", "id"}}
			day := func(n int, note string) *engine.Outcome {
				start := time.Date(2020, 3, n, 0, 0, 0, 0, time.UTC)
				p.SQL = fmt.Sprintf("SELECT $start + i * interval '1 minute' AS ts, i AS id, '%s' AS note FROM generate_series(0, 99) AS g(i)", note)
				o, err := s.Write(ctx, &engine.Job{
					Pipeline: p, Windows: []twice.Window{{Start: start, End: start.AddDate(0, 0, 1)}},
					Fence:   func(context.Context, *engine.Session) error { return nil },
					Receipt: func(context.Context, *engine.Session, *engine.Outcome) error { return nil },
				})
				if err != nil {
					t.Fatal(err)
				}
				return o
			}
			day(1, "first")
			first := day(2, "old")
			const rows = "SELECT string_agg(DISTINCT tableoid::regclass || ' ' || note, ', ') || ': ' || count(*) FROM t"
			exec(t, reader, "BEGIN ISOLATION LEVEL REPEATABLE READ")
			value(t, reader, "SELECT 1") // takes the snapshot and no lock on t
			again := day(2, "new")
			if got, want := value(t, reader, rows), "t_1 first, t_2 old: 200"; got != want {
				t.Errorf("a reader of before sees %s, want %s", got, want)
			}
			exec(t, reader, "COMMIT")
			if got, want := value(t, reader, rows), "t_1 first, t_2 new: 200"; got != want {
				t.Errorf("the table is %s, want %s", got, want)
			}
			if first.Windows[0].Fingerprint == again.Windows[0].Fingerprint || day(2, "new").Windows[0].Fingerprint != again.Windows[0].Fingerprint {
				t.Error("the fingerprint does not follow the rows")
			}
			const belongings = `SELECT (SELECT count(*) FROM pg_indexes WHERE tablename = 't_2') || ', ' || obj_description('t_2'::regclass)
				|| ', ' || (SELECT relacl::text LIKE '%=r/%' FROM pg_class WHERE oid = 't_2'::regclass)`
			if got, want := value(t, s, belongings), "2, the second day, true"; got != want {
				t.Errorf("the partition has %s, want %s", got, want)
			}
		})
	}
}
