package stream

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/twice-data/twice"
)

// Mark is how far a relay has come in one partition, as the group's committed offset says it, with the receipt of the
// batch that came so far. Both commit in the transaction of the batch's records.
type Mark struct {
	Next    int64  `json:"-"`
	Epoch   int32  `json:"-"`     // in which the last records before Next were written; -1: nobody knows
	TopicID string `json:"topic"` // of the input; empty where somebody else has set the offset
	First   int64  `json:"first"` // where the relay began
	Loss    string `json:"loss,omitempty"`

	Reason   string    `json:"reason,omitempty"`
	Code     string    `json:"code"`
	Manifest string    `json:"manifest"`
	Rows     int64     `json:"rows"` // of the batch
	Sum      uint64    `json:"sum"`  // of their fingerprint
	Made     int64     `json:"made"` // rows of all batches that are counted on this partition: each on one
	Run      string    `json:"run"`
	At       time.Time `json:"at"`
}

// metadata is what Kafka keeps beside the offset: some 300 bytes of the 4096 that it has room for.
func (m Mark) metadata() string {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // plain strings and numbers always marshal
	}
	return string(b)
}

// Marks reads the group's committed offsets, by partition. Stable waits for transactions that are open to end: what they
// commit decides where to go on.
func (s *Source) Marks(ctx context.Context, stable bool) (marks map[int32]Mark, err error) {
	if stable {
		ctx = kadm.RequireStable(ctx)
	}
	began := time.Now()
	for {
		err := s.persist(ctx, func() error { marks, err = s.marks(ctx); return err })
		if !errors.Is(err, kerr.UnstableOffsetCommit) || time.Since(began) > stableWait {
			return marks, s.explain(err)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// stableWait is for how long an open transaction of a killed process is waited for: its time-out, and the brokers look
// for such ones every ten seconds.
const stableWait = 2 * time.Minute

func (s *Source) marks(ctx context.Context) (map[int32]Mark, error) {
	all, err := s.admin.FetchOffsets(ctx, s.group())
	marks := map[int32]Mark{}
	if errors.Is(err, kerr.GroupIDNotFound) {
		return marks, nil
	}
	if err != nil {
		return nil, err
	}
	for part, o := range all[s.in.Kafka.Topic] {
		if o.Err != nil {
			return nil, o.Err
		}
		if o.At < 0 {
			continue
		}
		var m Mark
		if json.Unmarshal([]byte(o.Metadata), &m) != nil {
			m = Mark{} // an offset that some tool has set
		}
		m.Next, m.Epoch = o.At, o.LeaderEpoch
		marks[part] = m
	}
	return marks, nil
}

// Receipt is what the marks say of the last batch, or nil.
func Receipt(p *twice.Pipeline, marks map[int32]Mark) *twice.Receipt {
	var last *Mark
	for _, m := range marks {
		if m.Code != "" && (last == nil || m.At.After(last.At)) {
			last = &m
		}
	}
	if last == nil {
		return nil
	}
	return last.receipt(p)
}

func (m *Mark) receipt(p *twice.Pipeline) *twice.Receipt {
	return &twice.Receipt{
		Pipeline: p.Name, Table: p.Table, Code: m.Code, Manifest: m.Manifest, Changed: m.Rows, Reason: twice.Reason(m.Reason),
		Fingerprint: twice.Fingerprint{Rows: m.Rows, Sum: m.Sum}, Run: m.Run, CommittedAt: m.At,
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
