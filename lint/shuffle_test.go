package lint_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine/duckdb"
)

// The rows of each relation are few-valued, so that they tie wherever a key does not forbid it.
var relations = []struct{ name, columns, rows string }{
	{"orders", "id, c, x, y, t, d, a, b, name, country, city, day, born, died, updated_at, \"user\"", `
select (i * 7) % 5, i % 3, (i * 5) % 4, i % 2, timestamp '2020-01-01' + interval 1 day * ((i * 3) % 4), i % 3, i % 2,
  (i * 3) % 4, 'n' || (i % 3), 'c' || (i % 4), 'v' || (i * 3 % 5), date '2020-01-01' + (i % 3)::int,
  timestamp '2000-01-01', timestamp '2020-01-01' + interval 1 day * (i % 4), timestamp '2020-01-01', 'u' || (i % 3)
from range(40) r(i)`},
	{"items", "id, price, amount, session_user", `
select i % 4, i / 3.0, (i / 7.0)::decimal(18,2), 's' || (i % 3) from range(20) r(i)`},
	{"facts", "day, id, weight, note", `
select date '1970-01-01' + (i // 4)::int, i % 4, i / 3.0, 'n' || (i % 2) from range(16) r(i)`},
	{"mart.customers", "id, name, score, tags", `
select i, 'n' || (i % 3), (i % 2)::double, ['a', 'b'] from range(10) r(i)`},
	{"days", "day, holiday", "select date '1970-01-01' + (i % 3)::int, i % 2 from range(12) r(i)"},
}

// shuffled are databases with the same rows, laid down in different orders.
func shuffled(t *testing.T) []*duckdb.Driver {
	t.Helper()
	ctx := context.Background()
	var ds []*duckdb.Driver
	for seed := range uint64(4) {
		d, err := duckdb.Open(ctx, duckdb.Options{Threads: 1 + int(seed%2)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		conn, err := d.Connect(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		salt := rand.New(rand.NewPCG(seed, 1)).Int32()
		statements := []string{"create schema mart"}
		for _, r := range relations {
			statements = append(statements, fmt.Sprintf("create table %s as select * from (%s) r(%s) order by hash(r, %d), random()",
				r.name, r.rows, r.columns, salt))
		}
		for _, s := range statements {
			if _, err := conn.ExecContext(ctx, s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
		ds = append(ds, d)
	}
	return ds
}

// rows gives the result of a SELECT as sorted text, or false if it does not run on these relations.
func rows(t *testing.T, d *duckdb.Driver, sql string) ([]string, bool) {
	t.Helper()
	ctx := context.Background()
	bound, err := twice.Bind(sql, twice.Window{Start: time.Unix(0, 0), End: time.Unix(86400, 0)})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := d.Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	result, err := conn.QueryContext(ctx, "select r::varchar from ("+bound+"\n) r")
	if err != nil {
		return nil, false
	}
	defer result.Close()
	list := []string{}
	for result.Next() {
		var row string
		if err := result.Scan(&row); err != nil {
			t.Fatal(err)
		}
		list = append(list, row)
	}
	if err := result.Err(); err != nil {
		return nil, false
	}
	sort.Strings(list)
	return list, true
}

// sameRows says whether the SELECT gives the same rows on all of the databases, and whether it runs.
func sameRows(t *testing.T, ds []*duckdb.Driver, sql string) (diff string, ran bool) {
	t.Helper()
	first, ran := rows(t, ds[0], sql)
	if !ran {
		return "", false
	}
	for _, d := range ds[1:] {
		next, _ := rows(t, d, sql)
		if diff := cmp.Diff(first, next); diff != "" {
			return diff, true
		}
	}
	return "", true
}

// What lint calls clean must give the same rows however the input lies. And among what it does not, enough must differ
// for that to mean something.
func TestCleanQueriesGiveTheSameRows(t *testing.T) {
	ds := shuffled(t)
	clean, differ := 0, 0
	for _, examples := range [][]example{limits, rankings, aggregates} {
		for _, ex := range examples {
			if ex.set != nil {
				continue // it promises a key that these rows do not keep
			}
			diff, ran := sameRows(t, ds, ex.sql)
			switch {
			case !ran:
			case strings.Contains(ex.want, "float-sum"):
			case ex.want != "" && diff != "":
				differ++
			case ex.want == "":
				clean++
				if diff != "" {
					t.Errorf("%s: called clean, but:\n%s", ex.sql, diff)
				}
			}
		}
	}
	t.Logf("%d clean queries gave the same rows, %d others did not", clean, differ)
	if clean < 40 || differ < 25 {
		t.Errorf("%d clean queries ran, and %d others differed; want at least 40 and 25", clean, differ)
	}
}
