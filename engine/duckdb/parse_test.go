package duckdb

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

func inMemory(t testing.TB, statements ...string) *Driver {
	t.Helper()
	ctx := context.Background()
	d, err := Open(ctx, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	conn, err := d.Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, s := range statements {
		if _, err := conn.ExecContext(ctx, s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return d
}

// read gives the names of a Query's tables and calls with what is special about them.
func read(t *testing.T, d *Driver, sql string) (tables, calls []string) {
	t.Helper()
	q, err := d.Parse(context.Background(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	for _, ref := range q.Tables {
		tables = append(tables, fmt.Sprintf("%s@%d%s", ref.Table, ref.At, via(ref.Via)))
	}
	for _, c := range q.Calls {
		calls = append(calls, fmt.Sprintf("%s@%d%s", c.Name, c.At, via(c.Via)))
	}
	return tables, calls
}

func via(name string) string {
	if name == "" {
		return ""
	}
	return " via " + name
}

func TestParseFindsTablesAndCalls(t *testing.T) {
	d := inMemory(t,
		"create table t (a int)", "create schema s",
		`create view s.v ("a, b", "c (""AS"" d)") as select a, now() from t`,
		"create view w as select * from s.v",
		"create macro m(x) as x + random()",
	)
	for _, c := range []struct{ sql, tables, calls string }{
		{"select a from t, s.other", "t@14 s.other@17", ""},
		{"with t as (select 1) select * from t", "", ""},
		{"with t as (select * from t) select * from T", "t@25", ""},
		{"with a as (with b as (select * from t) select * from b) select * from a, b", "t@36 b@73", ""},
		{"with recursive r as (select 1 as n union all select n + 1 from r) select * from r", "", ""},
		{"select * from main.t where exists (select 1 from u)", "t@14 u@49", ""},
		{"select * from t semi join u using (a)", "t@14 u@26", ""},
		{"select sum(a), \"CURRENT_DATE\" from t", "t@35", "sum@7 current_date@15"},
		{"select é, now() from t", "t@22", "now@11"}, // offsets are bytes
		{"select * from s.v", "s.v@14 t@14 via view s.v", "now@14 via view s.v"},
		{"select * from w", "w@14 s.v@14 via view w t@14 via view w, view s.v", "now@14 via view w, view s.v"},
		{"select m(a) from t", "t@17", "m@7 random@7 via macro m"},
		{"select a from t where a > $start", "t@14", ""},
	} {
		tables, calls := read(t, d, c.sql)
		if got := strings.Join(tables, " "); got != c.tables {
			t.Errorf("%s: tables %q, want %q", c.sql, got, c.tables)
		}
		if got := strings.Join(calls, " "); got != c.calls {
			t.Errorf("%s: calls %q, want %q", c.sql, got, c.calls)
		}
	}
}

func TestParseDescribesSelects(t *testing.T) {
	d := inMemory(t)
	sql := `
select o.c, date_trunc('day', o.t) as day, sum(distinct x order by x)
from orders o left join items i on i.id = o.item
where o.c = 5 and o.k = i.k
group by 1, day
having count(*) > 1
order by day desc, 3 limit 7`
	q, err := d.Parse(context.Background(), sql)
	if err != nil {
		t.Fatal(err)
	}
	sel := q.Selects[0]
	names := func(es []engine.Expr) (list []string) {
		for _, e := range es {
			list = append(list, fmt.Sprintf("%s.%s#%d", e.Of, e.Column, e.Ordinal))
		}
		return list
	}
	var filters []string
	for _, f := range sel.Filters {
		filters = append(filters, fmt.Sprintf("%s %d", f.Word, strings.Count(sql[:f.At], "\n")))
	}
	var implied []string
	for _, i := range sel.Implied {
		implied = append(implied, i.Known.Of+"."+i.Known.Column+">"+i.Then.Of+"."+i.Then.Column)
	}
	got := map[string]any{
		"group": names(sel.Group), "order": names(sel.Order), "fixed": names(sel.Fixed), "implied": implied,
		"filters":    filters,
		"aggregated": sel.Aggregated, "sets": sel.GroupingSets, "limit": sel.Limit != nil && !sel.Limit.One,
		"columns": []string{sel.Columns[0].Name, sel.Columns[1].Name, sel.Columns[2].Name},
		"from":    []string{sel.From[0].Alias, sel.From[1].Alias},
	}
	want := map[string]any{
		"group": []string{".#1", ".day#0"}, "order": []string{".day#0", ".#3"}, "fixed": []string{"o.c#0"},
		"implied":    []string{"o.item>i.id", "o.k>i.k", "i.k>o.k"}, // the outer join gives only one way
		"filters":    []string{"JOIN 2", "WHERE 3", "HAVING 5"},
		"aggregated": true, "sets": false, "limit": true,
		"columns": []string{"c", "day", ""}, "from": []string{"o", "i"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if c := sel.Columns[2].Expr.Call; c == nil || !c.Distinct || !c.Aggregate || len(c.Order) != 1 || c.In != sel {
		t.Errorf("sum(distinct x order by x) is read as %+v", c)
	}
}

func TestParseErrors(t *testing.T) {
	d := inMemory(t)
	for _, c := range []struct {
		sql, code string
		line      int
	}{
		{"select a\nfrm t\nwhere x", "syntax", 2},
		{"select a from", "syntax", 1},
		{"select 'é' é é\nfrom from", "syntax", 1},
		{"select 1; select 2", "not-a-select", 0},
		{"", "not-a-select", 0},
		{"insert into t values (1)", "not-a-select", 1},
		{"pivot t on a using sum(b)", "not-a-select", 1},
	} {
		_, err := d.Parse(context.Background(), c.sql)
		e := twice.AsError(err)
		if err == nil || e.Code != c.code || e.Line != c.line || e.Next == "" || e.Exit != twice.ExitProject {
			t.Errorf("%q: %+v; want code %s, line %d, and what to do", c.sql, e, c.code, c.line)
		}
	}
}

func TestVolatilityKnowsWhatTheCatalogueDoesNot(t *testing.T) {
	d := inMemory(t)
	names := []string{"NOW", "random", "lower", "sum", "current_setting", "getvariable", "current_localtimestamp", "rowid",
		"error", "range", "no_such_function", "ago"}
	got, err := d.Volatility(context.Background(), names)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]engine.Volatility{
		"now": engine.Stable, "random": engine.Volatile, "lower": engine.Immutable, "sum": engine.Immutable,
		"current_setting": engine.Stable, "getvariable": engine.Stable, "current_localtimestamp": engine.Stable,
		"rowid": engine.Volatile, "error": engine.Immutable, "range": engine.Immutable,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Every function that the catalogue itself calls unstable is found: a later version may add some.
func TestVolatilityAgreesWithTheCatalogue(t *testing.T) {
	d := inMemory(t)
	ctx := context.Background()
	rows, err := d.db.QueryContext(ctx, `SELECT DISTINCT lower(function_name) FROM duckdb_functions()
WHERE stability IN ('VOLATILE', 'CONSISTENT_WITHIN_QUERY') AND function_name <> 'error'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	known, err := d.Volatility(ctx, names)
	if err != nil || len(names) < 20 {
		t.Fatalf("%d names, %v", len(names), err)
	}
	for _, name := range names {
		if known[name] != engine.Stable && known[name] != engine.Volatile {
			t.Errorf("%s is %q", name, known[name])
		}
	}
}

func TestSplitView(t *testing.T) {
	for _, c := range []struct {
		text    string
		columns []string
		query   string
	}{
		{"CREATE VIEW v AS SELECT 1;", nil, "SELECT 1;"},
		{`CREATE VIEW s.v (a, "b, "" AS c)") AS SELECT 1, 2;`, []string{"a", `b, " AS c)`}, "SELECT 1, 2;"},
		{`CREATE VIEW "x AS y" AS SELECT ' AS ';`, nil, "SELECT ' AS ';"},
		{`CREATE VIEW "open`, nil, ""},
	} {
		columns, query := splitView(c.text)
		if !cmp.Equal(columns, c.columns) || query != c.query {
			t.Errorf("%s: %q, %q", c.text, columns, query)
		}
	}
}

// FuzzParse says that no text makes Parse panic, and that offsets lie inside the text.
func FuzzParse(f *testing.F) {
	d := inMemory(f, "create table t (a int)", "create view v as select a, now() as n from t limit 3")
	for _, sql := range []string{
		"", "select * from v order by 1 limit 1", "with recursive a as (select 1 union all select * from a) table a",
		"select first(a) over (order by a rows 1 preceding) from t group by all having a = 1 qualify rank() over () = 1",
		"from t asof join v using (a) select columns(*), #1", "summarize t", "select $start, $1, ?", "select 'é", "(values (1))",
	} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		q, err := d.Parse(context.Background(), sql)
		if err != nil {
			return
		}
		if len(q.Selects) == 0 {
			t.Errorf("%q: no SELECT", sql)
		}
		for _, c := range q.Calls {
			if c.At >= len(sql) {
				t.Errorf("%q: %s at %d", sql, c.Name, c.At)
			}
		}
	})
}
