package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twice-data/twice/engine/postgres/pgtest"
)

// diffProject has one pipeline for each way to write, each over a file a day.
func diffProject(t *testing.T) *world {
	header := "window: day\nbegin: 2020-03-01\nend: 2020-03-04\ninputs:\n  feed: {files: \"feed/{start:%Y-%m-%d}.csv\"}\n"
	const sql = "*/\nselect $start::date as day, id, name, v from feed\n"
	w := newWorld(t, map[string]string{
		"pipelines/over.sql":   "/* @twice\nwrite: overwrite\ntime_column: day\nchecks:\n  - unique: [day, id]\n" + header + sql,
		"pipelines/newest.sql": "/* @twice\nwrite: merge\nunique_key: [id]\nversion: v\n" + header + sql,
		"pipelines/last.sql":   "/* @twice\nwrite: merge\nunique_key: [id]\n" + header + "*/\nselect id, name, v from feed\n",
		"pipelines/full.sql":   "/* @twice\nwrite: merge\nunique_key: [id]\nwhen_missing: delete\n" + header + "*/\nselect id, name, v from feed\n",
		"pipelines/pub.sql":    "/* @twice\nwrite: publish\ntime_column: day\n" + header + sql,
	})
	w.write("twice.yml", "project: test\ndefault_target: dev\ntargets:\n  dev: {engine: duckdb, path: target.duckdb}\n  prod: {engine: duckdb, path: prod.duckdb}\n")
	w.write("feed/2020-03-01.csv", "id,name,v\n1,ann,1\n2,bob,1\n3,cid,1\n")
	w.write("feed/2020-03-02.csv", "id,name,v\n1,ann,2\n2,ben,2\n")
	w.write("feed/2020-03-03.csv", "id,name,v\n1,ann,3\n3,cyd,3\n")
	return w
}

type diffSummary struct {
	Added, Removed, Changed, Fetched int64
	Same, Different                  int
}

// diff runs diff and reads its summary, which must agree with the exit code.
func (w *world) diff(args ...string) (diffSummary, result) {
	w.Helper()
	r := w.run(append([]string{"diff", "--json"}, args...)...)
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	var s diffSummary
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); err != nil || !strings.Contains(lines[len(lines)-1], `"summary"`) {
		w.Fatalf("diff %v: exit code %d\n%s%s", args, r.code, r.stdout, r.stderr)
	}
	if want := min(1, s.Added+s.Removed+s.Changed+int64(s.Different)); int64(r.code) != want {
		w.Fatalf("diff %v: exit code %d\n%s", args, r.code, r.stdout)
	}
	return s, r
}

func TestDiffOfATableAndNowTellsWhatARunWouldDo(t *testing.T) {
	w := diffProject(t)
	all := []string{"over", "newest", "last", "full", "pub"}
	if s, _ := w.diff("over"); s.Added != 7 {
		t.Errorf("before the first run: %+v", s)
	}
	w.must("run")
	for _, p := range all {
		if s, r := w.diff(p); s != (diffSummary{}) {
			t.Errorf("%s right after a run: %s", p, r.stdout)
		}
	}
	w.write("feed/2020-03-03.csv", "id,name,v\n1,anna,5\n2,late,1\n4,dan,4\n")
	w.write("feed/2020-03-02.csv", "id,name,v\n1,old,1\n2,bill,4\n")
	for p, want := range map[string]diffSummary{
		"over":   {Added: 2, Removed: 1, Changed: 3},
		"pub":    {Added: 5, Removed: 4}, // no key: rows as a whole
		"last":   {Added: 1, Changed: 3}, // 3 goes back to cid: the windows are redone in order
		"full":   {Added: 2, Removed: 1, Changed: 1},
		"newest": {Added: 1, Changed: 2}, // late is older than bill, and cid than cyd
	} {
		before := w.read("target.duckdb")
		got, r := w.diff(p)
		if got.Fetched = 0; got != want {
			t.Errorf("%s: %+v, want %+v\n%s", p, got, want, r.stdout)
		}
		if w.read("target.duckdb") != before {
			t.Errorf("%s: diff has written to the target", p)
		}
	}
	w.must("run", "--force")
	for _, p := range all {
		if s, r := w.diff(p); s != (diffSummary{}) {
			t.Errorf("%s after the run: %s", p, r.stdout)
		}
	}
}

func TestDiffAcrossTargetsNamesTheCell(t *testing.T) {
	w := diffProject(t)
	w.must("run")
	w.must("run", "--target", "prod", "--jobs", "1")
	if s, r := w.diff("over", "--target", "dev", "--against", "prod"); s != (diffSummary{}) {
		t.Fatalf("equal targets: %s", r.stdout)
	}
	w.write("feed/2020-03-02.csv", "id,name,v\n1,ann,2\n2,beth,2\n")
	w.must("run", "over", "--target", "prod")
	s, r := w.diff("over", "--against", "prod")
	const want = `{"event":"difference","change":"changed","key":{"day":"2020-03-02","id":"2"},` +
		`"columns":[{"column":"name","left":"ben","right":"beth"}],"count":1}`
	if !strings.HasPrefix(r.stdout, want+"\n") || s != (diffSummary{Changed: 1, Fetched: 2}) {
		t.Errorf("got %s", r.stdout)
	}
	text := w.run("diff", "over", "--against", "prod")
	const table = "" +
		"CHANGE   KEY                   COLUMN  DEV OVER  PROD OVER\n" +
		"changed  day=2020-03-02, id=2  name    ben       beth\n" +
		"0 added, 0 removed, 1 changed: 7 rows in dev over, 7 in prod over\n"
	if text.stdout != table || text.code != 1 {
		t.Errorf("exit code %d\n%s", text.code, text.stdout)
	}
	if s, _ := w.diff("over", "--against", "prod", "--start", "2020-03-03"); s != (diffSummary{}) {
		t.Errorf("outside the range: %+v", s)
	}
	if s, _ := w.diff("over", "--against", "prod", "--except", "name"); s != (diffSummary{}) {
		t.Errorf("without the column: %+v", s)
	}
	if s, _ := w.diff("last", "full", "--key", "id"); s != (diffSummary{Removed: 1, Fetched: 1}) {
		t.Errorf("two tables: %+v", s)
	}
}

