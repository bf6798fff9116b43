package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// poison are records that do not parse, with a good one between them.
var poison = []string{`{"id": 1, "n": 1}`, `{"id": 2, "n": "x"}`, `{"id": 3}`, `{"id": 4, "n": 1.5}`, `[1]`, `{"id":`, `{"id": 0, "n": 0}`}

func TestStreamPoison(t *testing.T) {
	for _, target := range tables {
		t.Run(target, func(t *testing.T) {
			f := newFlow(t, target, 1, story{})
			f.produce(poison...)
			f.broker.Produce(t, &kgo.Record{Topic: f.topic}, &kgo.Record{Topic: f.topic, Value: []byte("\xff\xfe")})
			f.refused(1, []string{"run"}, "offset 1 of partition 0", "its field n is x, which is no bigint", "6 more in this batch",
				"on_error: quarantine")
			f.expect("SELECT count(*) FROM information_schema.tables WHERE table_name = 't'", "0")

			f.pipeline(story{input: "on_error: quarantine"})
			if r := f.must("run"); !strings.Contains(r.stdout, "7 records did not parse") {
				t.Errorf("nothing is said of the records:\n%s", r.stdout)
			}
			f.expect(everyEvent, once(2))
			f.expect("SELECT string_agg(record_offset || ' ' || error, '; ' ORDER BY record_offset) FROM twice.quarantine",
				"1 its field n is x, which is no bigint; 2 it has no field n; 3 its field n is 1.5, which is no bigint; "+
					"4 it is not a JSON object; 5 it is not a JSON object; 7 it has no value (a tombstone); 8 its value is not UTF-8")
			f.expect("SELECT bytes FROM twice.quarantine WHERE record_offset = 4", "WzFd")
			f.must("run", "--full-refresh")
			f.expect("SELECT count(*) FROM twice.quarantine", "7")
		})
	}
}

func TestStreamPoisonSkipped(t *testing.T) {
	f := newFlow(t, "duckdb", 1, story{})
	f.produce(poison[6])
	f.must("run")
	f.produce(poison...)
	f.refused(1, []string{"run"}, "does not parse")
	f.pipeline(story{input: "on_error: skip"}) // is no change of the code
	if r := f.must("run"); !strings.Contains(r.stdout, "5 records did not parse: on_error: skip") {
		t.Errorf("nothing is said of the records:\n%s", r.stdout)
	}
	f.expect(everyEvent, once(2))
	f.expect("SELECT count(*) FROM twice.quarantine", "0")
}

func TestStreamExpiredOffsets(t *testing.T) {
	f := newFlow(t, "duckdb", 2, story{})
	f.produce(events(0, 20)...)
	f.must("run")
	f.produce(events(20, 40)...)
	f.broker.Expire(t, f.topic, 1, 15) // the odd ones up to 29: [10, 15) were never read
	f.refused(1, []string{"run"}, "partition 1 of "+f.topic+": the offsets [10, 15) are missing", "--accept-loss 1:10..15")
	f.refused(1, []string{"run", "--accept-loss", "10..14"}, "[10, 15) are missing")
	f.expect("SELECT count(*) FROM t", "20")
	f.must("run", "--accept-loss", "10..15")
	f.expect("SELECT count(*) FROM t", "35")
	f.expect("SELECT string_agg(part || ' ' || from_offset || ' ' || to_offset || ' ' || cause, ',') FROM twice.losses", "1 10 15 expired")
	f.refused(1, []string{"run", "--full-refresh"}, "partition 1 of "+f.topic+": the offsets [0, 15) are missing", "--accept-loss 1:0..15")
	f.must("run", "--full-refresh", "--accept-loss", "1:0..15")
	f.expect("SELECT count(*) FROM t", "25")
}

func TestStreamRecreatedTopic(t *testing.T) {
	f := newFlow(t, "duckdb", 2, story{})
	f.produce(events(0, 10)...)
	f.must("run")
	f.broker.Delete(t, f.topic)
	f.broker.Create(t, f.topic, 2)
	f.produce(events(10, 12)...)
	f.refused(1, []string{"run"}, "the topic was deleted and made again", "--accept-loss 0:5..0 --accept-loss 1:5..0")
	f.must("run", "--accept-loss", "0:5..0", "--accept-loss", "1:5..0")
	f.expect(everyEvent, once(12))
}

