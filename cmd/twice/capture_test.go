package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/twice-data/twice/engine/postgres/pgtest"
)

// source is a database that a project reads, and the test changes.
type source struct {
	t      *testing.T
	server *pgtest.Server
	url    string
}

func newSource(t *testing.T, statements string) *source {
	s := &source{t: t, server: pgtest.Start(t)}
	s.url = s.server.Database(t)
	s.exec(statements)
	return s
}

func (s *source) exec(statements string) {
	s.t.Helper()
	u, err := url.Parse(s.url)
	if err != nil {
		s.t.Fatal(err)
	}
	s.server.Exec(s.t, strings.TrimPrefix(u.Path, "/"), statements)
}

// daily is a pipeline of three days that copies input src.
func daily(input, more string) string {
	return "/* @twice\nwrite: overwrite\ntime_column: day\nwindow: day\nbegin: 2020-01-01\nend: 2020-01-04\n" + more +
		"inputs:\n  src: " + input + "\n*/\nselect day, n from src where day >= $start and day < $end"
}

const ofDay = `{postgres: {url: "${SOURCE}", query: "select day, n from src where day >= $start and day < $end"}}`

// asked is what a query on the DuckDB target gives.
func (w *world) asked(query string) string {
	w.Helper()
	var out strings.Builder
	if err := duck(&out, filepath.Join(w.dir, "target.duckdb"), query); err != nil {
		w.Fatal(err)
	}
	return strings.Join(strings.Fields(out.String()), " ")
}

const threeDays = "CREATE TABLE src AS SELECT date '2020-01-01' + i AS day, i AS n FROM generate_series(0, 2) AS i"

// The source changes between the crash and the retry. Once the manifest was recorded the retry gives what the killed run
// would have given; before that it gives what is there now.
func TestRetryAfterCrashReadsTheFirstCapture(t *testing.T) {
	src := newSource(t, threeDays)
	w := newWorld(t, map[string]string{"pipelines/copied.sql": daily(ofDay, "")})
	w.env = []string{"SOURCE=" + src.url}
	oneDay := []string{"run", "--start", "2020-01-01", "--end", "2020-01-02"}
	points := w.trace(oneDay...)
	tried := map[bool]int{}
	for _, p := range points {
		when, rest, _ := strings.Cut(p, " ")
		n, name, _ := strings.Cut(rest, " ")
		switch name {
		case "record manifest", "commit", "insert", "receipt":
		default:
			continue
		}
		w.reset()
		src.exec("UPDATE src SET n = 1 WHERE day = '2020-01-01'")
		if !w.killed(when+":"+n, oneDay...) {
			t.Fatalf("the run did not get %s", p)
		}
		recorded := w.asked("select count(*) from information_schema.tables where table_name = 'manifests'") == "1" &&
			w.asked("select count(*) from twice.manifests") == "1"
		tried[recorded]++
		src.exec("UPDATE src SET n = 2 WHERE day = '2020-01-01'")
		w.must(oneDay...)
		want := "2"
		if recorded {
			want = "1"
		}
		if got := w.asked("select n from copied"); got != want {
			t.Errorf("killed %s, then run again: n is %s, want %s", p, got, want)
		}
		if r := w.must(oneDay...); !strings.Contains(r.stdout, "up to date") {
			t.Errorf("killed %s: the third run is not up to date:\n%s", p, r.stdout)
		}
	}
	if tried[true] < 3 || tried[false] == 0 {
		t.Errorf("of the points before and after the manifest was recorded %v were tried", tried)
	}
}

