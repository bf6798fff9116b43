package prove_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/twice-data/twice/engine/postgres/pgtest"
)

// built is the folder of the program; empty: no test has asked for it.
var built string

// program builds the program once for all tests: its children are what prove kills.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "prove-test-")
	if err != nil {
		return "", err
	}
	built = dir
	path := filepath.Join(dir, "twice")
	out, err := exec.Command("go", "build", "-o", path, "../cmd/twice").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		os.RemoveAll(built)
	}
	os.Exit(code)
}

// shop is a project whose six files hold nine rows each.
type shop struct {
	t         *testing.T
	dir, temp string
}

func newShop(t *testing.T, target string) *shop {
	t.Helper()
	s := &shop{t, t.TempDir(), t.TempDir()}
	s.write("twice.yml", "project: shop\ntargets: {dev: "+target+"}\n")
	for day := 1; day <= 6; day++ {
		var b strings.Builder
		b.WriteString("id,customer,amount\n")
		for i := 1; i <= 9; i++ {
			fmt.Fprintf(&b, "%d%d,c%d,%d.%d%d\n", day, i, i%3, i, day, i)
		}
		s.write(fmt.Sprintf("landing/o-2026-01-0%d.csv", day), b.String())
	}
	return s
}

const duckdbFile = "{engine: duckdb, path: warehouse.duckdb}"

func (s *shop) write(path, text string) {
	s.t.Helper()
	path = filepath.Join(s.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// pipeline adds one that reads the day's file as o.
func (s *shop) pipeline(name, header, sql string) {
	s.write("pipelines/"+name+".sql", fmt.Sprintf("/* @twice\n%s\nwindow: day\nbegin: 2026-01-01\nend: 2026-01-07\n"+
		"inputs:\n  o: {files: \"landing/o-{start:%%Y-%%m-%%d}.csv\"}\n*/\n%s\n", header, sql))
}

// stream adds one that reads a log of two partitions, in which two records were sent twice, as e.
func (s *shop) stream(name, header, sql string) {
	for part := range 2 {
		var b strings.Builder
		for i := range 9 {
			fmt.Fprintf(&b, `{"id": %d, "version": 1, "amount": "%d.50"}`+"\n", part+2*(i%8), 10*part+i%8)
		}
		s.write(fmt.Sprintf("events/%d.ndjson", part), b.String())
	}
	s.write("pipelines/"+name+".sql", fmt.Sprintf("/* @twice\nwrite: merge\n%s\ninputs:\n  e:\n    log: {path: events}\n    format: json\n"+
		"    columns: {id: bigint, version: bigint, amount: \"decimal(9,2)\"}\n    on_error: quarantine\n*/\n%s\n", header, sql))
}

// law is a line of prove's output.
type law struct {
	Event, Law, Verdict, Reason string
	Trials                      int
	Notes                       []string
	Accounts                    []struct{ Put, Fate, Detail string }
	Example                     *struct {
		Windows        []string
		InputRows      int `json:"input_rows"`
		Missing, Extra []json.RawMessage
		File           string
		Line           int
		LastDigitsOnly bool `json:"last_digits_only"`
	}
}

func (s *shop) command(args ...string) *exec.Cmd {
	s.t.Helper()
	path, err := program()
	if err != nil {
		s.t.Fatal(err)
	}
	c := exec.Command(path, append([]string{"prove", "--json", "--seed", "1", "--project", s.dir}, args...)...)
	c.Env = append(os.Environ(), "TMPDIR="+s.temp)
	return c
}

// prove gives the verdicts on all laws.
func (s *shop) prove(args ...string) map[string]law {
	s.t.Helper()
	laws := s.verdicts(args...)
	if len(laws) != 16 {
		s.t.Fatalf("%d laws were judged: %v", len(laws), laws)
	}
	return laws
}

// verdicts gives those that there are, by law.
func (s *shop) verdicts(args ...string) map[string]law {
	s.t.Helper()
	c := s.command(args...)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil && c.ProcessState.ExitCode() != 1 {
		s.t.Fatalf("%v: %s", err, errs.String())
	}
	laws := map[string]law{}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		var l law
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			s.t.Fatalf("%s: %v", line, err)
		}
		if l.Event == "law" {
			laws[l.Law] = l
		}
	}
	return laws
}

