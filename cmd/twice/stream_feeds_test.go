package main

import (
	"fmt"
	"strconv"
	"testing"
	"time"
)

const winlog = `/* @twice
write: merge
unique_key: [line]
inputs:
  feed:
    kafka: {brokers: ["%s"], topic: %s, options: {batch_rows: 20000}}
    format: json
    columns:
      - {name: line, type: varchar, aliases: [LineSHA]}
      - {name: time, type: timestamp, aliases: ["@timestamp"]}
      - {name: host, type: varchar, aliases: [Hostname]}
      - {name: channel, type: varchar, aliases: [Channel]}
      - {name: record, type: bigint, aliases: [RecordNumber]}
      - {name: severity, type: bigint, aliases: [SeverityValue], optional: true}
      - {name: keywords, type: bigint, aliases: [Keywords], optional: true}
      - {name: message, type: bigint, aliases: [MessageLen]}
*/
select line, "time" as happened_at, host, channel, record, severity, keywords, message from feed
`

// TestStreamOfWindowsEvents reads a real feed, of which one batch was published twice, through kills at random moments.
func TestStreamOfWindowsEvents(t *testing.T) {
	t.Parallel()
	want, lines := windowsEvents(t)
	for _, target := range tables {
		t.Run(target, func(t *testing.T) {
			f := newFlow(t, target, 3, story{})
			f.write("pipelines/t.sql", fmt.Sprintf(winlog, f.addr, f.topic))
			f.deliver(lines, rounds(4))
			f.expect("SELECT count(*) || ' ' || sum(message) || ' ' || sum(severity) || ' ' || sum(CASE WHEN message IS NULL THEN 1 ELSE 0 END) "+
				"|| ' ' || sum(CAST(keywords AS DECIMAL(38, 0))) FROM t",
				fmt.Sprintf("%d %d %d %d %s", want.Events, want.Message, want.Severity, want.Nulls, want.Keywords))
			f.must("verify")
			t.Logf("%d records, %d events: %+v", want.Delivered, want.Events, want)
		})
	}
}

const zeek = `/* @twice
write: merge
unique_key: [id]
inputs:
  feed:
    kafka: {brokers: ["%s"], topic: %s, options: {batch_rows: %d}}
    format: json
    columns:
      - {name: ts, type: timestamp}
      - {name: uid, type: varchar}
      - {name: answers, type: "varchar[]", optional: true}
      - {name: host, type: varchar, aliases: [id.orig_h]}
*/
select md5(_value) as id, ts, uid, host from feed
`

// TestStreamOfLateEvents reads a real feed with late events, delivered at least once and out of order, and holds the
// minutes of event time that a pipeline makes of it against those of the sorted file.
func TestStreamOfLateEvents(t *testing.T) {
	want, _, deliveries := zeekEvents(t)
	f := newFlow(t, "duckdb", 3, story{})
	f.write("pipelines/t.sql", fmt.Sprintf(zeek, f.addr, f.topic, 5000))
	f.write("pipelines/minutes.sql", "/* @twice\nwrite: overwrite\n*/\n"+
		"select strftime(ts, '%Y-%m-%dT%H:%M') as minute, count(*) as events from t group by minute\n")
	delivered := 0
	for i, lines := range deliveries {
		f.publish(lines)
		delivered += len(lines)
		if i%20 == 10 {
			f.struckOnce(time.Second)
		}
	}
	f.must("run")
	f.expect("SELECT count(*) FROM t", strconv.Itoa(want.Lines))
	f.expect("SELECT count(*) FROM minutes", strconv.Itoa(len(want.Minutes)))
	for minute, n := range want.Minutes {
		f.expect("SELECT events FROM minutes WHERE minute = '"+minute+"'", strconv.Itoa(n))
	}
	before := f.fingerprint("t")
	f.write("pipelines/t.sql", fmt.Sprintf(zeek, f.addr, f.topic, 33333))
	f.must("run", "--full-refresh")
	if after := f.fingerprint("t"); after != before {
		t.Errorf("a full rebuild in other batches gives %s, the stream gave %s", after, before)
	}
	t.Logf("%d records delivered, %d events", delivered, want.Lines)
}
