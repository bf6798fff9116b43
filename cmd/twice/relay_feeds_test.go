package main

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
)

// winlogEvent is a Windows event as the relay gives it on.
type winlogEvent struct {
	Part     int32  `json:"part"`
	At       int64  `json:"at"`
	Line     string `json:"line"`
	Message  *int64 `json:"message"`
	Severity *int64 `json:"severity"`
	Keywords *int64 `json:"keywords"`
}

// TestRelayOfWindowsEvents carries a real feed from one topic to another, through kills at random moments, and holds what
// a reader of committed records sees against the feed's known figures: each record once, and in order.
func TestRelayOfWindowsEvents(t *testing.T) {
	t.Parallel()
	want, lines := windowsEvents(t)
	f := newRelay(t, 3, story{})
	text := strings.Replace(fmt.Sprintf(winlog, f.addr, f.topic), "write: merge\nunique_key: [line]\n",
		"to: {kafka: {topic: "+f.out+", key: line}}\n", 1)
	text = strings.Replace(text, "batch_rows: 20000", "batch_rows: 20000, group: "+f.out, 1)
	f.write("pipelines/t.sql", strings.Replace(text, "select line", "select _partition as part, _offset as at, line", 1))
	f.deliver(lines, rounds(4))

	seen := [3]map[int64]bool{{}, {}, {}}
	distinct := map[string]winlogEvent{}
	records := int64(0)
	for _, r := range f.broker.Read(t, f.out, 30*time.Second) {
		var e winlogEvent
		if err := json.Unmarshal(r.Value, &e); err != nil || string(r.Key) != e.Line {
			t.Fatalf("%q: %q: %v", r.Key, r.Value, err)
		}
		if seen[e.Part][e.At] {
			t.Fatalf("offset %d of partition %d is there twice", e.At, e.Part)
		}
		seen[e.Part][e.At] = true
		records++
		distinct[e.Line] = e
	}
	var message, severity int64
	nulls, keywords := 0, new(big.Int)
	for _, e := range distinct {
		if e.Message == nil {
			nulls++
		} else {
			message += *e.Message
		}
		if e.Severity != nil {
			severity += *e.Severity
		}
		if e.Keywords != nil {
			keywords.Add(keywords, big.NewInt(*e.Keywords))
		}
	}
	got := fmt.Sprintln(records, len(distinct), message, severity, nulls, keywords)
	if should := fmt.Sprintln(want.Delivered, want.Events, want.Message, want.Severity, want.Nulls, want.Keywords); got != should {
		t.Errorf("the output has\n%s\nthe feed is known to have\n%s", got, should)
	}
	t.Logf("%d records, %d events: %+v", records, len(distinct), want)
}
