package stream

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/twice-data/twice"
)

// Term is what a member has from one rebalance to the next: partitions, and the proof that it may commit for them. The
// group's coordinator takes no offsets from a term that is over.
type Term struct {
	Parts      map[int32]bool
	member     string
	generation int32
}

// term is the present one; false while the group has none for this member.
func (m *Member) term() (Term, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Term{Parts: maps.Clone(m.parts), member: m.id, generation: m.generation}, m.generation >= 0 && m.failed == nil
}

// await gives the present term, unless it is the one that the coordinator has refused.
func (m *Member) await(ctx context.Context, refused int32) (Term, error) {
	for {
		changed := m.Changed()
		if err := m.replaced(); err != nil {
			return Term{}, err
		}
		if t, ok := m.term(); ok && t.generation != refused {
			return t, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Term{}, ctx.Err()
		}
	}
}

// OnGroupManageError is told by the client why it has lost its place. One that another process has taken over is not
// asked for again: the two would take it from each other forever.
func (m *Member) OnGroupManageError(err error) {
	if !errors.Is(err, kerr.FencedInstanceID) && !errors.Is(err, kerr.GroupAuthorizationFailed) {
		return
	}
	m.mu.Lock()
	m.failed = err
	cl := m.cl
	m.mu.Unlock()
	m.set(nil, nil, false)
	go cl.CloseAllowingRebalance() // not from inside of one of its callbacks
}

func (m *Member) replaced() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if errors.Is(m.failed, kerr.FencedInstanceID) {
		return replaced(m.failed)
	}
	return m.failed
}

// taken asks the coordinator whether another process has the place of this name. Who takes a transactional id over has
// taken the place before, so that this tells a producer that was replaced from one whose transaction took too long.
func (m *Member) taken(instance string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), leaveWait)
	defer cancel()
	t, ok := m.term()
	if !ok {
		return m.replaced() != nil
	}
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.Generation, req.MemberID, req.InstanceID = m.group, t.generation, t.member, &instance
	resp, err := req.RequestWith(ctx, m.cl)
	return err == nil && errors.Is(kerr.ErrorForCode(resp.ErrorCode), kerr.FencedInstanceID)
}

// replaced is the error of a process whose work another one does.
func replaced(err error) error {
	return twice.Errorf("relay-replaced", "another process has taken the place of this one in the group: %w", err).
		WithNext("nothing of its last batch was produced, and the other one goes on; where both should work, give each an instance_id").
		WithExit(twice.ExitHeld)
}

// leaveWait bounds what is done on the way out.
const leaveWait = 5 * time.Second
