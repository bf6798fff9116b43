package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
)

func TestRelayDrainsToTheEndAndGoesOn(t *testing.T) {
	f := newRelay(t, 3, story{options: "batch_rows: 40"})
	f.refused(0, []string{"run"}, "has no records to begin with")
	f.produce(events(0, 100)...)
	if r := f.must("plan"); !strings.Contains(r.stdout, "produce") {
		t.Errorf("the plan does not say what is done:\n%s", r.stdout)
	}
	r := f.must("run")
	if n := strings.Count(r.stdout, "committed  t"); n != 3 {
		t.Errorf("100 rows by at most 40 a batch took %d batches:\n%s", n, r.stdout)
	}
	f.eachOnce(100, "a drain")
	if r := f.must("run"); !strings.Contains(r.stdout, "up to date") {
		t.Errorf("a second run is not up to date:\n%s", r.stdout)
	}
	f.produce(events(100, 130)...)
	f.must("run")
	f.eachOnce(130, "a second drain")
	lags, err := kadm.NewClient(f.broker.Client(t)).Lag(t.Context(), f.out)
	if lag := lags[f.out].Lag.Total(); err != nil || lag != 0 {
		t.Errorf("Kafka's own tools see a lag of %d %v", lag, err)
	}
	f.refused(0, []string{"status"}, "RELAY", f.out)
	f.refused(0, []string{"history", "t"}, "input")
	f.must("check")
	if there(filepath.Join(f.dir, "target.duckdb")) {
		t.Error("a relay made a target")
	}
}

// Records keep the order of their partition, and each is there as often as it came.
func TestRelayKeepsOrderAndRepetition(t *testing.T) {
	f := newRelay(t, 1, story{options: "batch_rows: 7", sql: "select id, n from feed where id <> 3"})
	f.produce(append(events(0, 30), events(5, 10)...)...)
	f.must("run")
	byKey := map[int][]int{}
	for i, e := range f.produced() {
		byKey[e.ID] = append(byKey[e.ID], i)
	}
	if len(byKey) != 29 || len(byKey[3]) != 0 || len(byKey[5]) != 2 || len(byKey[4]) != 1 {
		t.Errorf("the events are %v", byKey)
	}
	last := map[int32]int64{}
	for _, r := range f.broker.Read(t, f.out, 0) {
		var e event
		_ = json.Unmarshal(r.Value, &e)
		if e.ID < 5 || e.ID >= 10 {
			if int64(e.ID) < last[r.Partition] {
				t.Errorf("event %d comes after %d", e.ID, last[r.Partition])
			}
			last[r.Partition] = int64(e.ID)
		}
	}
}

// A batch without rows moves the offsets all the same.
func TestRelayOfNothing(t *testing.T) {
	f := newRelay(t, 2, story{sql: "select id, n from feed where id < 0"})
	f.produce(events(0, 10)...)
	f.must("run")
	if got := f.produced(); len(got) != 0 {
		t.Errorf("%v", got)
	}
	if r := f.must("run"); !strings.Contains(r.stdout, "up to date") {
		t.Errorf("after a batch without rows:\n%s", r.stdout)
	}
}

func TestRelayPoison(t *testing.T) {
	lines := []string{`{"id": 0, "n": 0}`, `{"id": 7}`, `{"id": 1, "n": 1}`}
	f := newRelay(t, 1, story{})
	f.produce(lines...)
	f.refused(1, []string{"run"}, "does not parse", "offset 1")
	f.eachOnce(0, "a batch with poison")
	f.pipeline(story{input: "on_error: skip"})
	f.must("run")
	f.eachOnce(2, "poison skipped")

	f = newRelay(t, 1, story{})
	dead := f.broker.Topic(t, 1)
	f.produce(lines...)
	f.pipeline(story{to: "key: id, quarantine_topic: " + dead, input: "on_error: quarantine"})
	f.must("run")
	f.eachOnce(2, "poison quarantined")
	rs := f.broker.Read(t, dead, 0)
	if len(rs) != 1 || string(rs[0].Value) != lines[1] || fmt.Sprintf("%s", rs[0].Headers) == "[]" {
		t.Fatalf("in quarantine are %v", rs)
	}
	headers := map[string]string{}
	for _, h := range rs[0].Headers {
		headers[h.Key] = string(h.Value)
	}
	if headers["twice.topic"] != f.topic || headers["twice.offset"] != "1" || headers["twice.partition"] != "0" || headers["twice.error"] == "" {
		t.Errorf("the rejected record says %v", headers)
	}
}

func TestRelayChecks(t *testing.T) {
	f := newRelay(t, 1, story{header: "checks:\n  - {not_null: n, on_fail: block}\n", sql: "select id, nullif(n, 4) as n from feed"})
	f.produce(events(0, 5)...)
	f.refused(1, []string{"run"}, "not_null")
	f.eachOnce(0, "a check that blocks")
}

