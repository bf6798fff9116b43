package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twice-data/twice/stream/eventlog"
)

const deduped = `/* @twice
write: merge
dedupe: {key: id, time: ts, within: %s}
inputs:
  feed:
    log: {path: events, options: {batch_rows: %d}}
    format: json
    on_error: %s
    columns: [{name: id, type: varchar}, {name: ts, type: timestamp, optional: true}, {name: n, type: bigint}]
*/
select id, ts as happened_at, n from feed
`

func (f *flow) dedupes(within time.Duration, rows int, onError string) {
	f.Helper()
	f.write("pipelines/t.sql", fmt.Sprintf(deduped, within, rows, onError))
}

// sent is a record of a producer that may send it again.
type sent struct {
	part, n int
	id      string
	at      int // seconds
}

func (s sent) line() string {
	return fmt.Sprintf(`{"id": %q, "ts": "%s", "n": %d}`, s.id, second(s.at), s.n)
}

func second(n int) string {
	return time.Date(2026, 3, 1, 0, 0, n, 0, time.UTC).Format("2006-01-02 15:04:05")
}

// drawSent draws records of which some come late, some are sent again at once or later, and some share a key by chance.
func drawSent(r *rand.Rand, n, parts int) []sent {
	var all []sent
	now := 0
	for i := range n {
		now += r.IntN(4)
		s := sent{part: r.IntN(parts), n: i, at: now - r.IntN(3)}
		s.id = fmt.Sprintf("p%d-%d", s.part, r.IntN(40))
		if r.IntN(10) == 0 {
			s.at -= r.IntN(120)
		}
		all = append(all, s)
		if r.IntN(5) == 0 {
			again := all[len(all)-1-r.IntN(min(len(all), 20))]
			again.n = n + i // tells which of the two is in the table
			all = append(all, again)
		}
	}
	return all
}

// kept is what dedupe promises, said with a list: the rows that stay, and the late ones.
func kept(all []sent, within int) (rows, late []string) {
	newest := map[int]int{}
	seen := map[string][]int{}
	for _, s := range all {
		top, known := newest[s.part]
		if !known || s.at > top {
			newest[s.part] = s.at
		}
		if known && s.at < top-within {
			late = append(late, fmt.Sprint(s.n))
			continue
		}
		if !slices.ContainsFunc(seen[s.id], func(at int) bool { return at >= s.at-within }) {
			rows = append(rows, fmt.Sprintf("%s %s %d", s.id, second(s.at), s.n))
		}
		seen[s.id] = append(seen[s.id], s.at)
	}
	slices.Sort(rows)
	slices.Sort(late)
	return rows, late
}

const (
	dedupedRows = `SELECT coalesce(string_agg(line, ', ' ORDER BY line), '') FROM (SELECT id || ' ' || CAST(happened_at AS VARCHAR) || ' ' || n AS line FROM t) AS l`
	seenState   = `SELECT string_agg(line, ', ' ORDER BY line) FROM (SELECT part || ' ' || coalesce(record_key, 'newest') || ' ' || CAST(seen_at AS VARCHAR) AS line FROM twice.seen) AS l`
)

// TestDedupeDoesNotDependOnBatches reads logs with repetitions and late records in batches of any size, cut at any place,
// and expects the rows, the late records and what is remembered to be the same, and what a list of them says.
func TestDedupeDoesNotDependOnBatches(t *testing.T) {
	for _, target := range tables {
		t.Run(target, func(t *testing.T) {
			f := newLog(t, target, 2, story{})
			r := rand.New(rand.NewPCG(11, 12))
			repeated, tooLate := 0, 0
			for round := range rounds(1) {
				if err := os.RemoveAll(f.dir + "/events"); err != nil {
					t.Fatal(err)
				}
				within := 10 + r.IntN(60)
				all := drawSent(r, 150, f.parts)
				rows, late := kept(all, within)
				repeated, tooLate = repeated+len(all)-len(rows)-len(late), tooLate+len(late)
				var state string
				for try, size := range []int{1 + r.IntN(9), 10 + r.IntN(40), 1000} {
					if err := os.RemoveAll(f.dir + "/events"); err != nil {
						t.Fatal(err)
					}
					f.again()
					f.dedupes(time.Duration(within)*time.Second, size, "quarantine")
					left := all
					for len(left) > 0 {
						n := min(len(left), 1+r.IntN(100))
						for _, s := range left[:n] {
							f.append(int32(s.part), false, eventlog.Record{Value: []byte(s.line())})
						}
						left = left[n:]
						f.must("run")
					}
					f.expect(dedupedRows, strings.Join(rows, ", "))
					number := "CAST(decode(from_base64(bytes)) AS VARCHAR)"
					if f.url != "" {
						number = "convert_from(decode(bytes, 'base64'), 'UTF8')"
					}
					f.expect("SELECT string_agg(n, ',' ORDER BY n) FROM (SELECT replace(regexp_replace("+number+", '.*\"n\": ', ''), '}', '') AS n "+
						"FROM twice.quarantine) AS q", strings.Join(late, ","))
					got := f.ask(seenState)
					if try > 0 && got != state {
						t.Errorf("round %d: batches of %d remember\n%s\nothers\n%s", round, size, got, state)
					}
					state = got
				}
				f.must("verify")
				f.must("run", "--full-refresh")
				f.expect(dedupedRows, strings.Join(rows, ", "))
				f.expect(seenState, state)
			}
			if repeated == 0 || tooLate == 0 {
				t.Errorf("%d repeated and %d late records: this test tries nothing", repeated, tooLate)
			}
			t.Logf("%d repeated and %d late records, in batches of three sizes each", repeated, tooLate)
		})
	}
}

