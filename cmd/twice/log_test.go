package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twice-data/twice/stream/eventlog"
)

func TestLogDrainsToTheEndAndGoesOn(t *testing.T) {
	for _, target := range tables {
		t.Run(target, func(t *testing.T) {
			f := newLog(t, target, 3, story{options: "batch_rows: 40"})
			f.refused(0, []string{"run"}, "events has no records to begin with")
			f.produce(events(0, 100)...)
			r := f.must("run")
			if n := strings.Count(r.stdout, "committed  t"); n != 3 {
				t.Errorf("100 rows by at most 40 a batch took %d batches:\n%s", n, r.stdout)
			}
			f.expect(everyEvent, once(100))
			if r := f.must("run"); !strings.Contains(r.stdout, "up to date") {
				t.Errorf("a second run is not up to date:\n%s", r.stdout)
			}
			f.produce(events(2, 101)...) // as an at-least-once producer sends again, to other partitions, and one more
			f.must("run")
			f.expect(everyEvent, once(101))
			f.must("run", "--full-refresh")
			f.expect(everyEvent, once(101))
			f.must("verify")
			for _, look := range []string{"plan", "status", "history", "check"} {
				f.must(look)
			}
		})
	}
}

// TestLogTornLine lets the program run while a line is only half written.
func TestLogTornLine(t *testing.T) {
	f := newLog(t, "duckdb", 1, story{})
	f.produce(events(0, 3)...)
	file := filepath.Join(f.dir, "events", "0.ndjson")
	add := func(text string) {
		t.Helper()
		w, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0o644)
		if err == nil {
			_, err = w.WriteString(text)
		}
		if err != nil {
			t.Fatal(err)
		}
		w.Close()
	}
	line := events(3, 4)[0]
	add(line[:7])
	f.must("run")
	f.expect(everyEvent, once(3))
	add(line[7:] + "\r\n\n\n")
	f.must("run")
	f.expect(everyEvent, once(4))
	if r := f.must("run"); !strings.Contains(r.stdout, "up to date") {
		t.Errorf("empty lines are records:\n%s", r.stdout)
	}
}

func TestLogThatDoesNotOnlyGrow(t *testing.T) {
	f := newLog(t, "duckdb", 2, story{})
	f.produce(events(0, 20)...)
	f.must("run")
	first, second := filepath.Join(f.dir, "events", "0.ndjson"), filepath.Join(f.dir, "events", "1.ndjson")
	whole, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	size := strconv.Itoa(len(whole))
	half := strings.LastIndex(string(whole[:len(whole)/2]), "\n") + 1

	f.write("events/0.ndjson", string(whole[:half]))
	loss := "0:" + size + ".." + strconv.Itoa(half)
	f.refused(1, []string{"run"}, "they were read, and the log now ends at "+strconv.Itoa(half), "--accept-loss "+loss)
	f.must("run", "--accept-loss", loss)
	f.write("events/0.ndjson", string(whole))
	f.must("run")
	f.expect(everyEvent, once(20))

	f.write("events/0.ndjson", events(30, 31)[0]+"\n"+string(whole))
	f.refused(1, []string{"run"}, "partition 0 of events: the offsets from "+size+" on are missing: another file has taken its place", "--accept-loss 0:"+size+"..0")
	f.write("events/0.ndjson", string(whole))
	f.must("run")

	f.write("events/0.ndjson", strings.Split(string(whole), "\n")[0]+"\n"+strings.Repeat("\n", half)+string(whole))
	f.refused(1, []string{"run"}, "partition 0 of events was rewritten: no record begins any more at the offset "+size)
	f.write("events/0.ndjson", string(whole))

	if err := os.Remove(second); err != nil {
		t.Fatal(err)
	}
	f.refused(1, []string{"run"}, "partition 1 of events", "another file has taken its place, or none")
	read := f.ask("SELECT next_offset FROM twice.offsets WHERE part = 1")
	f.must("run", "--accept-loss", "1:"+read+"..0")
	f.must("run")
	f.write("events/1.ndjson", events(20, 21)[0]+"\n")
	f.must("run")
	f.expect(everyEvent, once(21))
	f.expect("SELECT string_agg(part || ' ' || cause, ', ' ORDER BY accepted_at) FROM twice.losses", "0 truncated, 1 recreated")
	f.expect("SELECT count(*) FROM twice.offsets", "2")
}

func TestLogOfEnvelopes(t *testing.T) {
	f := newLog(t, "duckdb", 1, story{
		envelope: true, input: "on_error: quarantine",
		sql: "select id, n, _key as k, _timestamp as ts, _headers as h, _topic as log from feed",
	})
	at := time.Date(2026, 3, 1, 10, 0, 0, 123e6, time.UTC)
	f.append(0, true, eventlog.Record{
		Key: []byte("a"), Value: []byte(`{"id": 1, "n": 1}`), Time: at, Headers: []eventlog.Header{{Key: "h", Value: []byte("v")}},
	}, eventlog.Record{Key: []byte("b")})
	f.append(0, false, eventlog.Record{Value: []byte(`{"key": "c", "value": {"id": 2, "n": 4}}`)}, eventlog.Record{Value: []byte(`{"id": 3, "n": 9}`)})
	f.must("run")
	f.expect("SELECT string_agg(concat_ws(' ', id, n, k, epoch_ms(ts), h, log), '; ' ORDER BY id) FROM t",
		`1 1 a 1772359200123 [{"key":"h","value":"v"}] events; 2 4 c [] events`)
	f.expect("SELECT string_agg(error, '; ' ORDER BY record_offset) FROM twice.quarantine",
		`it has no value (a tombstone); it is no envelope: json: unknown field "id"`)
}

