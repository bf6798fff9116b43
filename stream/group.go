package stream

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Member is this process's place in a consumer group. The group says only which partitions the process reads; that no
// other writes what it reads is the business of the offsets in the target.
type Member struct {
	cl    *kgo.Client
	group string
	topic string

	mu         sync.Mutex // guards parts, and who it is to the group
	parts      map[int32]bool
	id         string
	generation int32         // of the group when it gave parts; -1: the member has no place in it
	failed     error         // the place is another process's by now
	changed    chan struct{} // closed when parts changes, and replaced
	first      chan struct{} // closed when the group has spoken for the first time
	spoken     bool
}

// Join makes the process a member. Partitions move cooperatively: those that stay are read on without a pause. With
// instance_id the process keeps its partitions through a restart that is shorter than session_timeout.
func (s *Source) Join() (*Member, error) { return s.join(s.opts.instance) }

func (s *Source) join(instance string) (*Member, error) {
	m := &Member{
		group: s.group(), topic: s.in.Kafka.Topic, parts: map[int32]bool{}, generation: -1, changed: make(chan struct{}), first: make(chan struct{}),
	}
	opts := append(slices.Clone(s.kopts), kgo.RetryTimeoutFn(s.opts.patience),
		kgo.ConsumerGroup(s.group()), kgo.ConsumeTopics(m.topic), kgo.DisableAutoCommit(),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.SessionTimeout(s.opts.session),
		kgo.HeartbeatInterval(min(3*time.Second, s.opts.session/3)), kgo.RebalanceTimeout(s.opts.session),
		kgo.OnPartitionsAssigned(func(_ context.Context, cl *kgo.Client, got map[string][]int32) {
			cl.PauseFetchPartitions(got) // records are read by offset ranges, not by the group's client
			m.set(cl, got[m.topic], true)
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, cl *kgo.Client, lost map[string][]int32) {
			m.set(cl, lost[m.topic], false)
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
			m.set(nil, lost[m.topic], false)
		}),
		kgo.WithHooks(m),
	)
	if instance != "" {
		opts = append(opts, kgo.InstanceID(instance))
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, s.explain(err)
	}
	cl.PauseFetchTopics(m.topic)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cl = cl
	return m, nil
}

// patience is for how long a member repeats a request. One that cannot tell the group that it is there has lost its place
// after session, and should ask for another one, of another broker if need be.
func (o options) patience(key int16) time.Duration {
	switch kmsg.Key(key) {
	case kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat:
		return o.session
	default:
		return o.retry
	}
}

// set takes partitions over, or gives them up. A cl of nil says that the member has lost its place.
func (m *Member) set(cl *kgo.Client, parts []int32, mine bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.generation = -1
	if cl != nil {
		m.id, m.generation = cl.GroupMetadata()
	}
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
