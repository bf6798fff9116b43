package lint_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/engine/duckdb"
	"github.com/twice-data/twice/lint"
)

// target is an empty database with a few views and macros.
func target(t testing.TB) *duckdb.Driver {
	t.Helper()
	ctx := context.Background()
	d, err := duckdb.Open(ctx, duckdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	conn, err := d.Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, s := range []string{
		"create schema raw",
		"create table facts (day date, id int, weight double, note varchar)",
		"create table raw.things (id int, name varchar, moment timestamp)",
		"create view raw.recent as select id, moment from raw.things where moment > now() - interval 1 day",
		`create view some_things ("the id", name) as select id, name from raw.things limit 5`,
		"create view nested as select * from raw.recent",
		"create view clean as select id, name from raw.things",
		"create macro jitter(x) as x + random()",
		"create macro twofold(x) as x * 2",
		"create macro firstly(x) as first(x)",
		"create macro top(n) as table select * from raw.things limit n",
		"create macro hidden() as table select * from raw.things",
	} {
		if _, err := conn.ExecContext(ctx, s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return d
}

// pipeline fills "daily" from a handful of inputs; its SQL starts on line 1.
func pipeline(sql string) *twice.Pipeline {
	return &twice.Pipeline{
		Name: "daily", File: "pipelines/daily.sql", SQL: sql, Line: 1,
		Table: twice.Table{Name: "daily"}, Write: twice.Overwrite, Calendar: twice.Calendar{Grain: twice.None},
		Inputs: []twice.Input{
			{Name: "items", Files: &twice.FilesInput{Path: "items.csv", Reader: twice.Reader{Columns: []twice.ReaderColumn{
				{Name: "id", Type: "BIGINT"}, {Name: "price", Type: "DOUBLE"}, {Name: "amount", Type: "DECIMAL(18,2)"},
				{Name: "session_user", Type: "VARCHAR"},
			}}}},
			{Name: "orders", Files: &twice.FilesInput{Path: "orders/{start:%Y-%m-%d}.csv"}},
		},
	}
}

// project is what else there is: mart.customers is unique by id, facts by day and id.
var project = []*twice.Pipeline{
	{Name: "mart.customers", Table: twice.Table{Schema: "mart", Name: "customers"}, Write: twice.Merge,
		UniqueKey: []string{"id"}, Calendar: twice.Calendar{Grain: twice.Day},
		Checks:  []twice.Check{{Unique: []string{"name"}}},
		Columns: []twice.Column{{Name: "id", Type: "BIGINT"}, {Name: "name", Type: "VARCHAR"}, {Name: "score", Type: "DOUBLE"}}},
	{Name: "facts", Table: twice.Table{Name: "facts"}, Calendar: twice.Calendar{Grain: twice.None}, Checks: []twice.Check{
		{Unique: []string{"day", "id"}}, {Unique: []string{"note"}, Warn: true},
	}},
	{Name: "visits", Table: twice.Table{Name: "visits"}, Write: twice.Overwrite, TimeColumn: "day",
		Calendar: twice.Calendar{Grain: twice.Day}, Checks: []twice.Check{{Unique: []string{"id"}}}},
	{Name: "days", Table: twice.Table{Name: "days"}, Columns: []twice.Column{{Name: "day"}, {Name: "holiday"}}},
}

func keyed(columns ...string) func(*twice.Pipeline) {
	return func(pl *twice.Pipeline) { pl.UniqueKey = columns }
}

func allow(rules ...string) func(*twice.Pipeline) {
	return func(pl *twice.Pipeline) {
		for _, r := range rules {
			pl.Allow = append(pl.Allow, twice.Waiver{Rule: r, Reason: "known", Line: 3})
		}
	}
}

func windowed(write twice.Write) func(*twice.Pipeline) {
	return func(pl *twice.Pipeline) { pl.Write, pl.Calendar.Grain = write, twice.Day }
}

// check gives the findings as "line rule", with "(waived)" behind the waived ones.
func check(t *testing.T, d *duckdb.Driver, pl *twice.Pipeline) []string {
	t.Helper()
	findings, err := lint.Check(context.Background(), d, pl, append(project, pl))
	if err != nil {
		t.Fatalf("%s: %v", pl.SQL, err)
	}
	got := []string{}
	for _, f := range findings {
		if f.Pipeline != pl.Name || f.File != pl.File || f.Message == "" || f.Next == "" {
			t.Errorf("%s: incomplete finding %+v", pl.SQL, f)
		}
		s := fmt.Sprintf("%d %s", f.Line, f.Rule)
		if f.Waived {
			s += " (waived)"
		}
		got = append(got, s)
	}
	return got
}

const (
	limit = "1 limit-without-order"
	on    = "1 distinct-on-without-order"
	ranks = "1 ranking-ties"
	order = "1 order-dependent-aggregate"
	ties  = "1 aggregate-ties"
	float = "1 float-sum"
)

type example struct {
	sql  string
	want string // findings, separated by "; "
	set  func(*twice.Pipeline)
}

func run(t *testing.T, examples []example) {
	d := target(t)
	for _, ex := range examples {
		pl := pipeline(ex.sql)
		if ex.set != nil {
			ex.set(pl)
		}
		want := []string{}
		if ex.want != "" {
			want = strings.Split(ex.want, "; ")
		}
		if diff := cmp.Diff(want, check(t, d, pl)); diff != "" {
			t.Errorf("%s\n(-want +got)\n%s", ex.sql, diff)
		}
	}
}

func TestFunctions(t *testing.T) {
	run(t, []example{
		{sql: "select id,\n now() as moment\nfrom orders", want: "2 volatile-function"},
		{sql: "select current_date as d, id from orders", want: "1 volatile-function"},
		{sql: "select id from orders where d < CURRENT_DATE", want: "1 volatile-function"},
		{sql: "select id from orders where t > current_timestamp - interval 1 day", want: "1 volatile-function"},
		{sql: "select localtimestamp from orders", want: "1 volatile-function"},
		{sql: "select localtime", want: "1 volatile-function"},
		{sql: "select current_localtimestamp()", want: "1 volatile-function"},
		{sql: "select get_current_timestamp()", want: "1 volatile-function"},
		{sql: "select today()", want: "1 volatile-function"},
		{sql: "select ago(interval 1 day)", want: "1 volatile-function"},
		{sql: "select age(born) from orders", want: "1 volatile-function"},
		{sql: "select age(died, born) from orders"},
		{sql: "select random()", want: "1 volatile-function"},
		{sql: "select uuid(), gen_random_uuid(), uuidv7()", want: strings.Repeat("1 volatile-function; ", 2) + "1 volatile-function"},
		{sql: "select nextval('s')", want: "1 volatile-function"},
		{sql: "select txid_current()", want: "1 volatile-function"},
		{sql: "select id, rowid from orders", want: "1 volatile-function"},
		{sql: "select o.rowid from orders o", want: "1 volatile-function"},
		{sql: "select list_transform([1], lambda x: x + random())", want: "1 volatile-function"},
		{sql: "select case when id = 1 then random() end from orders", want: "1 volatile-function"},
		{sql: "select id from orders order by random()", want: "1 volatile-function"},
		{sql: "select id from orders qualify rank() over (order by random()) = 1", want: "1 volatile-function"},
		{sql: "select sum(x) filter (where t < now()) from orders", want: "1 volatile-function"},
		{sql: "select * from orders join items on orders.t < now()", want: "1 volatile-function"},
		{sql: "select x from orders group by x having max(t) < now()", want: "1 volatile-function"},
		{sql: "with a as (\n select now() as n\n) select * from a", want: "2 volatile-function"},
		{sql: "select (select max(t) from orders\n where t < now())", want: "2 volatile-function"},
		{sql: "select 1 union all\nselect 2 union all\nselect random()", want: "3 volatile-function"},
		{sql: "select * from orders o, lateral (select o.id + random())", want: "1 volatile-function"},
		{sql: "select * from (values (now())) v(x)", want: "1 volatile-function"},
		{sql: "select * from range(random()::int)", want: "1 volatile-function"},
		{sql: "with recursive r as (select 1 as n union all select n + 1 from r where n < 5 and\n random() > 0) select * from r",
			want: "2 volatile-function"},
		{sql: "select x in (select random()) from orders", want: "1 volatile-function"},
		{sql: "select current_user", want: "1 session-lookup"},
		{sql: "select user", want: "1 session-lookup"},
		{sql: "select session_user from orders", want: "1 session-lookup"},
		{sql: "select current_setting('threads')", want: "1 session-lookup"},
		{sql: "select getvariable('x')", want: "1 session-lookup"},
		{sql: "select getenv('HOME')", want: "1 session-lookup"},
		{sql: "select version()", want: "1 session-lookup"},
		{sql: "select current_database(), current_schema()", want: "1 session-lookup; 1 session-lookup"},

		{sql: "select session_user from items"}, // a column that the input declares
		{sql: "select user, count(*) from orders group by user"},
		{sql: "select 'now()' as \"random\" -- now()\nfrom orders /* random() */"},
		{sql: "select date_trunc('day', t), lower(name), t::date, hash(id), md5(name) from orders"},
		{sql: "select error('stop') from orders where id is null"},
	})
}

func TestViewsAndMacros(t *testing.T) {
	declare := func(name, table string) func(*twice.Pipeline) {
		return func(pl *twice.Pipeline) {
			pl.Inputs = append(pl.Inputs, twice.Input{Name: name, Table: table, Line: 7})
		}
	}
	run(t, []example{
		{sql: "select id\nfrom raw.recent", want: "2 undeclared-relation; 2 volatile-function"},
		{sql: "select id\nfrom recent", want: "7 volatile-function", set: declare("recent", "raw.recent")},
		{sql: "select id\nfrom nested", want: "2 volatile-function; 7 volatile-function", set: declare("nested", "nested")},
		{sql: "select name\nfrom some_things", want: "2 limit-without-order; 7 limit-without-order",
			set: declare("some_things", "some_things")},
		{sql: "select id from clean", set: declare("clean", "clean")},
		{sql: "select id from things", set: declare("things", "raw.things")},
		{sql: "select\n jitter(id) from orders", want: "2 volatile-function"},
		{sql: "select twofold(id) from orders"},
		{sql: "select firstly(id) from orders", want: "1 order-dependent-aggregate"},
		{sql: "select * from top(3)", want: "1 undeclared-relation; 1 limit-without-order"},
		{sql: "select * from hidden()", want: "1 undeclared-relation"},
	})
}

func TestLimit(t *testing.T) { run(t, limits) }

var limits = []example{
	{sql: "select id, x\nfrom orders\nlimit 5", want: "3 limit-without-order"},
	{sql: "select id, x from orders order by x limit 5", want: limit},
	{sql: "select id, x from orders order by x offset 5", want: limit},
	{sql: "select id, x from orders order by x fetch first 3 rows only", want: limit},
	{sql: "select id, x from orders limit 10%", want: limit},
	{sql: "select * from orders order by id limit 5", want: limit},
	{sql: "with a as (\nselect * from orders limit 1)\nselect id from a", want: "2 limit-without-order"},
	{sql: "select (select x from orders limit 1)", want: limit},
	{sql: "select id in (select id from items order by price limit 3) from orders", want: limit},
	{sql: "select id from orders o, lateral (select * from items i where i.id = o.id limit 1)", want: limit},
	{sql: "select id from orders union all select id from items order by 1 limit 3"},
	{sql: "select id, x from orders union all select id, x from items order by 1 limit 3", want: limit},
	{sql: "select id, x from orders union select id, x from items order by 1, 2 limit 3"},
	{sql: "(select id, x from orders limit 1) union all select 1, 2", want: limit},
	{sql: "select id, x from orders order by id limit 5", want: limit},
	{sql: "select id, x from orders order by id limit 5", set: keyed("id")},
	{sql: "select id as key, x from orders order by id limit 5", set: keyed("key")},
	{sql: "select id, x from orders order by x, id desc nulls last limit 5", set: keyed("id")},
	{sql: "select id, x from orders order by x limit 5", want: limit, set: keyed("id", "x")},
	{sql: "select * from orders order by id limit 5", set: keyed("id")},
	{sql: "select country, sum(x) from orders group by country order by country limit 5"},
	{sql: "select country, sum(x) as s from orders group by 1 order by s desc, 1 limit 5"},
	{sql: "select country, sum(x) as s from orders group by country order by s desc limit 5", want: limit},
	{sql: "select date_trunc('day', t) as d, sum(x) from orders group by d order by d limit 5"},
	{sql: "select date_trunc('day', t) as d, sum(x) from orders group by date_trunc('day', t) order by 1 limit 5"},
	{sql: "select a, b, sum(x) from orders group by rollup (a, b) order by a, b limit 5", want: limit},
	{sql: "select a, b, sum(x) from orders group by all order by a limit 5", want: limit},
	{sql: "select a, b, sum(x) from orders group by all order by a, b limit 5"},
	{sql: "select * from orders order by all limit 5"},
	{sql: "select distinct country from orders order by country limit 5"},
	{sql: "select distinct country, city from orders order by country limit 5", want: limit},
	{sql: "select a, b from orders order by b, a limit 5"},
	{sql: "select max(x) from orders limit 1"},
	{sql: "select 1 as one limit 1"},
	{sql: "select exists (select 1 from orders limit 1), exists (select * from orders offset 3)"},
	{sql: "select * from mart.customers c(name, id) order by c.id limit 5", want: limit}, // it is the name, in truth
	{sql: "select id, x from orders union all select id, x from items order by id limit 5", set: keyed("id")},
	{sql: "select f.note from facts f, lateral (select c.id as k, max(c.score) as s from mart.customers c " +
		"where c.id >= f.id group by c.id) l where l.s = f.id and f.day = $start order by l.k limit 5", want: limit},
	{sql: "select * from mart.customers order by id limit 5"},
	{sql: "select * from mart.customers order by name limit 5", want: limit},
	{sql: "select * from mart.customers order by name, score, id limit 5"},
	{sql: "select * from facts where day = $start order by id limit 5"},
	{sql: "select * from facts order by id limit 5", want: limit},
	{sql: "select * from facts order by note limit 5", want: limit}, // that check only warns
	{sql: "select f.*, c.name from facts f join mart.customers c on c.id = f.id order by f.day, f.id limit 5"},
	{sql: "select f.*, c.name from facts f join mart.customers c using (id) order by day, id limit 5"},
	{sql: "select f.*, c.name from facts f left join mart.customers c on c.id = f.id order by f.day, f.id limit 5"},
	{sql: "select f.*, c.name from facts f right join mart.customers c on c.id = f.id order by f.day, f.id limit 5",
		want: limit},
	{sql: "select f.*, c.name from facts f join mart.customers c on c.id > f.id order by f.day, f.id limit 5", want: limit},
	{sql: "select * from visits order by id limit 5", want: limit}, // a check sees one window only
	{sql: "select * from visits order by id, day limit 5"},
	{sql: "select * from visits where day = $start order by id limit 5"},
	{sql: "select a as b, b as a from (select x as a, max(y) as b from orders group by x) order by a limit 5", want: limit},
	{sql: "select o.id, c.name from facts o asof join mart.customers c on o.id >= c.id"},
	{sql: "select o.id, c.name from facts o asof join mart.customers c on o.day = c.day and o.id >= c.score", want: "1 asof-ties"},
	{sql: "select day, id, c.name from facts o asof join mart.customers c using (id) order by day, id limit 5"},
	{sql: "select c.* from mart.customers c semi join orders o on o.c = c.id order by c.id limit 5"},
	{sql: "with a as (select id, sum(x) as s from orders group by id) select * from a order by s, id limit 5"},
	{sql: "with a(k, s) as (select id, sum(x) from orders group by id) select * from a order by k limit 5"},
	{sql: "with a as (select id, sum(x) as s from orders group by id) select * from a b, a c order by b.id limit 5", want: limit},
	{sql: "with a as (select *, row_number() over (partition by id order by all_of_it, id) as n from orders) " +
		"select * from a where n = 1 order by id limit 5", set: keyed("id")},
	{sql: "select i from range(10) r(i) order by i limit 3"},
	{sql: "select x, unnest(l) as y from (select max(x) as x, list(y order by y) as l from orders) limit 3", want: limit},
	{sql: "select c.id, unnest(c.tags) from mart.customers c order by c.id limit 3", want: limit},
	{sql: "select distinct on (id)\n id, x from orders", want: on},
	{sql: "select distinct on (id) id, x from orders order by id", want: on},
	{sql: "select distinct on (id) id, x from orders order by id, t desc", want: on},
	{sql: "select distinct on (id) id, x from orders order by id, x desc"},
	{sql: "select distinct on (name) * from mart.customers order by name, id"},
	{sql: "select distinct on (name) * from mart.customers order by name, score", want: on},
	{sql: "select distinct on (country) country, day, x from orders order by country, day", set: keyed("country", "day")},
	{sql: "select distinct on (id) id, x from orders order by id, t desc", want: on, set: keyed("id")},
}

func TestRanking(t *testing.T) { run(t, rankings) }

var rankings = []example{
	{sql: "select id,\n row_number() over (order by x) as n from orders", want: "2 ranking-ties"},
	{sql: "select id, row_number() over () as n from orders", want: ranks},
	{sql: "select id, row_number() over (partition by id order by t desc) as n from orders", want: ranks},
	{sql: "select id, row_number() over (partition by id order by t desc) as n from orders", want: ranks, set: keyed("id")},
	{sql: "select id, row_number() over (partition by id order by updated_at desc, id) as n from orders", set: keyed("id")},
	{sql: "select * from orders qualify row_number() over (partition by c order by t desc) = 1", want: ranks},
	{sql: "select * from orders qualify row_number() over (partition by c order by t desc, id) = 1", set: keyed("id")},
	{sql: "select row_number() over (order by id) as n from facts qualify day = $start", want: ranks},
	{sql: "select day, row_number() over (order by id) as n from facts qualify n = 1 limit 1", want: ranks},
	{sql: "select day, c, row_number() over (partition by c order by day) as n from orders", set: keyed("day", "c")},
	{sql: "select ntile(4) over (order by x) from orders", want: ranks},
	{sql: "select lag(x) over (partition by c order by t) from orders", want: ranks},
	{sql: "select lead(x, 2, random()) over (partition by c order by t, id) from orders", want: "1 volatile-function", set: keyed("id")},
	{sql: "select first_value(x) over (partition by c order by t) from orders", want: ranks},
	{sql: "select first_value(x) over (partition by c order by t, x) from orders"},
	{sql: "select last_value(x) over w from orders window w as (partition by c order by t)", want: ranks},
	{sql: "select nth_value(x, 2) over (order by t) from orders", want: ranks},
	{sql: "select sum(x) over (order by t rows between 3 preceding and current row) from orders", want: ranks},
	{sql: "select sum(x) over (order by t rows unbounded preceding) from orders", want: ranks},
	{sql: "select sum(x) over (order by t) from orders"},
	{sql: "select sum(x) over (order by t range between interval 3 days preceding and current row) from orders"},
	{sql: "select sum(x) over (partition by c rows between unbounded preceding and unbounded following) from orders"},
	{sql: "select rank() over (order by x), dense_rank() over (order by x), percent_rank() over (order by x) from orders"},
	{sql: "select count(*) over (partition by c), max(x) over () from orders"},
	{sql: "select row_number() over (order by id) from mart.customers"},
	{sql: "select row_number() over (order by name) from mart.customers", want: ranks},
	{sql: "select row_number() over (order by day, holiday) from days"}, // equal rows may be exchanged
	{sql: "select row_number() over (order by c) from (select c, sum(x) from orders group by c)"},
	{sql: "select c, row_number() over (order by sum(x) desc, c) from orders group by c"},
	{sql: "select c, row_number() over (order by sum(x) desc) from orders group by c", want: ranks},
	{sql: "with a as (select distinct c, d from orders) select lag(d) over (partition by c order by d) from a"},
	{sql: "with a as (select * from orders),\n b as (select row_number() over (order by t) as n from a)\nselect n from b",
		want: "2 ranking-ties"},
	{sql: "select row_number() over (order by i) from generate_series(1, 3) g(i)"},
	{sql: "select row_number() over (order by max(x)) from orders"},
}

func TestAggregates(t *testing.T) { run(t, aggregates) }

var aggregates = []example{
	{sql: "select c,\n first(x) from orders group by c", want: "2 order-dependent-aggregate"},
	{sql: "select last(x) from orders", want: order},
	{sql: "select any_value(x) from orders", want: order},
	{sql: "select arbitrary(x) from orders", want: order},
	{sql: "select list(x) from orders", want: order},
	{sql: "select array_agg(distinct x) from orders", want: order},
	{sql: "select string_agg(x, ',') from orders", want: order},
	{sql: "select group_concat(x), listagg(x, ',') from orders", want: order + "; " + order},
	{sql: "select mode(x) from orders", want: order},
	{sql: "select arg_max(x, t) from orders group by c", want: order},
	{sql: "select max_by(x, t), min_by(x, t), arg_min(x, t) from orders", want: order + "; " + order + "; " + order},
	{sql: "select approx_quantile(x, 0.5), reservoir_quantile(x, 0.5) from orders", want: order + "; " + order},
	{sql: "select (select list(x) from orders)", want: order},
	{sql: "select json_group_array(x) from orders", want: order},
	{sql: "select list(x) over (partition by c) from orders", want: order},
	{sql: "select list(x order by x) from orders"},
	{sql: "select string_agg(name, ',' order by t, name desc) from orders"},
	{sql: "select list(x order by t) from orders", want: ties},
	{sql: "select list(x order by t, id) from orders", set: keyed("id")},
	{sql: "select list(c.name order by c.id) from mart.customers c"},
	{sql: "select first(name order by id) from mart.customers"},
	{sql: "select arg_max(name, id) from mart.customers"},
	{sql: "select arg_max(x, (t, x)) from orders"},
	{sql: "select arg_max(x, (t, id)) from orders", set: keyed("id")},
	{sql: "select c, any_value(c) from orders group by c"},
	{sql: "select c.id, any_value(c.name), sum(o.x) from orders o join mart.customers c on c.id = o.c group by c.id"},
	{sql: "select list_sort(list(x)), len(list(x)) from orders"},
	{sql: "select count(distinct x), min(x), max(x), sum(x), bool_and(x > 1), bit_xor(x), median(x) from orders"},
	{sql: "select quantile_cont(x, 0.5), percentile_cont(0.5) within group (order by x) from orders"},
	{sql: "select sum(price) from items", want: float},
	{sql: "select avg(price) from items", want: float},
	{sql: "select sum(coalesce(i.price, 0) * 2) from items i", want: float},
	{sql: "select sum(x / 2), sum(x // 2) from orders", want: float},
	{sql: "select sum(case when price > 3 then 1 end) from items"},
	{sql: "select sum(x::double) from orders", want: float},
	{sql: "select sum(cast(x as float) + 1) from orders", want: float},
	{sql: "select sum(x::double::decimal(18,4)), sum(x::decimal(18,2))::double from orders"},
	{sql: "select sum(amount), sum(id) from items"},
	{sql: "with a as (select price as p, * from items) select sum(p), sum(price) from a", want: float + "; " + float},
	{sql: "select sum(score) from mart.customers", want: float},
	{sql: "select day,\n sum(weight) from facts where day > $start group by day", want: float}, // seen in the bound plan
	{sql: "select sum(id), sum(weight::decimal(9,2)), avg(weight::int) from facts"},
	{sql: "select stddev(x), corr(x, y) from orders", want: float + "; " + float},
}

func TestRelations(t *testing.T) {
	const undeclared, external, self = "1 undeclared-relation", "1 external-read", "1 self-reference"
	run(t, []example{
		{sql: "select id from\n order_lines", want: "2 undeclared-relation"},
		{sql: "select id from raw.things", want: undeclared},
		{sql: "select id from (select * from nowhere)", want: undeclared},
		{sql: "select id in (select id from nowhere) from orders", want: undeclared},
		{sql: "with orders as (select * from orders) select * from orders"},
		{sql: "with nowhere as (select 1) select * from nowhere"},
		{sql: "select * from (with a as (select 1) select * from a), a", want: undeclared}, // the CTE's scope ended
		{sql: "select * from Orders, MART.Customers, main.facts"},
		{sql: "select * from 'x.csv'", want: external},
		{sql: "select * from 'data/*.parquet'", want: external},
		{sql: "select * from read_csv('x.csv')", want: external},
		{sql: "select * from read_parquet('x'), glob('*')", want: external + "; " + external},
		{sql: "select * from read_text('x')", want: external},
		{sql: "select * from sqlite_scan('a', 'b')", want: external},
		{sql: "select * from duckdb_tables()", want: external},
		{sql: "select * from duckdb_tables", want: external},
		{sql: "select * from query('select 1')", want: external},
		{sql: "select * from information_schema.tables", want: external},
		{sql: "select * from other.main.t", want: external},
		{sql: "describe orders", want: external},
		{sql: "select id from daily", want: self},
		{sql: "select id from main.daily union all select id from orders", want: self},
		{sql: "with daily as (select 1 as id) select id from daily"},
		{sql: "select * from range(3), generate_series(1, 2), unnest([1, 2]), (values (1), (2)) v(x)"},
		{sql: "values (1, 2), (3, 4)"},
		{sql: "from orders select id"},
		{sql: "select id from orders tablesample 10%", want: "1 sampling"},
		{sql: "select id from orders using sample reservoir(5 rows) repeatable (1)", want: "1 sampling"},
		{sql: "select * from orders positional join items", want: "1 sampling"},
		{sql: "select * from (pivot orders on c in ('a', 'b') using sum(x) group by id)"},
		{sql: "select * from (pivot orders on c in ('a') using first(x))", want: "1 order-dependent-aggregate"},
		{sql: "select * from (unpivot orders on a, b into name n value v)"},
	})
}

func TestHeader(t *testing.T) {
	plain := func(pl *twice.Pipeline) { pl.Inputs = pl.Inputs[:1] }
	both := func(fs ...func(*twice.Pipeline)) func(*twice.Pipeline) {
		return func(pl *twice.Pipeline) {
			for _, f := range fs {
				f(pl)
			}
		}
	}
	run(t, []example{
		{sql: "select id from items", want: "1 unused-window", set: both(plain, windowed(twice.Overwrite))},
		{sql: "select id from items where id > $start", set: both(plain, windowed(twice.Overwrite))},
		{sql: "select id from items where '$start' = '' -- $end", want: "1 unused-window",
			set: both(plain, windowed(twice.Overwrite))},
		{sql: "select id from orders", set: windowed(twice.Overwrite)},
		{sql: "select id from items", set: plain},
		{sql: "select id from orders", want: "1 merge-order", set: windowed(twice.Merge)},
		{sql: "select id from orders", set: both(windowed(twice.Merge), func(pl *twice.Pipeline) { pl.Version = "v" })},
		{sql: "select id from orders", set: both(windowed(twice.Merge), func(pl *twice.Pipeline) { pl.WhenMissing = "delete" })},
	})
}

func TestWaivers(t *testing.T) {
	run(t, []example{
		{sql: "select\n\n\n now()", want: "4 volatile-function (waived)", set: allow("volatile-function")},
		{sql: "select now(), current_user", want: "1 volatile-function (waived); 1 session-lookup", set: allow("volatile-function")},
		{sql: "select id from orders", want: "3 unused-waiver", set: allow("sampling")},
		{sql: "select id from orders", want: "3 unknown-rule", set: allow("volatile-functions")},
		{sql: "select now()", want: "1 volatile-function; 3 unknown-rule", set: allow("unknown")},
	})
}

func TestFindingSaysWhatToDo(t *testing.T) {
	d := target(t)
	for _, c := range []struct {
		sql, message, next string
		set                func(*twice.Pipeline)
	}{
		{sql: "select id from order", message: "", next: ""},
		{sql: "select id from ordres", message: "reads ordres, which is neither an input nor a pipeline's table",
			next: "did you mean orders? otherwise declare it: inputs: {ordres: {table: ordres}}"},
		{sql: "select id from raw.things", message: "reads raw.things, which is neither an input nor a pipeline's table",
			next: "read it by its name as an input: stuff", set: func(pl *twice.Pipeline) {
				pl.Inputs = []twice.Input{{Name: "stuff", Table: "raw.things"}}
			}},
		{sql: "select jitter(id) from orders",
			message: "random is volatile: its result changes from one run to the next (through macro jitter)",
			next:    "use $start or $end for the time, and a hash of the key for an identifier"},
		{sql: "select 1", message: `allow: there is no rule "limit-without-ordre"`,
			next: "did you mean limit-without-order? otherwise write one of volatile-function, ", set: allow("limit-without-ordre")},
	} {
		if c.message == "" {
			continue
		}
		pl := pipeline(c.sql)
		if c.set != nil {
			c.set(pl)
		}
		findings, err := lint.Check(context.Background(), d, pl, append(project, pl))
		if err != nil || len(findings) != 1 {
			t.Fatalf("%s: %+v, %v; want one finding", c.sql, findings, err)
		}
		if f := findings[0]; f.Message != c.message || !strings.HasPrefix(f.Next, c.next) {
			t.Errorf("%s:\n%q\n%q\nwant\n%q\n%q", c.sql, f.Message, f.Next, c.message, c.next)
		}
	}
}

func TestErrorsAreTheUnwaivedErrors(t *testing.T) {
	d := target(t)
	pl := pipeline("select now(), sum(x::double), list(x), random() from orders")
	pl.Allow = []twice.Waiver{{Rule: "volatile-function", Reason: "load time"}}
	findings, err := lint.Check(context.Background(), d, pl, nil)
	if err != nil {
		t.Fatal(err)
	}
	stop := lint.Errors(findings)
	if len(findings) != 4 || len(stop) != 1 || stop[0].Rule != "order-dependent-aggregate" {
		t.Errorf("findings %+v\nerrors %+v", findings, stop)
	}
	if findings[0].Reason != "load time" {
		t.Errorf("reason %q; want the waiver's", findings[0].Reason)
	}
	if e := stop[0].Error(); e.Code != "order-dependent-aggregate" || e.Place() != "pipelines/daily.sql:1" || e.Exit != twice.ExitProject {
		t.Errorf("error %+v", e)
	}
}

// withTies is an engine whose SELECT ends in FETCH FIRST ROW WITH TIES.
type withTies struct{}

func (withTies) Parse(context.Context, string) (*engine.Query, error) {
	return &engine.Query{Selects: []*engine.Select{{From: []*engine.Source{{}}, Limit: &engine.Limit{Ties: true}}}}, nil
}

func (withTies) Volatility(context.Context, []string) (map[string]engine.Volatility, error) {
	return nil, nil
}

func TestWithTiesNeedsNoTotalOrder(t *testing.T) {
	findings, err := lint.Check(context.Background(), withTies{}, pipeline("select"), nil)
	if err != nil || len(findings) > 0 {
		t.Errorf("%+v, %v", findings, err)
	}
}

func TestSyntaxErrorNamesTheLineOfTheFile(t *testing.T) {
	d := target(t)
	pl := pipeline("select id\nfrm orders\nwhere")
	pl.Line = 20
	_, err := lint.Check(context.Background(), d, pl, nil)
	e := twice.AsError(err)
	if e.Code != "syntax" || e.Place() != "pipelines/daily.sql:21" || e.Exit != twice.ExitProject {
		t.Errorf("%+v; want a syntax error at pipelines/daily.sql:21", e)
	}
}
