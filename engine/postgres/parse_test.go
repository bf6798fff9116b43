package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

func parse(t testing.TB, db *engine.DB, query string) *engine.Query {
	t.Helper()
	q, err := db.Parse(ctx, query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return q
}

func TestParseFindsTables(t *testing.T) {
	db := target(t)
	exec(t, session(t, db), "CREATE SCHEMA mart", "CREATE TABLE raw (x int, day date)",
		"CREATE VIEW mart.recent AS SELECT x FROM raw WHERE day > current_date",
		"CREATE FUNCTION twice_of(a int) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT sum(x) + $1 FROM raw'")
	for _, c := range []struct{ query, want string }{
		{"SELECT 1", ""},
		{"SELECT * FROM a, b.c JOIN d USING (x)", "a@14 b.c@17 d@26"},
		{"WITH a AS (SELECT * FROM b) SELECT * FROM a", "b@25"},
		{"WITH a AS (SELECT * FROM a) SELECT * FROM a, public.a", "a@25 a@45"},
		{"WITH RECURSIVE a AS (SELECT 1 UNION ALL SELECT * FROM a) SELECT * FROM a", ""},
		{"SELECT (SELECT max(x) FROM a) FROM b WHERE EXISTS (SELECT 1 FROM c) AND y IN (TABLE d)", "b@35 a@27 c@65 d@84"},
		{"SELECT 1 FROM a UNION SELECT 2 FROM LATERAL (SELECT * FROM b) x", "a@14 b@59"},
		{"SELECT $start::date, 'é' FROM a WHERE t < $end", "a@31"},
		{"SELECT * FROM other.public.a", "other:a@14"},
		{"SELECT * FROM pg_class, information_schema.tables", "pg_class@14(system) information_schema.tables@24(system)"},
		{"SELECT * FROM mart.recent", "mart.recent@14(view) raw@14[view mart.recent]"},
		{"SELECT twice_of(3)", "raw@7[function twice_of]"},
		{`SELECT * FROM "Odd Name"`, "Odd Name@14"},
	} {
		var got []string
		for _, ref := range parse(t, db, c.query).Tables {
			word := fmt.Sprintf("%s@%d", ref.Table, ref.At)
			if ref.Catalog != "" {
				word = ref.Catalog + ":" + word
			}
			for flag, set := range map[string]bool{"(view)": ref.View, "(system)": ref.System, "[" + ref.Via + "]": ref.Via != ""} {
				if set {
					word += flag
				}
			}
			got = append(got, word)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.query, strings.Join(got, " "), c.want)
		}
	}
}

func TestParseFindsCalls(t *testing.T) {
	db := target(t)
	exec(t, session(t, db), "CREATE VIEW today AS SELECT current_date AS d")
	for _, c := range []struct{ query, want string }{
		{"SELECT now(), random()", "now@7 random@14"},
		{"SELECT CURRENT_DATE, current_timestamp(3), user", "current_date@7(keyword) current_timestamp@21(keyword) user@43(keyword)"},
		{"SELECT string_agg(x, ',' ORDER BY y DESC, z) FROM a", "string_agg@7(aggregate,order=y+z)"},
		{"SELECT array_agg(DISTINCT upper(x)) FROM a", "array_agg@7(aggregate,distinct) upper@26(in array_agg)"},
		{"SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM a", "percentile_cont@7(aggregate,order=x)"},
		{"SELECT row_number() OVER (PARTITION BY a ORDER BY b) FROM t", "row_number@7(over=a/b)"},
		{"SELECT sum(x) OVER w FROM t WINDOW w AS (PARTITION BY a ORDER BY b ROWS 1 PRECEDING)", "sum@7(aggregate,over=a/b rows)"},
		{"SELECT lag(x) OVER (w ORDER BY c) FROM t WINDOW w AS (PARTITION BY a)", "lag@7(over=a/c)"},
		{"SELECT sum(x) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM t", "sum@7(aggregate,over=/)"},
		{"SELECT * FROM generate_series(1, 3) g", "generate_series@14(table)"},
		{"SELECT extract(year FROM t AT TIME ZONE 'UTC') FROM a", "extract@7 timezone@25(in extract)"},
		{"SELECT mine.f(1)", "mine.f@7"},
		{"SELECT age(t), age(t, u) FROM a", "age@7 current_date@7(in age) age@15"},
		{"SELECT date 'today', ' NOW '::timestamptz, 'now'::text", "now@12(keyword) now@21(keyword)"},
		{"SELECT ctid FROM a", "ctid@7(keyword)"},
		{"SELECT 1 FROM a ORDER BY random()", "random@25"},
		{"SELECT 1 FROM a GROUP BY ROLLUP (f(x)), x HAVING max(y) > 0", "f@33 max@49(aggregate)"},
		{"VALUES (f(1)), (g(2))", "f@8 g@16"},
		{"SELECT d FROM today", "current_date@14(keyword)[view today]"},
	} {
		var got []string
		for _, call := range parse(t, db, c.query).Calls {
			got = append(got, describe(call))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.query, strings.Join(got, " "), c.want)
		}
	}
}