// sound proves every law, and those that a slow machine had no time for again, with more of it.
func (s *shop) sound(time string) {
	s.t.Helper()
	laws := s.prove("--time", time)
	again := []string{"--time", "4m"}
	for name, l := range laws {
		if l.Verdict == "untried" && l.Reason == "the time was over" {
			again = append(again, "--law", name)
		}
	}
	if len(again) > 2 {
		maps.Copy(laws, s.verdicts(again...))
	}
	for name, l := range laws {
		if l.Verdict == "broken" || l.Verdict == "untried" {
			s.t.Errorf("%s: %s: %s", name, l.Verdict, l.Reason)
		}
		if l.Verdict == "holds" && l.Trials == 0 {
			s.t.Errorf("%s holds without a trial", name)
		}
	}
}

// left fails when something of a prove is still there.
func (s *shop) left() {
	s.t.Helper()
	found, err := filepath.Glob(filepath.Join(s.temp, "*"))
	if err != nil || len(found) > 0 {
		s.t.Errorf("left behind: %v, %v", found, err)
	}
}

func TestASoundPipelineHolds(t *testing.T) {
	t.Parallel()
	s := newShop(t, duckdbFile)
	s.pipeline("sales", "write: overwrite\ntime_column: day", "select $start::date as day, id, customer, amount from o")
	s.sound("15s")
	if _, err := os.Stat(filepath.Join(s.dir, "warehouse.duckdb")); !os.IsNotExist(err) {
		t.Errorf("the real target was opened: %v", err)
	}
	s.left()
}

func TestEachLawFindsWhatBreaksIt(t *testing.T) {
	for _, test := range []struct{ law, why, header, sql string }{
		{"repeat", "chance", "write: overwrite\ntime_column: day\nallow: [{rule: volatile-function, reason: x}]",
			"select $start::date as day, id, random() as r from o"},
		{"order", "no version", "write: merge\nunique_key: [customer]", "select customer, max(id) as id from o group by customer"},
		{"split", "a rank over the batch", "write: overwrite\ntime_column: day\nbatch_size: 3",
			"select (date '2026-01-01' + (id // 10 - 1)::int) as day, id, rank() over (order by id) as n from o"},
		{"shuffle", "first", "write: overwrite\ntime_column: day\nallow: [{rule: order-dependent-aggregate, reason: x}]",
			"select $start::date as day, customer, first(id) as id from o group by customer"},
		{"shuffle", "float sum", "write: overwrite\ntime_column: day",
			"select $start::date as day, customer, sum(amount::double) as amount from o group by customer"},
		{"clock", "today", "write: overwrite\ntime_column: day\nallow: [{rule: volatile-function, reason: x}]",
			"select $start::date as day, id, current_date as loaded from o"},
		{"clock", "session zone", "write: overwrite\ntime_column: day",
			"select $start::date as day, id, ((timestamptz '2026-01-01 12:00:00+00')::date)::varchar as d from o"},
	} {
		t.Run(test.law+", "+test.why, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, duckdbFile)
			s.pipeline("p", test.header, test.sql)
			l := s.verdicts("--time", "2m", "--law", test.law)[test.law]
			if l.Verdict != "broken" {
				t.Fatalf("%s in %d trials: %s", l.Verdict, l.Trials, l.Reason)
			}
			e := l.Example
			if len(e.Missing)+len(e.Extra) > 5 || e.File != "pipelines/p.sql" || e.Line == 0 {
				t.Errorf("the example is %+v", e)
			}
			if test.law != "order" && test.law != "split" && (len(e.Windows) != 1 || e.InputRows > 9) {
				t.Errorf("shrunk to %v, %d rows", e.Windows, e.InputRows)
			}
			if strings.Contains(test.sql, "double") && !e.LastDigitsOnly {
				t.Error("a difference in the last digits is not told apart")
			}
		})
	}
}

func TestAStreamHolds(t *testing.T) {
	t.Parallel()
	s := newShop(t, duckdbFile)
	s.stream("events", "unique_key: [id]", "select id, amount from e")
	s.sound("25s")
	s.left()
}

func TestEachLawFindsWhatBreaksAStream(t *testing.T) {
	const waived = "unique_key: [id]\nallow: [{rule: batch-dependent, reason: x}]"
	for _, test := range []struct{ law, header, sql string }{
		{"split", waived, "select distinct id, amount, count(*) over () as n from e"},
		{"order", waived, "select id, amount, row_number() over (order by id) as n from (select distinct id, amount from e)"},
		{"duplicate", "unique_key: [part, place]", "select _partition as part, _offset as place, id, amount from e"},
		{"clock", "unique_key: [id]\nallow: [{rule: volatile-function, reason: x}]", "select id, amount, current_date as day from e"},
	} {
		t.Run(test.law, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, duckdbFile)
			s.stream("p", test.header, test.sql)
			l := s.verdicts("--time", "2m", "--law", test.law)[test.law]
			if l.Verdict != "broken" {
				t.Fatalf("%s in %d trials: %s", l.Verdict, l.Trials, l.Reason)
			}
			if e := l.Example; e.InputRows > 5 || e.File != "pipelines/p.sql" {
				t.Errorf("the example is %+v", e)
			}
		})
	}
}