func TestStreamSmallerEndThanRecorded(t *testing.T) {
	f := newFlow(t, "postgres", 1, story{})
	f.produce(events(0, 10)...)
	f.must("run")
	db := f.open()
	defer db.Close()
	if _, err := db.Exec("UPDATE twice.offsets SET next_offset = 15"); err != nil { // as if the log had lost its end since
		t.Fatal(err)
	}
	f.refused(1, []string{"run"}, "the offsets [10, 15) are missing: they were read, and the log now ends at 10", "--accept-loss 0:15..10")
	f.must("run", "--accept-loss", "15..10")
	f.produce(events(10, 11)...)
	f.must("run")
	f.expect(everyEvent, once(11))
}

func TestStreamOptionsAndTopic(t *testing.T) {
	f := newFlow(t, "duckdb", 1, story{options: "batch_rows: none"})
	f.refused(2, []string{"run"}, `batch_rows: expected a number of 1 or more, found "none"`, "t.sql:5")
	f.pipeline(story{options: "batchrows: 1"})
	f.refused(2, []string{"run"}, `unknown key "batchrows"`)
	f.pipeline(story{options: "sasl: plain, user: me"})
	f.refused(2, []string{"run"}, "sasl needs user and password")
	f.topic = "nowhere"
	f.pipeline(story{})
	f.refused(1, []string{"run"}, "have no topic nowhere")
}

func TestStreamLogin(t *testing.T) {
	f := newFlow(t, "duckdb", 1, story{})
	f.produce(events(0, 3)...)
	for n, login := range []struct{ addr, options string }{
		{f.broker.SASL, "sasl: plain"}, {f.broker.SASL, "sasl: scram-sha-256"}, {f.broker.SASL, "sasl: scram-sha-512"},
		{f.broker.TLS, "sasl: scram-sha-512, ca: " + f.broker.CA},
	} {
		f.addr = login.addr
		f.pipeline(story{options: login.options + ", user: me, password: not-this-one"})
		r := f.run("run")
		if r.code != 1 || !strings.Contains(r.stdout+r.stderr, "refuse the user me") || strings.Contains(r.stdout+r.stderr, "not-this-one") {
			t.Errorf("%s: exit code %d\n%s%s", login.options, r.code, r.stdout, r.stderr)
		}
		f.pipeline(story{options: login.options + ", user: me, password: secret"})
		f.produce(events(3+n, 4+n)...)
		f.must("run")
		f.expect(everyEvent, once(4+n))
	}
	// Nobody vouches for the broker.
	f.pipeline(story{options: "sasl: scram-sha-512, tls: true, user: me, password: secret, retry_time: 1s"})
	f.refused(1, []string{"run"}, "certificate", "ca: under options:")
	// The broker speaks TLS, and the client does not.
	f.pipeline(story{options: "sasl: scram-sha-512, user: me, password: secret, retry_time: 1s"})
	f.refused(1, []string{"run"}, "speak TLS", "tls: true")
}

func TestStreamOfALargeRecord(t *testing.T) {
	for _, target := range tables {
		t.Run(target, func(t *testing.T) {
			f := newFlow(t, target, 1, story{options: "batch_bytes: 64KB"})
			large := fmt.Sprintf(`{"id": 1, "n": 1, "pad": "%s"}`, strings.Repeat("x", 900_000))
			f.produce(`{"id": 0, "n": 0}`, large, `{"id": 2, "n": 4}`)
			f.must("run")
			f.expect(everyEvent, once(3))
			f.expect("SELECT count(*) FROM twice.history WHERE pipeline = 't'", "3")
		})
	}
}

func TestStreamThroughABrokerThatIsDown(t *testing.T) {
	f := newFlow(t, "duckdb", 1, story{options: "retry_time: 1s"})
	f.produce(events(0, 10)...)
	f.broker.Stop(t)
	f.refused(1, []string{"run"}, "cannot reach the brokers "+f.addr)
	f.broker.Restart(t)
	f.must("run")
	f.expect(everyEvent, once(10))
}