func describe(c *engine.Call) string {
	word := fmt.Sprintf("%s@%d", c.Name, c.At)
	if c.Schema != "" {
		word = c.Schema + "." + word
	}
	var flags []string
	flag := func(set bool, text string) {
		if set {
			flags = append(flags, text)
		}
	}
	flag(c.Aggregate, "aggregate")
	flag(c.Distinct, "distinct")
	flag(c.Keyword, "keyword")
	flag(c.Table, "table")
	flag(len(c.Order) > 0, "order="+names(c.Order))
	if c.Over != nil {
		over := "over=" + names(c.Over.Partition) + "/" + names(c.Over.Order)
		if c.Over.Rows {
			over += " rows"
		}
		flags = append(flags, over)
	}
	flag(c.Inside != "", "in "+c.Inside)
	if len(flags) > 0 {
		word += "(" + strings.Join(flags, ",") + ")"
	}
	if c.Via != "" {
		word += "[" + c.Via + "]"
	}
	return word
}

func names(exprs []engine.Expr) string {
	var columns []string
	for _, e := range exprs {
		name := e.Column
		if e.Of != "" {
			name = e.Of + "." + name
		}
		if e.Ordinal > 0 {
			name = fmt.Sprint("#", e.Ordinal)
		}
		columns = append(columns, name)
	}
	return strings.Join(columns, "+")
}

func TestParseReadsTheSelect(t *testing.T) {
	db := target(t)
	text := `SELECT DISTINCT ON (a, b) a, t.b AS c, t.*, x::float8
		FROM t JOIN u AS v(k, l) ON t.id = v.k LEFT JOIN w ON w.z = t.y
		WHERE t.day = $start AND 3 = kind AND (p = 1 OR q = 2) GROUP BY 1, b ORDER BY 2, a LIMIT 1 OFFSET 5`
	q := parse(t, db, text)
	s := q.Selects[0]
	check := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %s, want %s", what, got, want)
		}
	}
	check("distinct on", names(s.DistinctOn), "a+b")
	check("group", names(s.Group), "#1+b")
	check("order", names(s.Order), "#2+a")
	check("fixed", names(s.Fixed), "t.day+kind")
	check("limit", fmt.Sprintf("%+v", *s.Limit), fmt.Sprintf("{At:%d One:true Ties:false}", strings.Index(text, "1 OFFSET")))
	var outputs, implied, sources, filters []string
	for _, f := range s.Filters {
		filters = append(filters, fmt.Sprintf("%s %d", f.Word, strings.Count(text[:f.At], "\n")))
	}
	check("filters", strings.Join(filters, ", "), "JOIN 1, JOIN 1, WHERE 2")
	for _, c := range s.Columns {
		outputs = append(outputs, fmt.Sprintf("%s,%t,%s", c.Name, c.Star, c.Expr.Of))
	}
	for _, i := range s.Implied {
		implied = append(implied, names([]engine.Expr{i.Known})+">"+names([]engine.Expr{i.Then}))
	}
	for _, f := range s.From {
		sources = append(sources, f.Alias+strings.Join(f.Columns, ","))
	}
	check("outputs", strings.Join(outputs, " "), "a,false, c,false,t ,true,t ,false,")
	check("implied", strings.Join(implied, " "), "t.id>v.k v.k>t.id t.y>w.z")
	check("from", strings.Join(sources, " "), "t vk,l w")
	check("casts", strings.Join(s.Columns[3].Expr.Casts, " "), "double precision")
	if !s.Aggregated {
		t.Error("GROUP BY does not aggregate")
	}
}