// A command that counts its own runs gives other rows each time: only captures that are taken once make laws hold.
func TestCapturedInputsAreTakenOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t, duckdbFile)
	s.write("count.sh", "echo x >>runs; echo \"{\\\"id\\\": 1, \\\"n\\\": $(wc -l <runs)}\"\n")
	s.write("pipelines/p.sql", "/* @twice\nwrite: overwrite\ntime_column: day\nwindow: day\nbegin: 2026-01-01\nend: 2026-01-04\n"+
		"inputs:\n  o: {command: {run: [sh, count.sh]}}\n*/\nselect $start::date as day, id, n from o\n")
	for _, law := range []string{"repeat", "order", "crash", "clock"} {
		if l := s.verdicts("--time", "10s", "--law", law)[law]; l.Verdict != "holds" {
			t.Errorf("%s: %s: %s", law, l.Verdict, l.Reason)
		}
	}
	runs, err := os.ReadFile(filepath.Join(s.dir, "runs"))
	if err != nil || strings.Count(string(runs), "x") != 4*3 {
		t.Errorf("the command ran %d times, for four proves of three windows: %v", strings.Count(string(runs), "x"), err)
	}
}

func TestWhatAKilledProveLeavesIsRemoved(t *testing.T) {
	t.Parallel()
	s := newShop(t, duckdbFile)
	s.pipeline("p", "write: overwrite\ntime_column: day", "select $start::date as day, id from o")
	c := s.command()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if !bufio.NewScanner(out).Scan() {
		t.Error("it printed nothing")
	}
	_ = c.Process.Kill()
	_ = c.Wait()
	if found, _ := filepath.Glob(filepath.Join(s.temp, "twice-prove-*")); len(found) != 1 {
		t.Fatalf("it was killed too late to leave something: %v", found)
	}
	s.prove("--time", "1s")
	s.left()
}

func TestPostgresPipelineHolds(t *testing.T) {
	server := pgtest.Start(t)
	url := server.Database(t)
	s := newShop(t, "{engine: postgres, url: \""+url+"\"}")
	s.pipeline("sales", "write: merge\nunique_key: [id]", "select id, customer, amount from o")
	s.sound("30s")
	s.left()
}

// The answers are really lost, on the wire; where nobody can stand between, the law says so.
func TestPostgresAnswersAreLostOnTheWire(t *testing.T) {
	server := pgtest.Start(t)
	url := server.Database(t)
	s := newShop(t, "{engine: postgres, url: \"${SHOP}\"}")
	s.pipeline("sales", "write: overwrite\ntime_column: day", "select $start::date as day, id, customer, amount from o")
	t.Setenv("SHOP", url)
	s.stream("events", "unique_key: [id]", "select id, amount from e")
	for _, name := range []string{"sales", "events"} {
		l := s.verdicts(name, "--time", "0", "--windows", "2", "--law", "ack")["ack"]
		if l.Verdict != "holds" || l.Trials < 4 || !strings.Contains(strings.Join(l.Notes, "\n"), "on the wire") || l.Reason != "" {
			t.Errorf("%s: %s in %d trials: %s, %q", name, l.Verdict, l.Trials, l.Reason, l.Notes)
		}
	}
	two := fmt.Sprintf("127.0.0.1:%d,localhost:%[1]d", server.Port)
	t.Setenv("SHOP", strings.Replace(url, fmt.Sprintf("127.0.0.1:%d", server.Port), two, 1))
	l := s.verdicts("sales", "--time", "0", "--windows", "2", "--law", "ack")["ack"]
	if l.Verdict != "holds" || l.Trials < 4 || !strings.Contains(l.Reason, "several servers") || len(l.Notes) > 0 {
		t.Errorf("behind a url of two servers: %s in %d trials: %s, %q", l.Verdict, l.Trials, l.Reason, l.Notes)
	}
}

func TestPostgresStreamHolds(t *testing.T) {
	server := pgtest.Start(t)
	s := newShop(t, "{engine: postgres, url: \""+server.Database(t)+"\"}")
	s.stream("events", "unique_key: [id]", "select id, amount from e")
	s.sound("30s")
	s.left()
}
