package main

import (
	"bytes"
	"cmp"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/twice-data/twice/engine/postgres/pgtest"
	"github.com/twice-data/twice/stream/eventlog"
	"github.com/twice-data/twice/stream/kafkatest"
)

// flow is a project whose pipeline t carries events from a topic, or a log, to a table or to another topic.
type flow struct {
	*world
	story
	broker *kafkatest.Broker // nil: a log
	topic  string            // or the log's folder
	parts  int
	addr   string // of the broker
	out    string // the topic that it goes to; empty: a table t
	url    string // of the table's PostgreSQL database; empty: DuckDB
}

// Where a flow can go.
var (
	tables = []string{"duckdb", "postgres"}
	sinks  = []string{"duckdb", "postgres", "kafka"}
)

// header is the pipeline of a flow.
const header = `/* @twice
%sinputs:
  feed:
    %s
    format: json
    %s
    columns: [{name: id, type: bigint}, {name: n, type: bigint}]
*/
%s
`

// story is what a test says of its pipeline.
type story struct {
	header   string // further lines
	to       string // under to: kafka:, of one that goes to a topic; default: key: id
	options  string // of the input
	input    string // a further line of the input
	sql      string // default: select id, n from feed
	envelope bool   // of a log
}

// newFlow is a flow from a topic of its own to a sink.
func newFlow(t *testing.T, sink string, parts int, s story) *flow {
	t.Helper()
	b := kafkatest.Start(t)
	return flowOf(t, b, b.Topic(t, parts), sink, parts, s)
}

// newRelay is a flow from a topic to another one.
func newRelay(t *testing.T, parts int, s story) *flow {
	t.Helper()
	return newFlow(t, "kafka", parts, s)
}

// newLog is a flow from a log in the project's folder.
func newLog(t *testing.T, sink string, parts int, s story) *flow {
	t.Helper()
	return flowOf(t, nil, "events", sink, parts, s)
}

func flowOf(t *testing.T, b *kafkatest.Broker, topic, sink string, parts int, s story) *flow {
	t.Helper()
	f := &flow{world: newWorld(t, nil), broker: b, topic: topic, parts: parts}
	if b != nil {
		f.addr = b.Addr
	}
	switch sink {
	case "kafka":
		f.out = b.Topic(t, 2)
	case "postgres":
		f.url = pgtest.Start(t).Database(t)
		f.write("twice.yml", "project: test\ndefault_target: prod\ntargets:\n  prod: {engine: postgres, url: \""+f.url+"\"}\n")
	}
	f.env = []string{"TMPDIR=" + t.TempDir()}
	f.pipeline(s)
	return f
}

// flowsOf are a flow to each kind of sink, from one topic.
func flowsOf(t *testing.T, b *kafkatest.Broker, topic string, parts int, s story) (flows []*flow) {
	t.Helper()
	for _, sink := range sinks {
		flows = append(flows, flowOf(t, b, topic, sink, parts, s))
	}
	return flows
}

// pipeline writes the pipeline t anew.
func (f *flow) pipeline(s story) {
	f.Helper()
	f.story = s
	write := "write: merge\nunique_key: [id]\n"
	if f.out != "" {
		write = fmt.Sprintf("to:\n  kafka: {topic: %s, %s}\n", f.out, cmp.Or(s.to, "key: id"))
		if !strings.Contains(s.options, "group:") {
			s.options = strings.TrimPrefix(s.options+", group: "+f.out, ", ")
		}
	}
	from := fmt.Sprintf("kafka: {brokers: [\"%s\"], topic: %s, options: {%s}}", f.addr, f.topic, s.options)
	if f.broker == nil {
		from = fmt.Sprintf("log: {path: %s/, envelope: %t, options: {%s}}", f.topic, s.envelope, s.options)
	}
	f.write("pipelines/t.sql", fmt.Sprintf(header, write+s.header, from, s.input, cmp.Or(s.sql, "select id, n from feed")))
}

// group is the flow's consumer group.
func (f *flow) group() string { return cmp.Or(f.out, "twice-t") }