func TestParseReadsSetOperationsAndSamples(t *testing.T) {
	db := target(t)
	q := parse(t, db, "SELECT x FROM a TABLESAMPLE system (10) UNION ALL (SELECT y FROM b ORDER BY y FETCH FIRST 2 ROWS WITH TIES) ORDER BY 1")
	if s := q.Selects[0]; s.Op != "union all" || len(s.Arms) != 2 || len(s.Order) != 1 || !s.Arms[1].Limit.Ties || s.Arms[1].Limit.One {
		t.Errorf("got %+v", s)
	}
	if len(q.Picks) != 1 || q.Picks[0].What != "sample" {
		t.Errorf("picks are %+v", q.Picks)
	}
	a := parse(t, db, "SELECT  lower( T.X ) FROM t").Selects[0].Columns[0].Expr.Key
	b := parse(t, db, "SELECT 1, lower(t.x) FROM t").Selects[0].Columns[1].Expr.Key
	c := parse(t, db, "SELECT upper(t.x) FROM t").Selects[0].Columns[0].Expr.Key
	if a != b || a == c {
		t.Errorf("keys: %s, %s, %s", a, b, c)
	}
	if q := parse(t, db, "SELECT 1 FROM t LIMIT ALL"); q.Selects[0].Limit != nil {
		t.Error("LIMIT ALL is taken for a limit")
	}
}

func TestParseErrors(t *testing.T) {
	db := target(t)
	for _, c := range []struct {
		query, code string
		line        int
	}{
		{"SELECT 'é'\nFROM\n  WHERE $start", "syntax", 3},
		{"SELECT 1; SELECT 2", "not-a-select", 0},
		{"", "not-a-select", 0},
		{"DELETE FROM t", "not-a-select", 1},
		{"SELECT 1 INTO t", "not-a-select", 1},
		{"WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone", "not-a-select", 1},
	} {
		_, err := db.Parse(ctx, c.query)
		if err == nil {
			t.Errorf("%q is accepted", c.query)
			continue
		}
		if e := twice.AsError(err); e.Code != c.code || e.Line != c.line || e.Next == "" || e.Exit != twice.ExitProject {
			t.Errorf("%q: got %+v", c.query, e)
		}
	}
}

func FuzzParse(f *testing.F) {
	db := target(f)
	f.Add("SELECT $start, a.*, count(*) FILTER (WHERE x) OVER (PARTITION BY y) FROM a, LATERAL f(a.b) WHERE a.x = ANY (SELECT 1)")
	f.Add("WITH RECURSIVE r AS (VALUES (1) UNION SELECT x + 1 FROM r) TABLE r")
	f.Add("SELECT XMLELEMENT(name a), JSON_OBJECT('a': 1), ARRAY[1][1], ROW(1, 2), (a).b, CASE WHEN 1 THEN 2 END, $1, GROUPING(x)")
	f.Fuzz(func(t *testing.T, query string) {
		q, err := db.Parse(ctx, query)
		if err != nil {
			return
		}
		for _, ref := range q.Tables {
			if ref.Via == "" && (ref.At < 0 || ref.At >= len(query)) {
				t.Errorf("%s stands at %d of %d", ref.Table, ref.At, len(query))
			}
		}
	})
}
