package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

const positions = `/* @twice
write: merge
unique_key: [part, at]
inputs:
  feed:
    kafka: {brokers: ["%s"], topic: %s, options: {batch_rows: 5000, group: %s}}
    format: json
    columns:
      - {name: line, type: varchar, aliases: [LineSHA]}
      - {name: event, type: bigint, aliases: [EventID]}
      - {name: message, type: bigint, aliases: [MessageLen]}
*/
select _partition as part, _offset as at, line, event, message from feed
`

// TestStreamOfEventsWithoutAnID reads a real feed in which equal lines are different events, through kills: where a record
// is in its topic tells it from its twins, and each is there as often as it happened.
func TestStreamOfEventsWithoutAnID(t *testing.T) {
	var want struct {
		Lines    int   `json:"lines"`
		Distinct int   `json:"distinct_lines_by_LineSHA"`
		Events   int64 `json:"sum_EventID"`
		Message  int64 `json:"sum_MessageLen"`
	}
	expected(t, "C_winlog_noid", &want)
	figures := fmt.Sprint(want.Lines, want.Distinct, want.Events, want.Message)
	lines := linesOf(t, feed(t, "C_winlog_noid")+"/events.ndjson.gz")
	for _, sink := range sinks {
		t.Run(sink, func(t *testing.T) {
			f := newFlow(t, sink, 3, story{})
			text := fmt.Sprintf(positions, f.addr, f.topic, f.group())
			if f.out != "" {
				text = strings.Replace(text, "write: merge\nunique_key: [part, at]\n", "to: {kafka: {topic: "+f.out+", key: line}}\n", 1)
			}
			f.write("pipelines/t.sql", text)
			f.deliver(lines, rounds(2))
			if f.out == "" {
				f.expect("SELECT count(*) || ' ' || count(DISTINCT line) || ' ' || sum(event) || ' ' || sum(message) FROM t", figures)
				f.must("verify")
				return
			}
			distinct, n, events, message := map[string]bool{}, 0, int64(0), int64(0)
			for _, r := range f.broker.Read(t, f.out, 30*time.Second) {
				var e struct {
					Line           string
					Event, Message int64
				}
				if err := json.Unmarshal(r.Value, &e); err != nil {
					t.Fatal(err)
				}
				distinct[e.Line] = true
				n, events, message = n+1, events+e.Event, message+e.Message
			}
			if got := fmt.Sprint(n, len(distinct), events, message); got != figures {
				t.Errorf("the output has %s, the feed is known to have %s", got, figures)
			}
		})
	}
}
