package stream

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/twice-data/twice"
)

func TestDefaultsAreWhatTheDocsSay(t *testing.T) {
	text, err := os.ReadFile("../docs/streams.md")
	if err != nil {
		t.Fatal(err)
	}
	o, err := parse(&twice.Input{Kafka: &twice.KafkaInput{}})
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]any{
		"batch_rows": o.rows, "batch_bytes": fmt.Sprintf("%dMB", o.bytes>>20), "batch_time": o.time,
		"session_timeout": o.session, "retry_time": o.retry,
	} {
		if row := fmt.Sprintf("| `%s` | %v |", name, value); !strings.Contains(string(text), row) {
			t.Errorf("docs/streams.md has no row that begins %q", row)
		}
	}
}
