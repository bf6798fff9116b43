package main

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/twice-data/twice/engine/postgres/pgtest"
	"github.com/twice-data/twice/stream/eventlog"
	"github.com/twice-data/twice/stream/kafkatest"
)

// flow is a project whose table t is filled from a topic, or from a log, on one of the targets.
type flow struct {
	*world
	broker *kafkatest.Broker // nil: a log
	topic  string            // or the log's folder
	parts  int
	addr   string // of the broker
	url    string // of a PostgreSQL database; empty: DuckDB
}

var streamTargets = []string{"duckdb", "postgres"}

// header is the pipeline of a flow.
const header = `/* @twice
write: merge
unique_key: [id]
%[2]sinputs:
  feed:
    %[1]s
    format: json
    %[3]s
    columns: [{name: id, type: bigint}, {name: n, type: bigint}]
*/
`

// story is what a test says of its pipeline.
type story struct {
	header   string // further lines
	options  string
	input    string // a further line of the input
	sql      string // default: select id, n from feed
	envelope bool   // of a log
}

func newFlow(t *testing.T, target string, parts int, s story) *flow {
	t.Helper()
	b := kafkatest.Start(t)
	f := &flow{world: newWorld(t, nil), broker: b, topic: b.Topic(t, parts), parts: parts, addr: b.Addr}
	f.begin(target, s)
	return f
}

// newLog is newFlow with a log in the project's folder.
func newLog(t *testing.T, target string, parts int, s story) *flow {
	t.Helper()
	f := &flow{world: newWorld(t, nil), topic: "events", parts: parts}
	f.begin(target, s)
	return f
}

func (f *flow) begin(target string, s story) {
	f.Helper()
	t := f.T
	if target == "postgres" {
		f.url = pgtest.Start(t).Database(t)
		f.write("twice.yml", "project: test\ndefault_target: prod\ntargets:\n  prod: {engine: postgres, url: \""+f.url+"\"}\n")
	}
	f.env = []string{"TMPDIR=" + t.TempDir()}
	f.pipeline(s)
}

func (f *flow) pipeline(s story) {
	f.Helper()
	if s.sql == "" {
		s.sql = "select id, n from feed"
	}
	from := fmt.Sprintf("kafka: {brokers: [\"%s\"], topic: %s, options: {%s}}", f.addr, f.topic, s.options)
	if f.broker == nil {
		from = fmt.Sprintf("log: {path: %s/, envelope: %t, options: {%s}}", f.topic, s.envelope, s.options)
	}
	f.write("pipelines/t.sql", fmt.Sprintf(header, from, s.header, s.input)+s.sql+"\n")
}

// events are lines of JSON with ids [from, to).
func events(from, to int) []string {
	var lines []string
	for i := from; i < to; i++ {
		lines = append(lines, fmt.Sprintf(`{"id": %d, "n": %d}`, i, i*i))
	}
	return lines
}

func (f *flow) produce(lines ...string) {
	f.Helper()
	if f.broker != nil {
		f.broker.Produce(f.T, kafkatest.Lines(f.topic, f.parts, lines...)...)
		return
	}
	parts := make([][]eventlog.Record, f.parts)
	for i, line := range lines {
		parts[i%f.parts] = append(parts[i%f.parts], eventlog.Record{Value: []byte(line)})
	}
	for part, records := range parts {
		f.append(int32(part), false, records...)
	}
}

// append adds records to a log.
func (f *flow) append(part int32, wrap bool, records ...eventlog.Record) {
	f.Helper()
	if _, err := eventlog.Append(filepath.Join(f.dir, f.topic), part, wrap, records...); err != nil {
		f.Fatal(err)
	}
}

func (f *flow) open() *sql.DB {
	f.Helper()
	driver, source := "duckdb", filepath.Join(f.dir, "target.duckdb")+"?access_mode=READ_ONLY"
	if f.url != "" {
		driver, source = "pgx", f.url
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		f.Fatal(err)
	}
	return db
}