func TestRelayRefuses(t *testing.T) {
	f := newRelay(t, 1, story{to: "key: who"})
	f.produce(events(0, 3)...)
	f.refused(1, []string{"run"}, "the SELECT gives no column who")
	f.pipeline(story{sql: "select id, count(*) as n from feed group by id"})
	f.refused(2, []string{"run"}, "batch-dependent")
	out := f.out
	f.out = "nowhere"
	f.pipeline(story{})
	f.refused(1, []string{"run"}, "have no topic nowhere to produce to")
	f.out = out
	f.pipeline(story{sql: "select id, 'nan'::double as n from feed"})
	f.refused(1, []string{"run"}, "JSON has no NaN")
	f.pipeline(story{to: "key: id, options: {max_record_bytes: 1KB}", sql: "select id, repeat(md5(_value), 100) as n from feed"})
	f.refused(1, []string{"run"}, "larger than it may be")
	f.eachOnce(0, "refusals")
	f.pipeline(story{})
	f.must("run")
	f.eachOnce(3, "after the refusals")
	f.pipeline(story{sql: "select id, n + 0 as n from feed"})
	f.refused(1, []string{"run"}, "the pipeline has changed")
	f.produce(events(3, 5)...)
	f.must("run", "--force")
	f.eachOnce(5, "new code, forced")
}

// Without offsets nobody knows what was produced already: a relay does not begin over again by itself.
func TestRelayOffsetsGone(t *testing.T) {
	f := newRelay(t, 1, story{})
	f.produce(events(0, 3)...)
	f.must("run")
	f.pipeline(story{options: "group: another"})
	f.refused(1, []string{"run"}, "has no offsets for the topic", "--full-refresh")
	f.must("run", "--full-refresh")
	if got := f.produced(); len(got) != 6 {
		t.Errorf("after a full refresh %d records", len(got))
	}
}

// Offsets that retention has deleted stop a relay as they stop any stream, and what was accepted is kept with the offset.
func TestRelayLoss(t *testing.T) {
	f := newRelay(t, 1, story{})
	f.produce(events(0, 10)...)
	f.must("run")
	f.produce(events(10, 20)...)
	f.broker.Expire(t, f.topic, 0, 15)
	f.refused(1, []string{"run"}, "the broker has deleted them", "--accept-loss 0:10..15")
	f.must("run", "--accept-loss", "0:10..15")
	got := f.produced()
	slices.SortFunc(got, func(a, b event) int { return a.ID - b.ID })
	if len(got) != 15 || got[10].ID != 15 {
		t.Errorf("%v", got)
	}
	f.refused(0, []string{"status", "--json"}, `"loss":"10..15"`)
}

// Values keep all that they have, and a relay needs nothing of the target beside it, which another process may hold.
func TestRelayOfAllTypesBesideATable(t *testing.T) {
	f := newRelay(t, 1, story{sql: `select id, n, 123456789012345678.25::decimal(20,2) as d, 170141183460469231731687303715884105727 as h,
		timestamp '2020-03-01 06:00:00.5' as ts, [1, null] as l, 'a"é' as s, null::varchar as nothing, true as b from feed`})
	f.write("pipelines/other.sql", "/* @twice\nwrite: overwrite\n*/\nselect 1 as a\n")
	f.produce(events(2, 3)...)
	f.must("run", "other")
	held := f.hold()
	f.must("run", "t")
	f.refused(0, []string{"status", "t"}, f.out)
	f.refused(0, []string{"plan", "t"}, "unchanged")
	held.Close()
	rs := f.broker.Read(t, f.out, 0)
	want := `{"id":2,"n":4,"d":123456789012345678.25,"h":170141183460469231731687303715884105727,"ts":"2020-03-01 06:00:00.5",` +
		`"l":[1,null],"s":"a\"é","nothing":null,"b":true}`
	if len(rs) != 1 || string(rs[0].Value) != want || string(rs[0].Key) != "2" {
		t.Errorf("%s\nwant\n%s", rs[0].Value, want)
	}
	f.produce(events(3, 4)...)
	f.refused(0, []string{"run"}, "1 committed, 1 up to date")
	f.refused(0, []string{"verify"}, "1 window verified")
	f.refused(2, []string{"prove", "t"}, "goes to a topic")
	f.refused(2, []string{"rollback", "t"}, "is written by produce")
	f.write("pipelines/third.sql", "/* @twice\nwrite: overwrite\n*/\nselect count(*) as n from t\n")
	f.refused(2, []string{"check"}, "t")
}

// hold keeps the target's file as a process at work does.
func (f *flow) hold() *sql.DB {
	f.Helper()
	db, err := sql.Open("duckdb", filepath.Join(f.dir, "target.duckdb"))
	if err == nil {
		err = db.Ping()
	}
	if err != nil {
		f.Fatal(err)
	}
	return db
}
