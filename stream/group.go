package stream

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Member is this process's place in a consumer group. The group says only which partitions the process reads; that no
// other writes what it reads is the business of the offsets in the target.
type Member struct {
	cl    *kgo.Client
	topic string

	mu      sync.Mutex // guards parts
	parts   map[int32]bool
	changed chan struct{} // closed when parts changes, and replaced
	first   chan struct{} // closed when the group has spoken for the first time
	spoken  bool
}

// Join makes the process a member. Partitions move cooperatively: those that stay are read on without a pause. With
// instance_id the process keeps its partitions through a restart that is shorter than session_timeout.
func (s *Source) Join() (*Member, error) {
	m := &Member{topic: s.in.Kafka.Topic, parts: map[int32]bool{}, changed: make(chan struct{}), first: make(chan struct{})}
	opts := append([]kgo.Opt{
		kgo.ConsumerGroup(s.group()), kgo.ConsumeTopics(m.topic), kgo.DisableAutoCommit(),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.SessionTimeout(s.opts.session),
		kgo.HeartbeatInterval(min(3*time.Second, s.opts.session/3)), kgo.RebalanceTimeout(s.opts.session),
		kgo.OnPartitionsAssigned(func(_ context.Context, cl *kgo.Client, got map[string][]int32) {
			cl.PauseFetchPartitions(got) // records are read by offset ranges, not by the group's client
			m.set(got[m.topic], true)
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { m.set(lost[m.topic], false) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { m.set(lost[m.topic], false) }),
	}, s.kopts...)
	if s.opts.instance != "" {
		opts = append(opts, kgo.InstanceID(s.opts.instance))
	}
	var err error
	if m.cl, err = kgo.NewClient(opts...); err != nil {
		return nil, s.explain(err)
	}
	m.cl.PauseFetchTopics(m.topic)
	return m, nil
}

func (m *Member) set(parts []int32, mine bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range parts {
		if mine {
			m.parts[p] = true
		} else {
			delete(m.parts, p)
		}
	}
	close(m.changed)
	m.changed = make(chan struct{})
	if !m.spoken {
		m.spoken = true
		close(m.first)
	}
}

// Assigned is closed once the group has said which partitions are this member's, which may be none.
func (m *Member) Assigned() <-chan struct{} { return m.first }

// Reads says whether a partition is this member's.
func (m *Member) Reads(part int32) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.parts[part]
}

// Changed is closed when partitions come or go after the call.
func (m *Member) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}

// Monitor writes offsets as the group's committed ones. Nothing depends on it, so that it may fail.
func (m *Member) Monitor(ctx context.Context, next map[int32]int64) {
	offsets := map[int32]kgo.EpochOffset{}
	for p, at := range next {
		offsets[p] = kgo.EpochOffset{Epoch: -1, Offset: at}
	}
	m.cl.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{m.topic: offsets}, nil)
}

// Close leaves the group, unless membership is static.
func (m *Member) Close() { m.cl.CloseAllowingRebalance() }