func TestLogBadFolder(t *testing.T) {
	f := newLog(t, "duckdb", 1, story{options: "group: g"})
	f.refused(2, []string{"run"}, `unknown key "group"`, "expected one of batch_bytes, batch_rows, batch_time")
	f.pipeline(story{})
	f.write("events/web.ndjson", "")
	f.refused(1, []string{"run"}, "web.ndjson is not named after the number of its partition", "0.ndjson")
}

// TestLogFollows lets two processes follow one log, of which one is killed: both read all of it, and the target's offsets
// decide who writes.
func TestLogFollows(t *testing.T) {
	f := newLog(t, "postgres", 2, story{options: "batch_time: 20ms, batch_rows: 50"})
	f.write("pipelines/total.sql", "/* @twice\nwrite: overwrite\n*/\nselect count(*) as events from t\n")
	s, other := f.start("run", "--follow", "t"), f.start("run", "--follow")
	f.produce(events(0, 100)...)
	f.await(other, "SELECT events FROM total", "100")
	f.produce(events(100, 300)...)
	f.await(other, "SELECT events FROM total", "300")
	if s.end(syscall.SIGKILL) != -1 {
		t.Fatalf("it ended by itself:\n%s", s.said.String())
	}
	f.produce(events(300, 350)...)
	f.await(other, "SELECT events FROM total", "350")
	if code := other.end(syscall.SIGTERM); code != 0 {
		t.Errorf("after SIGTERM: exit code %d\n%s", code, other.said.String())
	}
	f.expect(everyEvent, once(350))
	f.must("verify")
}

const zeekLog = `/* @twice
write: merge
unique_key: [id]
time_column: ts
inputs:
  feed:
    log: {path: events, options: {batch_rows: %d}}
    format: json
    columns: [{name: ts, type: timestamp}]
*/
select md5(_value) as id, timestamp '2018-03-24 00:00:00' + (ts - timestamp '2018-03-24 17:00:00') * 60 as ts from feed
`

const zeekHours = `/* @twice
write: overwrite
time_column: hour
window: hour
begin: 2018-03-24
end: 2018-03-26
allow_empty: true
batch_size: 48
*/
select date_trunc('hour', ts) as hour, count(*) as events, min(ts) as first, max(ts) as last
from t where ts >= $start and ts < $end group by date_trunc('hour', ts)
`

// TestLateEventsRedoTheirWindows reads a real feed with late and repeated events in the order in which it was delivered, in
// many small batches and through kills. A minute of the feed is made an hour, so that there are windows enough. The hours
// must equal those of the sorted file, the known figures, and a full rebuild.
func TestLateEventsRedoTheirWindows(t *testing.T) {
	want, lines, deliveries := zeekEvents(t)
	begin := func(rows int) *flow {
		f := newLog(t, "duckdb", 3, story{})
		f.write("pipelines/t.sql", fmt.Sprintf(zeekLog, rows))
		f.write("pipelines/hours.sql", zeekHours)
		return f
	}
	put := func(f *flow, lines [][]byte) {
		parts := make([][]eventlog.Record, f.parts)
		for _, line := range lines {
			part := int(line[len(line)/2]) % f.parts // equal lines go to one partition
			parts[part] = append(parts[part], eventlog.Record{Value: line})
		}
		for part, records := range parts {
			f.append(int32(part), false, records...)
		}
	}
	f := begin(700)
	redone, runs := 0, 0
	for i, lines := range deliveries {
		put(f, lines)
		switch {
		case i%10 == 9:
			f.struckOnce(300 * time.Millisecond)
		case i%3 == 2:
			runs++
			redone += strings.Count(f.must("run").stdout, "committed  hours")
		}
	}
	f.must("run")
	if windows := 48 * runs; redone == 0 || redone > windows/2 {
		t.Errorf("%d runs redid %d windows of 48 each", runs, redone)
	}
	f.must("verify")
	got := f.fingerprint("hours")

	sorted := begin(100_000)
	slices.SortFunc(lines, func(a, b []byte) int {
		at := func(line []byte) string { _, rest, _ := strings.Cut(string(line), `"ts":"`); return rest[:27] }
		return strings.Compare(at(a), at(b))
	})
	put(sorted, lines)
	sorted.must("run")
	if want := sorted.fingerprint("hours"); got != want {
		t.Errorf("the hours are %s, of the sorted file %s", got, want)
	}
	f.write("pipelines/t.sql", fmt.Sprintf(zeekLog, 33_333))
	f.must("run", "--full-refresh")
	if again := f.fingerprint("hours"); again != got {
		t.Errorf("after a full rebuild the hours are %s, before %s", again, got)
	}
	f.expect("SELECT count(*) FROM hours", strconv.Itoa(len(want.Minutes)))
	for minute, n := range want.Minutes {
		at, err := time.Parse("2006-01-02T15:04", minute)
		if err != nil {
			t.Fatal(err)
		}
		hour := time.Date(2018, 3, 24, 0, 0, 0, 0, time.UTC).Add(at.Sub(time.Date(2018, 3, 24, 17, 0, 0, 0, time.UTC)) * 60)
		f.expect("SELECT events FROM hours WHERE hour = '"+hour.Format(time.DateTime)+"'", strconv.Itoa(n))
	}
	t.Logf("%d deliveries, %d runs redid %d of %d windows", len(deliveries), runs, redone, 48*runs)
}
