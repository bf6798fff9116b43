package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
)

func TestStreamDrainsToTheEndAndGoesOn(t *testing.T) {
	for _, target := range tables {
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

// lag is how far behind in its topic the group of t, which other tests have too, looks to Kafka's own tools.
func (f *flow) lag() int64 {
	f.Helper()
	lags, err := kadm.NewClient(f.broker.Client(f.T)).Lag(f.Context(), "twice-t")
	if err != nil {
		f.Fatal(err)
	}
	lag, ok := lags["twice-t"].Lag.TotalByTopic()[f.topic]
	if !ok {
		f.Fatalf("Kafka's own tools see nothing of %s", f.topic)
	}
	return lag.Lag
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
	for _, target := range tables {
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
