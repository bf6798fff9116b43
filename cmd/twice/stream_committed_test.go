package main

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/twice-data/twice/stream/kafkatest"
)

// TestStreamReadsWhatIsCommitted lets a producer commit, abort and leave open its transactions: a stream reads the first,
// never the second, and the third and what comes after it once they have ended.
func TestStreamReadsWhatIsCommitted(t *testing.T) {
	for _, sink := range sinks {
		t.Run(sink, func(t *testing.T) {
			f := newFlow(t, sink, 2, story{options: "batch_rows: 7"})
			cl := f.broker.Client(t, kgo.TransactionalID(f.topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
			begin := func(from, to int) {
				t.Helper()
				err := cl.BeginTransaction()
				if err == nil {
					err = cl.ProduceSync(t.Context(), kafkatest.Lines(f.topic, f.parts, events(from, to)...)...).FirstErr()
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			end := func(how kgo.TransactionEndTry) {
				t.Helper()
				if err := cl.EndTransaction(t.Context(), how); err != nil {
					t.Fatal(err)
				}
			}
			begin(0, 20)
			end(kgo.TryCommit)
			begin(1000, 1020)
			end(kgo.TryAbort)
			begin(20, 30)
			end(kgo.TryCommit)
			begin(30, 40)
			f.produce(events(40, 50)...)
			f.must("run")
			f.eachOnce(30, "while a transaction is open")
			end(kgo.TryCommit)
			f.must("run")
			f.eachOnce(50, "when it has ended")
		})
	}
}

// TestStreamTrustsItsTargetAlone moves the group's offsets back and ahead, as somebody may: a stream into a table goes on
// where its table is.
func TestStreamTrustsItsTargetAlone(t *testing.T) {
	f := newFlow(t, "duckdb", 1, story{})
	set := func(to int64) {
		t.Helper()
		var offsets kadm.Offsets
		offsets.AddOffset(f.topic, 0, to, -1)
		if err := kadm.NewClient(f.broker.Client(t)).CommitAllOffsets(t.Context(), f.group(), offsets); err != nil {
			t.Fatal(err)
		}
	}
	f.produce(events(0, 20)...)
	f.must("run")
	set(0)
	f.refused(0, []string{"run"}, "up to date")
	f.produce(events(20, 30)...)
	set(30)
	f.must("run")
	f.eachOnce(30, "the group's offsets were set")
}