// TestDiffBetweenEngines runs the same pipelines in DuckDB and in PostgreSQL.
func TestDiffBetweenEngines(t *testing.T) {
	url := pgtest.Start(t).Database(t)
	w := diffProject(t)
	w.write("twice.yml", "project: test\ndefault_target: dev\ntargets:\n  dev: {engine: duckdb, path: target.duckdb}\n"+
		"  prod: {engine: postgres, url: \""+url+"\"}\n")
	w.must("run")
	w.must("run", "--target", "prod", "--jobs", "1")
	for _, p := range []string{"over", "newest", "last", "full", "pub"} {
		if s, r := w.diff(p, "--target", "dev", "--against", "prod"); s != (diffSummary{}) {
			t.Errorf("%s: %s", p, r.stdout)
		}
		if s, r := w.diff(p, "--target", "prod"); s != (diffSummary{}) {
			t.Errorf("%s in PostgreSQL and now: %s", p, r.stdout)
		}
	}
	w.write("feed/2020-03-02.csv", "id,name,v\n1,ann,2\n2,beth,2\n")
	if s, r := w.diff("over", "--target", "prod"); s != (diffSummary{Changed: 1, Fetched: 2}) {
		t.Errorf("a changed input: %s", r.stdout)
	}
	w.must("run", "over", "--target", "prod")
	s, r := w.diff("over", "--against", "prod")
	const want = `"key":{"day":"2020-03-02","id":"2"},"columns":[{"column":"name","left":"ben","right":"beth"}]`
	if s != (diffSummary{Changed: 1, Fetched: 2}) || !strings.Contains(r.stdout, want) {
		t.Errorf("a changed cell: %s", r.stdout)
	}
}

func TestDiffOfRunsReadsReceipts(t *testing.T) {
	w := diffProject(t)
	first := runID(t, w.must("run", "over", "--json"))
	if s, _ := w.diff("over", "--run", first); s != (diffSummary{Same: 3}) {
		t.Errorf("a run and now: %+v", s)
	}
	w.write("feed/2020-03-02.csv", "id,name,v\n1,ann,2\n")
	second := runID(t, w.must("run", "over", "--force", "--json"))
	s, r := w.diff("--run", first, "--run", second)
	if s != (diffSummary{Same: 2, Different: 1}) || !strings.Contains(r.stdout, `"start":"2020-03-02T00:00:00Z"`) ||
		!strings.Contains(r.stdout, `"why":["input"]`) {
		t.Errorf("two runs: %s", r.stdout)
	}
	if s, _ := w.diff("over", "--run", second); s != (diffSummary{Same: 3}) {
		t.Errorf("the newest run and now: %+v", s)
	}
}

func runID(t *testing.T, r result) string {
	t.Helper()
	var line struct{ Run string }
	if err := json.Unmarshal([]byte(strings.SplitN(r.stdout, "\n", 2)[0]), &line); err != nil || line.Run == "" {
		t.Fatalf("no run in %s", r.stdout)
	}
	return line.Run
}

func TestDiffRefusesWhatItCannotCompare(t *testing.T) {
	w := diffProject(t)
	w.must("run", "over", "last")
	for args, want := range map[string]string{
		"":                                "diff needs a table",
		"nothing":                         "nothing",
		"over nothing":                    "there is no table nothing in target dev",
		"over --against dev":              "--against dev is the target itself",
		"over --against nowhere":          "nowhere",
		"over --against prod":             "there is no table over in target prod",
		"over last --key nothing":         "the key has the column nothing",
		"over last --except nothing":      "--except nothing",
		"over --limit -1":                 "--limit -1",
		"over --run nope":                 "run nope committed nothing of over in target dev",
		"over last --run nope":            "--run compares receipts",
		"over last --start 2020-03-01":    "last has no time_column",
		"last over --start 2020-03-01":    "last has no time_column",
		"over --start yesterday":          "yesterday",
		"over --run a --run b --run c":    "3 times",
		"over --start 2030-01-01 --end 2": "--end",
	} {
		r := w.run(append([]string{"diff"}, strings.Fields(args)...)...)
		if r.code != 2 || !strings.Contains(r.stderr, want) {
			t.Errorf("diff %s: exit code %d, want 2 and %q\n%s%s", args, r.code, want, r.stdout, r.stderr)
		}
	}
	r := w.run("diff", "over", "last", "--limit", "2")
	if r.code != 1 || !strings.Contains(r.stdout, "… the first 2 are shown") {
		t.Errorf("limit:\n%s", fmt.Sprint(r))
	}
}

func (w *world) read(file string) string {
	w.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, file))
	if err != nil {
		w.Fatal(err)
	}
	return string(b)
}