// A capture that was read for rows which a check refused is not held on to: what is mended at the source is seen.
func TestCaptureIsNewAfterAFailure(t *testing.T) {
	src := newSource(t, threeDays+"; UPDATE src SET n = -1 WHERE day = '2020-01-02'")
	w := newWorld(t, map[string]string{"pipelines/copied.sql": daily(ofDay, "checks: [{sql: \"select * from {rows} where n < 0\"}]\n")})
	w.env = []string{"SOURCE=" + src.url}
	if r := w.run("run"); r.code != 1 || !strings.Contains(r.stdout, "2 committed, 1 blocked") {
		t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	src.exec("UPDATE src SET n = 7")
	w.must("run")
	if got := w.asked("select n from copied order by day"); got != "0 7 2" {
		t.Errorf("rows are %s, want the mended one and the others as they were", got)
	}
}

func TestPinnedReplaysWhenTheSourceIsGone(t *testing.T) {
	src := newSource(t, threeDays)
	w := newWorld(t, map[string]string{"pipelines/copied.sql": daily(ofDay, "batch_size: 2\n")})
	w.env = []string{"SOURCE=" + src.url}
	w.must("run")
	before := w.fingerprint("copied")
	src.exec("UPDATE src SET n = n + 100")
	if r := w.must("run"); !strings.Contains(r.stdout, "up to date") {
		t.Errorf("a window with a receipt is done again:\n%s", r.stdout)
	}
	src.exec("DROP TABLE src")
	w.must("run", "--force", "--pinned")
	if after := w.fingerprint("copied"); after != before || w.asked("select n from copied order by day") != "0 1 2" {
		t.Errorf("replayed: %s, want %s", after, before)
	}
	r := w.run("run", "--force")
	if r.code != 1 || !strings.Contains(r.stdout, "src") || w.fingerprint("copied") != before {
		t.Errorf("without --pinned: exit code %d\n%s", r.code, r.stdout)
	}
}

// Windows that are written together, and a query that does not know of windows: no row is there twice.
func TestBatchesOfCaptures(t *testing.T) {
	src := newSource(t, threeDays)
	for name, input := range map[string]string{
		"by window": ofDay, "whole": `{postgres: {url: "${SOURCE}", query: "select day, n from src"}}`,
	} {
		w := newWorld(t, map[string]string{"pipelines/copied.sql": daily(input, "batch_size: 3\n")})
		w.env = []string{"SOURCE=" + src.url}
		w.must("run")
		for range 2 {
			if got := w.asked("select n from copied order by day"); got != "0 1 2" {
				t.Errorf("%s: rows are %s", name, got)
			}
			w.must("run", "--force", "--pinned")
		}
	}
}

func TestSourceThatRefuses(t *testing.T) {
	src := newSource(t, threeDays+"; DO $$BEGIN CREATE ROLE password_required; EXCEPTION WHEN duplicate_object THEN NULL; END$$;"+
		"DROP ROLE IF EXISTS caught; CREATE ROLE caught LOGIN PASSWORD 'right' IN ROLE password_required")
	for name, test := range map[string]struct{ from, to, code, next string }{
		"wrong password": {"postgres@", "caught:geheim@", "wrong-password", "check the password in the input's url"},
		"no privilege":   {"postgres@", "caught:right@", "permission", "GRANT SELECT ON src TO"},
		"server down":    {fmt.Sprint(src.server.Port), "1", "server-down", "pg_isready -h 127.0.0.1 -p 1"},
	} {
		w := newWorld(t, map[string]string{"pipelines/copied.sql": daily(ofDay, "")})
		w.env = []string{"SOURCE=" + strings.Replace(src.url, test.from, test.to, 1)}
		r := w.run("run", "--json")
		if r.code != 1 || !strings.Contains(r.stdout, `"code":"`+test.code+`"`) || !strings.Contains(r.stdout, test.next) {
			t.Errorf("%s: exit code %d\n%s%s", name, r.code, r.stdout, r.stderr)
		}
		if strings.Contains(r.stdout+r.stderr, "geheim") || strings.Contains(w.asked("select * from twice.manifests"), "geheim") {
			t.Errorf("%s: the password is printed\n%s%s", name, r.stdout, r.stderr)
		}
	}
}

// A server that fails once is asked again; a plan asks nothing; headers are not printed and not kept.
func TestHTTPInput(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n := asked.Add(1); {
		case r.URL.Path == "/again":
			http.Redirect(w, r, fmt.Sprintf("/again?%d", n), http.StatusFound)
		case r.Header.Get("Authorization") != "Bearer geheim":
			w.WriteHeader(http.StatusUnauthorized)
		case n == 1:
			w.WriteHeader(http.StatusInternalServerError)
		default:
			fmt.Fprintf(w, `{"rows": [{"day": %q, "n": %d}]}`, r.URL.Query().Get("day"), n)
		}
	}))
	t.Cleanup(server.Close)
	input := `{http: {url: "` + server.URL + `/x?day={start:%Y-%m-%d}", headers: {Authorization: "Bearer ${TOKEN}"}, records: rows}}`
	w := newWorld(t, map[string]string{"pipelines/copied.sql": daily(input, "")})
	w.env = []string{"TOKEN=geheim"}
	w.must("plan")
	if asked.Load() != 0 {
		t.Errorf("the plan asked the server %d times", asked.Load())
	}
	r := w.must("run")
	if got := w.asked("select n from copied order by day"); got != "2 3 4" || asked.Load() != 4 {
		t.Errorf("rows are %s after %d requests", got, asked.Load())
	}
	if strings.Contains(r.stdout+r.stderr+w.asked("select * from twice.manifests"), "geheim") {
		t.Error("the token is printed or kept")
	}
	w.must("run")
	w.must("plan", "--force")
	if asked.Load() != 4 {
		t.Errorf("what is up to date was asked for again: %d requests", asked.Load())
	}

	w.write("pipelines/copied.sql", daily(`{http: {url: "`+server.URL+`/again"}}`, ""))
	if r := w.run("run", "--json"); r.code != 1 || !strings.Contains(r.stdout, `"code":"endless-redirect"`) {
		t.Errorf("endless redirect: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func TestCapturesInABucket(t *testing.T) {
	memory := s3mem.New()
	server := httptest.NewServer(gofakes3.New(memory).Server())
	t.Cleanup(server.Close)
	if err := memory.CreateBucket("team"); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, map[string]string{
		"pipelines/t.sql": "/* @twice\nwrite: publish\ninputs: {src: {command: [cat, n.json]}}\n*/\nselect n from src",
		"n.json":          `{"n": 1}`,
		"twice.yml": "project: test\ncaptures: s3://${BUCKET}/twice\ndefault_target: dev\n" +
			"targets:\n  dev: {engine: duckdb, path: target.duckdb}\n",
	})
	w.env = []string{"BUCKET=team", "AWS_ENDPOINT_URL_S3=" + server.URL, "AWS_ACCESS_KEY_ID=me", "AWS_SECRET_ACCESS_KEY=geheim"}
	w.must("run")
	w.write("n.json", `{"n": 2}`)
	w.must("run", "--force", "--pinned")
	if got := w.asked("select n from t"); got != "1" {
		t.Errorf("replayed from the bucket: %s", got)
	}
	if r := w.must("gc", "--json"); !strings.Contains(r.stdout, `"kept":1`) {
		t.Errorf("gc says %s", r.stdout)
	}
	server.Close()
	if r := w.run("run", "--force", "--pinned", "--json"); r.code != 1 || !strings.Contains(r.stdout, `"code":"capture-store"`) ||
		strings.Contains(r.stdout+r.stderr, "geheim") {
		t.Errorf("without the bucket: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// Captured inputs and table: inputs on both engines: a table's rows count, not when they were written.
func TestInputsOnBothEngines(t *testing.T) {
	src := newSource(t, threeDays)
	target := pgtest.Start(t).Database(t)
	pipeline := func(input string) string {
		return "/* @twice\nwrite: publish\ninputs:\n  src: " + input + "\n*/\nselect day, n from src"
	}
	w := newWorld(t, map[string]string{
		"twice.yml": "project: test\ndefault_target: dev\ntargets:\n  dev: {engine: duckdb, path: target.duckdb}\n" +
			"  prod: {engine: postgres, url: \"${TARGET}\"}\n",
		"pipelines/copied.sql": pipeline(`{postgres: {url: "${SOURCE}", query: "select day, n from src"}}`),
	})
	w.env = []string{"SOURCE=" + src.url, "TARGET=" + target}
	there := &source{t: t, server: src.server, url: target}
	for _, engine := range []struct {
		name string
		exec func(string)
	}{{"dev", func(q string) { w.asked(q) }}, {"prod", there.exec}} {
		w.write("pipelines/read.sql", pipeline("{table: hand}"))
		w.must("run", "copied", "--target", engine.name)
		if r := w.must("run", "copied", "--target", engine.name); !strings.Contains(r.stdout, "up to date") {
			t.Errorf("%s: a second run is not up to date:\n%s", engine.name, r.stdout)
		}
		if r := w.run("run", "read", "--target", engine.name); !strings.Contains(r.stdout, "hand does not exist") {
			t.Errorf("%s: without the table:\n%s", engine.name, r.stdout)
		}
		engine.exec("CREATE TABLE hand AS SELECT day, n FROM copied")
		for _, step := range []struct{ change, says string }{
			{"", "new"},
			{"", "up to date"},
			{"UPDATE hand SET n = n + 1", "upstream"},
			{"UPDATE hand SET n = n", "up to date"},
		} {
			if step.change != "" {
				engine.exec(step.change)
			}
			if r := w.must("run", "read", "--target", engine.name); !strings.Contains(r.stdout, step.says) {
				t.Errorf("%s: after %q:\n%s", engine.name, step.change, r.stdout)
			}
		}
		if r := w.must("fingerprint", "read", "--target", engine.name, "--json"); !strings.Contains(r.stdout, `"rows":3`) {
			t.Errorf("%s: %s", engine.name, r.stdout)
		}
	}
}

// Runs that start together on one target, from a source that never says the same twice: every window is committed once.
func TestCapturesOfRunsAtOnce(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `[{"day": %q, "n": %d}]`, r.URL.Query().Get("day"), asked.Add(1))
	}))
	t.Cleanup(server.Close)
	target := newSource(t, "SELECT 1")
	w := newWorld(t, map[string]string{
		"twice.yml":            "project: test\ntargets:\n  prod: {engine: postgres, url: \"${TARGET}\"}\n",
		"pipelines/copied.sql": daily(`{http: {url: "`+server.URL+`/x?day={start:%Y-%m-%d}"}}`, ""),
	})
	w.env = []string{"TARGET=" + target.url}
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if r := w.run("run", "--wait", "30s"); r.code != 0 {
				t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
			}
		})
	}
	wg.Wait()
	target.exec(`DO $$BEGIN
		ASSERT (SELECT count(*) FROM copied) = 3 AND (SELECT count(DISTINCT day) FROM copied) = 3, 'rows';
		ASSERT (SELECT count(*) FROM twice.history) = 3, 'a window was committed more than once';
		ASSERT (SELECT count(*) FROM twice.leases WHERE run <> '') = 0, 'a lease is left';
	END$$`)
}