// TestDedupeCrash kills a real process before and after every statement of a run that dedupes.
func TestDedupeCrash(t *testing.T) {
	for _, target := range tables {
		t.Run(target, func(t *testing.T) {
			f := newLog(t, target, 2, story{})
			all := drawSent(rand.New(rand.NewPCG(13, 14)), 60, f.parts)
			for _, s := range all {
				f.append(int32(s.part), false, eventlog.Record{Value: []byte(s.line())})
			}
			rows, late := kept(all, 20)
			f.dedupes(20*time.Second, 40, "quarantine")
			args := []string{"run", "--jobs", "1"}
			points := f.trace(args...)
			state := f.ask(seenState)
			f.crash(crashes{args: args, points: points, step: 13, again: f.again, holds: func(how string) {
				t.Helper()
				for query, want := range map[string]string{
					dedupedRows: strings.Join(rows, ", "), seenState: state, "SELECT count(*) FROM twice.quarantine": fmt.Sprint(len(late)),
				} {
					if got := f.ask(query); got != want {
						t.Errorf("%s: %s gives\n%s\nwant\n%s", how, query, got, want)
					}
				}
			}})
			f.must("verify")
			t.Logf("%d rows, %d late", len(rows), len(late))
		})
	}
}

func TestDedupeRefuses(t *testing.T) {
	f := newLog(t, "duckdb", 2, story{})
	f.dedupes(10*time.Second, 100, "fail")
	put := func(part int, id string, at int) {
		t.Helper()
		f.append(int32(part), false, eventlog.Record{Value: []byte(sent{id: id, at: at}.line())})
	}
	put(0, "a", 100)
	put(0, "a", 95)
	if r := f.must("run"); !strings.Contains(r.stdout, "1 record had been sent before") {
		t.Errorf("nothing is said of the repetition:\n%s", r.stdout)
	}
	put(0, "b", 89)
	f.refused(1, []string{"run"}, "offset 98 of partition 0 of events cannot be told from one that was sent again",
		"it happened at 2026-03-01T00:01:29Z, more than 10s before 2026-03-01T00:01:40Z", "on_error: quarantine")
	f.expect("SELECT count(*) FROM t", "1")
	f.dedupes(10*time.Second, 100, "skip")
	if r := f.must("run"); !strings.Contains(r.stdout, "1 record came too late for dedupe: on_error: skip") {
		t.Errorf("nothing is said of the late record:\n%s", r.stdout)
	}
	f.append(0, false, eventlog.Record{Value: []byte(`{"id": "c", "n": 1}`)})
	f.dedupes(10*time.Second, 100, "fail")
	f.refused(1, []string{"run"}, "its key or its time is NULL")
	f.dedupes(10*time.Second, 100, "skip")
	put(1, "a", 93)
	f.refused(1, []string{"run"}, "1 keys came in more than one partition of events, for example a in 1 and in 0", "unique_key")
	f.expect("SELECT count(*) FROM t", "1")
}

const winlogDeduped = `/* @twice
write: merge
dedupe: {key: line, time: time, within: 2400h}
inputs:
  feed:
    kafka: {brokers: ["%s"], topic: %s, options: {batch_rows: 20000}}
    format: json
    columns:
      - {name: line, type: varchar, aliases: [LineSHA]}
      - {name: time, type: timestamp, aliases: ["@timestamp"]}
      - {name: message, type: bigint, aliases: [MessageLen]}
*/
select line, "time" as happened_at, message from feed
`

// TestDedupeOfWindowsEvents reads a real feed from Kafka, of which one batch was published twice, through kills.
func TestDedupeOfWindowsEvents(t *testing.T) {
	t.Parallel()
	want, lines := windowsEvents(t)
	for _, target := range tables {
		t.Run(target, func(t *testing.T) {
			f := newFlow(t, target, 3, story{})
			f.write("pipelines/t.sql", fmt.Sprintf(winlogDeduped, f.addr, f.topic))
			f.deliver(lines, rounds(3))
			f.expect("SELECT count(*) || ' ' || count(DISTINCT line) || ' ' || sum(message) FROM t",
				fmt.Sprintf("%d %[1]d %d", want.Events, want.Message))
			f.expect("SELECT count(*) FROM twice.quarantine", "0")
			f.must("verify")
			t.Logf("%d records, %d events", want.Delivered, want.Events)
		})
	}
}
