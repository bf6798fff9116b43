package stream

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/stream/eventlog"
)

// TestCopy copies a log's first records, those that are no envelopes among them, and reads them as the log's own.
func TestCopy(t *testing.T) {
	dir := t.TempDir()
	lines := []eventlog.Record{{Value: []byte(`{"key": "k", "value": {"id": 0}}`)}, {Value: []byte("no envelope")}}
	for i := 1; i < 9; i++ {
		lines = append(lines, eventlog.Record{Value: fmt.Appendf(nil, `{"value": {"id": %d}, "headers": [{"key": "h", "value": "v"}]}`, i)})
	}
	if _, err := eventlog.Append(filepath.Join(dir, "events"), 3, false, lines...); err != nil {
		t.Fatal(err)
	}
	in := &twice.Input{Name: "e", Log: &twice.LogInput{Envelope: true, Records: twice.Records{Topic: "events",
		Reader: twice.Reader{Format: "json"}}}}
	p := &twice.Pipeline{Name: "p", Inputs: []twice.Input{*in}}
	to := filepath.Join(dir, "copy")
	if err := Copy(t.Context(), p, in, dir, to, 5); err != nil {
		t.Fatal(err)
	}
	f, err := OpenCopy(p, in, to, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	log, err := f.Log(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at, until := map[int32]int64{3: 0}, map[int32]int64{3: log.Parts[3].End}
	var values []string
	poison := 0
	for at[3] < until[3] {
		b, err := f.Fetch(t.Context(), at, until)
		if err != nil || b.Rows() > 2 || b.Spans[0].Topic != "events" {
			t.Fatalf("%v, %v", b, err)
		}
		for _, r := range b.records {
			values = append(values, string(r.Key)+string(r.Value)+fmt.Sprint(len(r.Headers)))
		}
		poison += len(b.poison)
		at = b.Next()
	}
	want := `[k{"id": 0}0 {"id": 1}1 {"id": 2}1 {"id": 3}1]`
	if fmt.Sprint(values) != want || poison != 1 {
		t.Errorf("got %v and %d that are no envelopes, want %s", values, poison, want)
	}
}