// A killed run's captures are kept by gc; when they are lost all the same, they are taken anew.
func TestRetryAfterCrashWithoutTheCapture(t *testing.T) {
	w := newWorld(t, map[string]string{
		"pipelines/t.sql": "/* @twice\nwrite: publish\ninputs: {src: {command: [cat, n.json]}}\n*/\nselect n from src",
		"n.json":          `{"n": 1}`,
	})
	at := ""
	for _, p := range w.trace("run") {
		if f := strings.Fields(p); f[0] == "before" && f[2] == "receipt" {
			at = f[0] + ":" + f[1]
		}
	}
	w.reset()
	if !w.killed(at, "run") {
		t.Fatalf("the run did not get to %s", at)
	}
	if r := w.must("gc", "--keep", "0s", "--yes", "--json"); !strings.Contains(r.stdout, `"kept":1`) {
		t.Errorf("gc says %s", r.stdout)
	}
	w.write("n.json", `{"n": 2}`)
	if err := os.RemoveAll(filepath.Join(w.dir, ".twice")); err != nil {
		t.Fatal(err)
	}
	w.must("run")
	if got := w.asked("select n from t"); got != "2" {
		t.Errorf("n is %s", got)
	}
}

// What PostgreSQL holds is the same after a way through a capture back into PostgreSQL.
func TestTypesComeBack(t *testing.T) {
	src := newSource(t, `CREATE TABLE src (id int, b boolean, s smallint, l bigint, r real, d double precision, n numeric(20,5),
		t text, v varchar(9), day date, at timestamp, tz timestamptz, clock time, u uuid, j json, raw bytea, ints int[], texts text[]);
		INSERT INTO src VALUES
		(1, true, -32768, 9223372036854775807, 0.1, 'NaN', 123456789012345.12345, E'a"b,\n\\N', 'x', '2020-02-29', '2020-01-01 00:00:00.000001',
			'2020-01-01 00:00:00.123456+05', '23:59:59.999999', gen_random_uuid(), '{"a": 1.00}', '\x00ff', '{1,NULL}', '{"",NULL,"NULL"}'),
		(2, false, 0, 0, '-Infinity', 5e-324, -0.00001, '', '', 'infinity', '-infinity', 'infinity', '00:00:00', gen_random_uuid(), '[]', '', '{}', '{}'),
		(3, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null)`)
	w := newWorld(t, map[string]string{
		"twice.yml": "project: test\ntargets:\n  prod: {engine: postgres, url: \"${SOURCE}\"}\n",
		"pipelines/back.sql": "/* @twice\nwrite: publish\ninputs: {came: {postgres: {url: \"${SOURCE}\", query: \"select * from src\"}}}\n" +
			"*/\nselect * from came",
	})
	w.env = []string{"SOURCE=" + src.url}
	w.must("run")
	src.exec(`DO $$BEGIN
		ASSERT (SELECT count(*) FROM (SELECT md5(src::text) FROM src INTERSECT SELECT md5(back::text) FROM back) AS same) = 3,
			(SELECT string_agg(src::text || ' became ' || back::text, '; ') FROM src JOIN back USING (id) WHERE src::text <> back::text);
	END$$`)
}