// again gives the flow an empty target: the database, or another topic and group.
func (f *flow) again() {
	f.Helper()
	switch {
	case f.out != "":
		f.out = f.broker.Topic(f.T, 2)
		f.pipeline(f.story)
	case f.url != "":
		database := f.url[strings.LastIndex(f.url, "/")+1:]
		database, _, _ = strings.Cut(database, "?")
		pgtest.Start(f.T).Exec(f.T, database,
			"SET client_min_messages = warning; DROP SCHEMA IF EXISTS twice, public CASCADE; CREATE SCHEMA public")
	default:
		f.reset()
	}
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

// event is a record of a flow's output.
type event struct {
	ID int `json:"id"`
	N  int `json:"n"`
}

// produced reads the output as its readers do.
func (f *flow) produced() []event {
	f.Helper()
	var events []event
	for _, r := range f.broker.Read(f.T, f.out, 30*time.Second) {
		var e event
		if err := json.Unmarshal(r.Value, &e); err != nil || string(r.Key) != fmt.Sprint(e.ID) {
			f.Fatalf("record %q: %q: %v", r.Key, r.Value, err)
		}
		events = append(events, e)
	}
	return events
}

// eachOnce expects the events [0, n) in the table or the topic, each once.
func (f *flow) eachOnce(n int, how string) {
	f.Helper()
	if f.out == "" {
		if got := f.ask(everyEvent); got != once(n) {
			f.Errorf("%s: the rows, their ids and the sum are %s, want %s", how, got, once(n))
		}
		return
	}
	times := map[int]int{}
	for _, e := range f.produced() {
		times[e.ID]++
		if e.N != e.ID*e.ID {
			f.Errorf("%s: event %d has n %d", how, e.ID, e.N)
		}
	}
	var missing, twofold []int
	for id := range n {
		switch times[id] {
		case 0:
			missing = append(missing, id)
		case 1:
		default:
			twofold = append(twofold, id)
		}
	}
	if len(missing) > 0 || len(twofold) > 0 || len(times) != n {
		f.Errorf("%s: of %d events %d are missing %v and %d are there more than once %v; there are %d", how, n,
			len(missing), missing[:min(9, len(missing))], len(twofold), twofold[:min(9, len(twofold))], len(times))
	}
}

// started is a program at work.
type started struct {
	*exec.Cmd
	*testing.T
	said said
}

// said is what a program has said up to now.
type said struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

func (f *flow) start(args ...string) *started {
	f.Helper()
	s := &started{Cmd: f.command(args...), T: f.T}
	s.Stdout, s.Stderr = &s.said, &s.said
	if err := s.Start(); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Process.Kill(); _ = s.Wait() })
	return s
}

func (s *started) signal(signal os.Signal) {
	s.Helper()
	if err := s.Process.Signal(signal); err != nil {
		s.Fatalf("%v\n%s", err, s.said.String())
	}
}

// end sends a signal, and gives the exit code: -1 of a process that was killed.
func (s *started) end(signal os.Signal) int {
	s.Helper()
	s.signal(signal)
	_ = s.Wait()
	return s.ProcessState.ExitCode()
}

// ends sends a signal and expects the program to exit with 0.
func (s *started) ends(signal os.Signal) {
	s.Helper()
	if code := s.end(signal); code != 0 {
		s.Errorf("after %s: exit code %d\n%s", signal, code, s.said.String())
	}
}

// until waits until what it asks for holds.
func until(t *testing.T, holds func() bool, otherwise func() string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(otherwise())
		}
	}
}

// says waits until the program has said a text so many times.
func (s *started) says(text string, times int) {
	s.Helper()
	until(s.T, func() bool { return strings.Count(s.said.String(), text) >= times }, s.said.String)
}

// await waits until a query gives what it should.
func (f *flow) await(s *started, query, want string) {
	f.Helper()
	db := f.open()
	defer db.Close()
	var got string
	var err error
	until(f.T, func() bool {
		err = db.QueryRow("SELECT CAST((" + query + ") AS VARCHAR)").Scan(&got)
		return err == nil && got == want
	}, func() string {
		return fmt.Sprintf("%s gives %q (%v), want %q\n%s", query, got, err, want, s.said.String())
	})
}

// arrived waits until the table, which is no file that one process has for itself, or the topic has n events.
func (f *flow) arrived(n int, s ...*started) {
	f.Helper()
	if f.out == "" {
		f.await(s[0], "SELECT count(*) FROM t", fmt.Sprint(n))
		return
	}
	got := 0
	until(f.T, func() bool { got = len(f.produced()); return got >= n }, func() string {
		text := fmt.Sprintf("%d records of %d\n", got, n)
		for _, p := range s {
			text += p.said.String() + "\n"
		}
		return text
	})
}
