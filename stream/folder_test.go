package stream

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/stream/eventlog"
)

// TestBatchesOfALogCoverItOnce takes batches of any size, and expects each record in exactly one, the ranges adjoining, and
// no batch above its bounds.
func TestBatchesOfALogCoverItOnce(t *testing.T) {
	dir := t.TempDir()
	total := 0
	for part := range int32(3) {
		for i := range 200 * int(part) {
			if _, err := eventlog.Append(dir+"/log", part, false, eventlog.Record{Value: fmt.Appendf(nil, "%d", i*i*i)}); err != nil {
				t.Fatal(err)
			}
			total++
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		in := twice.Input{Name: "feed", Log: &twice.LogInput{Records: twice.Records{Topic: "log"}}}
		p := &twice.Pipeline{Name: "p", File: "p.sql", Inputs: []twice.Input{in}}
		s, err := OpenFolder(p, &in, dir)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.opts = options{rows: rapid.IntRange(1, 150).Draw(t, "rows"), bytes: rapid.IntRange(1, 900).Draw(t, "bytes")}
		log, err := s.Log(t.Context())
		if err != nil || len(log.Parts) != 2 {
			t.Fatal(log, err)
		}
		at, until := map[int32]int64{}, map[int32]int64{}
		for part, there := range log.Parts {
			at[part], until[part] = there.Start, there.End
		}
		seen := map[string]bool{}
		for n := 0; n < total; {
			b, err := s.Fetch(t.Context(), at, until)
			if err != nil || b.Rows() == 0 || b.Rows() > s.opts.rows || b.bytes > s.opts.bytes && b.Rows() > 1 {
				t.Fatalf("%d rows, %d bytes of %d and %d: %v", b.Rows(), b.bytes, s.opts.rows, s.opts.bytes, err)
			}
			for _, sp := range b.Spans {
				if sp.From != at[sp.Partition] || sp.To <= sp.From {
					t.Fatalf("%v begins not at %d", sp, at[sp.Partition])
				}
				at[sp.Partition] = sp.To
			}
			for _, r := range b.records {
				seen[fmt.Sprint(r.Partition, r.Offset)] = true
			}
			n += b.Rows()
		}
		if len(seen) != total {
			t.Fatalf("%d records, want %d", len(seen), total)
		}
		if more, err := s.Fetch(t.Context(), at, until); err != nil || len(more.Spans) > 0 {
			t.Fatal(more, err)
		}
	})
}
