package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestAStreamIsProved tries a stream of each kind on a copy of its records. The topic has more of them than are copied, and
// the first ones do not parse: a copy of a topic is of its last ones.
func TestAStreamIsProved(t *testing.T) {
	for name, begin := range map[string]func(*testing.T, string, int, story) *flow{"kafka": newFlow, "log": newLog} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := begin(t, "duckdb", 2, story{input: "on_error: fail"})
			if name == "kafka" {
				f.produce("poison", "poison")
			}
			f.produce(events(0, 120)...)
			r := f.must("prove", "t", "--json", "--seed", "1", "--time", "1m", "--law", "repeat,order,split,duplicate,ack,residue")
			held := 0
			for line := range strings.Lines(r.stdout) {
				var l struct{ Event, Law, Verdict, Reason string }
				if err := json.Unmarshal([]byte(line), &l); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
				if l.Event != "law" {
					continue
				}
				if l.Verdict != "holds" {
					t.Errorf("%s: %s: %s", l.Law, l.Verdict, l.Reason)
				}
				held++
			}
			if held != 6 {
				t.Errorf("%d laws were tried", held)
			}
			if f.broker == nil && there(f.dir+"/target.duckdb") {
				t.Error("the real target was made")
			}
		})
	}
}
