package postgres_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/engine/postgres"
	"github.com/twice-data/twice/engine/postgres/pgtest"
)

var ctx = context.Background()

// target is an open database of the test's own.
func target(t testing.TB) *engine.DB {
	t.Helper()
	return open(t, postgres.Options{URL: pgtest.Start(t).Database(t)})
}

func open(t testing.TB, opts postgres.Options) *engine.DB {
	t.Helper()
	d, err := postgres.Open(ctx, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return engine.Open(d, nil)
}

func session(t testing.TB, db *engine.DB) *engine.Session {
	t.Helper()
	s, err := db.Session(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func exec(t testing.TB, s *engine.Session, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := s.Exec(ctx, "exec", statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func value(t testing.TB, s *engine.Session, query string) string {
	t.Helper()
	var v sql.NullString
	if err := s.Row(ctx, "value", query, &v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if !v.Valid {
		return "NULL"
	}
	return v.String
}

func TestSessionsDoNotDependOnTheRole(t *testing.T) {
	server := pgtest.Start(t)
	url := server.Database(t)
	db := open(t, postgres.Options{URL: url})
	exec(t, session(t, db), `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET TimeZone = ''Asia/Tokyo''', current_database());
		EXECUTE format('ALTER DATABASE %I SET DateStyle = ''German''', current_database());
		EXECUTE format('ALTER DATABASE %I SET search_path = ''other''', current_database());
		EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = ''serializable''', current_database());
		EXECUTE format('ALTER DATABASE %I SET extra_float_digits = -5', current_database());
		EXECUTE format('ALTER DATABASE %I SET bytea_output = ''escape''', current_database()); END $$`)
	s := session(t, db)
	for query, want := range map[string]string{
		"SELECT timestamptz '2020-03-01 00:00+00'::text": "2020-03-01 00:00:00+00",
		"SHOW search_path":                                 "public",
		"SHOW transaction_isolation":                       "read committed",
		"SELECT (0.1::float8 + 0.2::float8)::text":         "0.30000000000000004",
		`SELECT '\xff'::bytea::text`:                       `\xff`,
		"SHOW application_name":                            "twice",
		"SHOW idle_in_transaction_session_timeout":         "1min",
		"SHOW client_connection_check_interval":            "1s",
		"SELECT current_setting('lock_timeout')":           "5min",
		"SELECT (timestamptz '2020-01-01 00:00+00')::date": "2020-01-01T00:00:00Z",
	} {
		if got := value(t, s, query); got != want {
			t.Errorf("%s = %q, want %q", query, got, want)
		}
	}
}

func TestASessionLeavesNothingToTheNext(t *testing.T) {
	db := target(t)
	s := session(t, db)
	exec(t, s, "CREATE TEMP TABLE orders (x int)")
	s.Close()
	if got := value(t, session(t, db), "SELECT to_regclass('orders')::text"); got != "NULL" {
		t.Errorf("the next session sees %s", got)
	}
}

func TestAStatementSurvivesAnotherSessionsAlter(t *testing.T) {
	db := target(t)
	s := session(t, db)
	exec(t, s, "CREATE TABLE t (x int)", "INSERT INTO t VALUES (1)")
	read := func() string {
		var got string
		err := s.Query(ctx, "read", "SELECT t::text FROM t WHERE x = $1", func(r *sql.Rows) error { return r.Scan(&got) }, 1)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	read()
	exec(t, session(t, db), "ALTER TABLE t ADD COLUMN y text DEFAULT 'new'")
	if got := read(); got != "(1,new)" {
		t.Errorf("got %s", got)
	}
}

func TestDescribe(t *testing.T) {
	s := session(t, target(t))
	exec(t, s, "CREATE TABLE t (a numeric(10,2), b varchar(5), c timestamptz(3)[])")
	got, err := s.DB().Describe(ctx, s, "SELECT a, b, c, a::float8 AS d, 'x' AS \"E\", now() - now() AS f FROM t")
	if err != nil {
		t.Fatal(err)
	}
	want := "a numeric(10,2), b character varying(5), c timestamp(3) with time zone[], d double precision, E text, f interval"
	if list(got) != want {
		t.Errorf("got  %s\nwant %s", list(got), want)
	}
	_, err = s.DB().Describe(ctx, s, "SELECT 'é',\n  nothing FROM t")
	if e := twice.AsError(err); e.Code != "sql" || e.Line != 2 || !strings.Contains(e.Message, `"nothing" does not exist`) {
		t.Errorf("got %+v", e)
	}
}

func list(columns []twice.Column) string {
	var words []string
	for _, c := range columns {
		words = append(words, c.Name+" "+c.Type)
	}
	return strings.Join(words, ", ")
}

func TestColumns(t *testing.T) {
	db := open(t, postgres.Options{URL: pgtest.Start(t).Database(t), Schema: "My Mart"})
	s := session(t, db)
	exec(t, s, `CREATE SCHEMA "My Mart"`, `CREATE TABLE "Odd.Name" (a int, gone int, "B b" varchar(3))`,
		`ALTER TABLE "Odd.Name" DROP COLUMN gone`, `CREATE TEMP TABLE "Odd.Name" (z int)`)
	for _, schema := range []string{"", "My Mart"} {
		got, err := db.Columns(ctx, s, twice.Table{Schema: schema, Name: "Odd.Name"})
		if err != nil || list(got) != "a integer, B b character varying(3)" {
			t.Errorf("schema %q: got %s, %v", schema, list(got), err)
		}
	}
	got, err := db.Columns(ctx, s, twice.Table{Schema: "nowhere", Name: "t"})
	if err != nil || got != nil {
		t.Errorf("a table that is not there: %v, %v", got, err)
	}
}

func TestSameType(t *testing.T) {
	s := session(t, target(t))
	exec(t, s, "CREATE DOMAIN money2 AS numeric(10,2)")
	for _, pair := range [][2]string{
		{"bigint", "INT8"}, {"varchar", "character varying"}, {"numeric(10,2)", "DECIMAL( 10, 2 )"},
		{"timestamptz", "TIMESTAMP WITH TIME ZONE"}, {"int[]", "integer[]"}, {"float", "double precision"},
		{"char(1)", "character"}, {"money2", "public.money2"}, {"money2", "numeric(10,2)"}, {"no such type", "NO SUCH  TYPE"},
	} {
		if !s.DB().SameType(pair[0], pair[1]) {
			t.Errorf("%s and %s should be the same", pair[0], pair[1])
		}
	}
	for _, pair := range [][2]string{
		{"bigint", "integer"}, {"varchar(3)", "varchar"}, {"numeric(10,2)", "numeric"}, {"timestamp", "timestamptz"},
		{"int); DROP DOMAIN money2; --", "int"}, {"int) , (1", "int"},
	} {
		if s.DB().SameType(pair[0], pair[1]) {
			t.Errorf("%s and %s should differ", pair[0], pair[1])
		}
	}
}

func TestVolatility(t *testing.T) {
	s := session(t, target(t))
	exec(t, s, "CREATE FUNCTION mine(int) RETURNS int LANGUAGE sql STABLE AS 'SELECT $1'",
		"CREATE FUNCTION round(text) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1'")
	want := map[string]engine.Volatility{}
	for _, name := range strings.Fields("lower sum date_trunc to_char extract timezone to_json json_build_object concat to_date array_to_string") {
		want[name] = engine.Immutable
	}
	for _, name := range strings.Fields("now current_date localtimestamp current_role statement_timestamp current_setting version current_user pg_backend_pid has_table_privilege to_regclass mine obj_description table_to_xml") {
		want[name] = engine.Stable
	}
	for _, name := range strings.Fields("random ctid clock_timestamp nextval gen_random_uuid setseed timeofday round") {
		want[name] = engine.Volatile
	}
	names := []string{"no_such_function"}
	for name := range want {
		names = append(names, name)
	}
	got, err := s.DB().Volatility(ctx, names)
	if err != nil {
		t.Fatal(err)
	}
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s is %q, want %q", name, got[name], want[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d answers, want %d", len(got), len(want))
	}
}

func TestRowHash(t *testing.T) {
	db := target(t)
	s := session(t, db)
	hash := func(row string, columns ...twice.Column) string {
		return value(t, s, "SELECT "+db.RowHash("r", columns)+"::text FROM (SELECT "+row+") r")
	}
	a, b := twice.Column{Name: "a", Type: "text"}, twice.Column{Name: "b", Type: "text"}
	first := hash("'x'::text AS a, NULL::text AS b", a, b)
	if first != hash("NULL::text AS b, 'x'::text AS a", a, b) {
		t.Error("the order in the relation counts")
	}
	seen := map[string]string{first: "x, NULL"}
	for _, row := range []string{
		"'x'::text AS a, ''::text AS b", "NULL::text AS a, 'x'::text AS b", "''::text AS a, 'x'::text AS b",
		"'x,'::text AS a, NULL::text AS b", "NULL::text AS a, NULL::text AS b", "'(x,)'::text AS a, '\"'::text AS b",
	} {
		h := hash(row, a, b)
		if other, ok := seen[h]; ok {
			t.Errorf("%s and %s hash equally", row, other)
		}
		seen[h] = row
	}
	if hash("1 AS a", twice.Column{Name: "a", Type: "integer"}) == hash("1::bigint AS a", twice.Column{Name: "a", Type: "bigint"}) {
		t.Error("the type does not count")
	}
	odd := twice.Column{Name: `odd "name`, Type: "json"}
	if hash(`'{"a":1}'::json AS "odd ""name"`, odd) == hash(`'{"a": 1}'::json AS "odd ""name"`, odd) {
		t.Error("json texts that differ hash equally")
	}
	for typ, pair := range map[string][2]string{ // equal, but not the same
		"numeric": {"1.0", "1.00"}, "double precision": {"'0'", "'-0'"}, "jsonb": {"'1.0'", "'1.00'"}, "interval": {"'1 day'", "'24 hours'"},
	} {
		of := twice.Column{Name: "a", Type: typ}
		if hash(pair[0]+"::"+typ+" AS a", of) == hash(pair[1]+"::"+typ+" AS a", of) {
			t.Errorf("%s and %s of type %s hash equally", pair[0], pair[1], typ)
		}
	}
	s.Exec(t.Context(), "collation", "CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
	if hash("'x'::text COLLATE nocase AS a", a) == hash("'X'::text COLLATE nocase AS a", a) {
		t.Error("x and X hash equally where a collation takes them for equal")
	}
	// The literal value holds across processes, servers and versions, or fingerprints would be worth nothing.
	if got := hash("1 AS a", twice.Column{Name: "a", Type: "integer"}); got != "-4084428537342257238" {
		t.Errorf("the hash of (1) became %s", got)
	}
}
