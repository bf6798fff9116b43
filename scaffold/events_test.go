package scaffold

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What is untidy in the log is counted from its bytes alone, and stands in the template's README.
func TestTheReadmeCountsTheEvents(t *testing.T) {
	dir := write(t, "stream")
	lines, late, again, across, broken := 0, 0, 0, 0, 0
	events := map[string]int{} // by id, the file in which it is first
	for part := range eventPartitions {
		content, err := os.ReadFile(filepath.Join(dir, "events", fmt.Sprintf("%d.ndjson", part)))
		if err != nil {
			t.Fatal(err)
		}
		var newest time.Time
		for line := range strings.Lines(string(content)) {
			lines++
			var e struct {
				ID       string    `json:"event_id"`
				Happened time.Time `json:"happened_at"`
			}
			if json.Unmarshal([]byte(line), &e) != nil {
				broken++
				continue
			}
			first, known := events[e.ID]
			switch {
			case !known:
				events[e.ID] = part
				if newest.Sub(e.Happened) > 5*time.Minute {
					late++
				}
			case first != part:
				across++
				again++
			default:
				again++
			}
			if e.Happened.After(newest) {
				newest = e.Happened
			}
		}
	}
	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for what, n := range map[string]int{
		"lines": lines, "events": len(events), "events that are late: more than five minutes after one that happened later": late,
		"lines that a producer sent again": again, "of these, in the other file": across,
		"lines that do not parse: a producer died while it wrote": broken,
	} {
		if row := fmt.Sprintf("| %s | %d |", what, n); n == 0 || !strings.Contains(string(readme), row) {
			t.Errorf("the README of the template should say: %s", row)
		}
	}
}