// ask reads one value from the target.
func (f *flow) ask(query string) string {
	f.Helper()
	db := f.open()
	defer db.Close()
	var text sql.NullString
	if err := db.QueryRow("SELECT CAST((" + query + ") AS VARCHAR)").Scan(&text); err != nil {
		f.Fatalf("%s: %v", query, err)
	}
	return text.String
}

func (f *flow) expect(query, want string) {
	f.Helper()
	if got := f.ask(query); got != want {
		f.Errorf("%s gives %q, want %q", query, got, want)
	}
}

// refused runs the program and expects an exit code, and texts in what it says.
func (f *flow) refused(code int, args []string, texts ...string) {
	f.Helper()
	r := f.run(args...)
	if r.code != code {
		f.Errorf("twice %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), r.code, code, r.stdout, r.stderr)
	}
	for _, text := range texts {
		if !strings.Contains(r.stdout+r.stderr, text) {
			f.Errorf("twice %s says nothing of %q:\n%s%s", strings.Join(args, " "), text, r.stdout, r.stderr)
		}
	}
}

const everyEvent = "SELECT count(*) || ' ' || count(DISTINCT id) || ' ' || coalesce(sum(n), 0) FROM t"

// once is what everyEvent gives when the table has each event [0, n) once.
func once(n int) string {
	sum := 0
	for i := range n {
		sum += i * i
	}
	return fmt.Sprintf("%d %d %d", n, n, sum)
}

func TestStreamDrainsToTheEndAndGoesOn(t *testing.T) {
	for _, target := range streamTargets {
		t.Run(target, func(t *testing.T) {
			f := newFlow(t, target, 3, story{options: "batch_rows: 40"})
			f.produce(events(0, 100)...)
			r := f.must("run")
			if n := strings.Count(r.stdout, "committed  t"); n != 3 {
				t.Errorf("100 rows by at most 40 a batch took %d batches:\n%s", n, r.stdout)
			}
			f.expect(everyEvent, once(100))
			f.expect("SELECT string_agg(CAST(next_offset AS VARCHAR), ' ' ORDER BY part) FROM twice.offsets", "34 33 33")
			if r := f.must("run"); !strings.Contains(r.stdout, "up to date") {
				t.Errorf("a second run is not up to date:\n%s", r.stdout)
			}
			// The same events once more, as a producer that retries sends them, to other partitions, and one new one.
			f.produce(events(2, 101)...)
			f.must("run")
			f.expect(everyEvent, once(101))
			f.must("verify")
			f.expect("SELECT count(*) FROM twice.leases WHERE run <> ''", "0")
			for _, look := range []string{"plan", "status", "history", "check"} {
				f.must(look)
			}
			f.refused(2, []string{"diff", "t"}, "is not known without reading its topic")
			if lag := f.lag(); lag != 0 {
				t.Errorf("Kafka's own tools see a lag of %d", lag)
			}
		})
	}
}

// lag is how far behind the group of t looks to Kafka's own tools.
func (f *flow) lag() int64 {
	f.Helper()
	lags, err := kadm.NewClient(f.broker.Client(f.T)).Lag(f.Context(), "twice-t")
	if err != nil {
		f.Fatal(err)
	}
	return lags["twice-t"].Lag.Total()
}

func TestStreamFeedsWhatReadsIt(t *testing.T) {
	f := newFlow(t, "duckdb", 1, story{})
	f.write("pipelines/total.sql", "/* @twice\nwrite: overwrite\n*/\nselect count(*) as events, sum(n) as n from t\n")
	f.refused(0, []string{"run"}, "has no records to begin with")
	f.produce(events(0, 10)...)
	f.must("run")
	f.expect("SELECT events || ' ' || n FROM total", "10 285")
	f.produce(events(0, 10)...) // nothing new for those who read t
	if r := f.must("run"); !strings.Contains(r.stdout, "1 committed, 1 up to date") {
		t.Errorf("an event that was there already made its reader stale:\n%s", r.stdout)
	}
	f.produce(events(10, 11)...)
	f.must("run")
	f.expect("SELECT events || ' ' || n FROM total", "11 385")
}

func TestStreamVersion(t *testing.T) {
	for _, target := range streamTargets {
		t.Run(target, func(t *testing.T) {
			for _, size := range []int{1, 3, 100} {
				f := newFlow(t, target, 2, story{header: "version: n\n", options: fmt.Sprintf("batch_rows: %d", size)})
				f.produce(`{"id": 1, "n": 5}`, `{"id": 1, "n": 7}`, `{"id": 1, "n": 7}`, `{"id": 2, "n": 1}`, `{"id": 1, "n": 2}`)
				f.must("run")
				f.expect("SELECT string_agg(id || ':' || n, ' ' ORDER BY id) FROM t", "1:7 2:1")
			}
		})
	}
}

func TestStreamKeyNeverChangesWithoutVersion(t *testing.T) {
	for _, size := range []int{1, 100} {
		f := newFlow(t, "duckdb", 1, story{options: fmt.Sprintf("batch_rows: %d", size)})
		f.produce(`{"id": 1, "n": 5}`, `{"id": 1, "n": 5}`, `{"id": 1, "n": 6}`)
		f.refused(1, []string{"run"}, "key")
	}
}

func TestStreamColumnsOfARecord(t *testing.T) {
	f := newFlow(t, "duckdb", 2, story{sql: "select _offset * 2 + _partition as id, n, id as event, _key as k, _value as v, _topic as topic, " +
		"_headers as h, _timestamp as happened from feed"})
	f.produce(events(0, 4)...)
	f.must("run")
	f.expect("SELECT count(*) FROM t WHERE id = event AND topic = '"+f.topic+"' AND v LIKE '{\"id\"%' AND h = '[]' AND k IS NULL "+
		"AND happened > TIMESTAMPTZ '2020-01-01'", "4")
}

func TestStreamFullRefreshAndChangedCode(t *testing.T) {
	f := newFlow(t, "duckdb", 2, story{})
	f.produce(events(0, 20)...)
	f.must("run")
	f.pipeline(story{sql: "select id, n + 0 as n from feed where id <> 3", options: "batch_rows: 6"})
	f.refused(1, []string{"run"}, "the pipeline has changed", "--full-refresh", "--force")
	f.produce(events(20, 21)...)
	f.must("run", "--force")
	f.expect(everyEvent, once(21))
	f.must("run", "--full-refresh")
	f.expect("SELECT count(*) FROM t", "20")
	f.must("verify")
	if r := f.must("run"); !strings.Contains(r.stdout, "up to date") {
		t.Errorf("after a full refresh:\n%s", r.stdout)
	}
}

func TestStreamFeedsTheWindowsThatItTouches(t *testing.T) {
	f := newFlow(t, "duckdb", 1, story{header: "time_column: day\n", sql: "select id, n, date '2020-03-01' + cast(n as integer) as day from feed"})
	f.write("pipelines/daily.sql", "/* @twice\nwrite: overwrite\ntime_column: day\nwindow: day\nbegin: 2020-03-01\nend: 2020-03-05\nallow_empty: true\n*/\n"+
		"select cast($start as date) as day, count(*) as events from t where day = $start\n")
	f.produce(`{"id": 1, "n": 0}`, `{"id": 2, "n": 1}`, `{"id": 3, "n": 2}`)
	f.must("run")
	f.produce(`{"id": 4, "n": 1}`, `{"id": 1, "n": 0}`) // one that is late, and one that was there
	r := f.must("run", "daily", "t", "--json")
	for day, status := range map[string]string{"2020-03-01": "unchanged", "2020-03-02": "committed", "2020-03-03": "unchanged"} {
		if !strings.Contains(r.stdout, `"pipeline":"daily","start":"`+day+`T00:00:00Z","end":"`+day[:9]+string(day[9]+1)+`T00:00:00Z","status":"`+status) {
			t.Errorf("the day %s is not %s:\n%s", day, status, r.stdout)
		}
	}
	f.expect("SELECT string_agg(events, ' ' ORDER BY day) FROM daily", "1 2 1 0")
}
