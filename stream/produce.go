package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/twice-data/twice"
)

// producer is one client with a transactional id. Its making ends what an earlier client of the id has left open.
type producer struct {
	cl    *kgo.Client
	txn   string // the transactional id
	group string
	id    int64
	epoch int16
	open  bool // something is in the transaction
}

// newProducer asks the brokers for the transactional id. A transaction of the id that was open is aborted by that, and one
// that was prepared is brought to its end first.
func newProducer(ctx context.Context, opts []kgo.Opt, txn, group string) (*producer, error) {
	// Requests are as Kafka 3.9 has them, which later brokers take too: this package adds offsets to a transaction itself,
	// and the client must not wait for the broker to have done so.
	cl, err := kgo.NewClient(append(opts, kgo.TransactionalID(txn), kgo.MaxVersions(kversion.V3_9_0()))...)
	if err != nil {
		return nil, err
	}
	p := &producer{cl: cl, txn: txn, group: group}
	if p.id, p.epoch, err = cl.ProducerID(ctx); err != nil {
		cl.Close()
		return nil, err
	}
	return p, nil
}

// produce sends records, and returns when all of them are on enough brokers.
func (p *producer) produce(ctx context.Context, records []*kgo.Record) error {
	if err := p.cl.BeginTransaction(); err != nil {
		return err
	}
	p.open = true
	var mu sync.Mutex
	var first error
	for _, r := range records {
		p.cl.Produce(ctx, r, func(_ *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			if first == nil {
				first = err
			}
		})
	}
	err := p.cl.Flush(ctx)
	mu.Lock()
	defer mu.Unlock()
	if first != nil {
		return first
	}
	return err
}

// add says that the transaction is going to hold offsets of the group.
func (p *producer) add(ctx context.Context) error {
	return again(ctx, func() error {
		req := kmsg.NewPtrAddOffsetsToTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = p.txn, p.id, p.epoch, p.group
		resp, err := req.RequestWith(ctx, p.cl)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.ErrorCode)
	})
}

// offsets puts offsets into the transaction, as the member of the group that the term says. The coordinator takes them
// from nobody else.
func (p *producer) offsets(ctx context.Context, t Term, instance *string, topic string, marks map[int32]Mark) error {
	return again(ctx, func() error {
		req := kmsg.NewPtrTxnOffsetCommitRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = p.txn, p.id, p.epoch, p.group
		req.Generation, req.MemberID, req.InstanceID = t.generation, t.member, instance
		rt := kmsg.NewTxnOffsetCommitRequestTopic()
		rt.Topic = topic
		for part, m := range marks {
			rp := kmsg.NewTxnOffsetCommitRequestTopicPartition()
			rp.Partition, rp.Offset, rp.LeaderEpoch, rp.Metadata = part, m.Next, m.Epoch, kmsg.StringPtr(m.metadata())
			rt.Partitions = append(rt.Partitions, rp)
		}
		req.Topics = append(req.Topics, rt)
		resp, err := req.RequestWith(ctx, p.cl)
		if err != nil {
			return err
		}
		answered := 0
		for _, t := range resp.Topics {
			for _, part := range t.Partitions {
				if err := kerr.ErrorForCode(part.ErrorCode); err != nil {
					return err
				}
				answered++
			}
		}
		if answered != len(marks) {
			return fmt.Errorf("the coordinator of the group %s answered for %d of %d partitions", p.group, answered, len(marks))
		}
		return nil
	})
}

// end commits the transaction. The client knows of records alone, so that it ends none that holds only offsets.
func (p *producer) end(ctx context.Context, records int) error {
	if records == 0 {
		if err := p.endBare(ctx, true); err != nil {
			return err
		}
	}
	err := p.cl.EndTransaction(ctx, kgo.TryCommit)
	if err == nil {
		p.open = false
	}
	return err
}

func (p *producer) endBare(ctx context.Context, commit bool) error {
	return again(ctx, func() error {
		req := kmsg.NewPtrEndTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = p.txn, p.id, p.epoch, commit
		resp, err := req.RequestWith(ctx, p.cl)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.ErrorCode)
	})
}

// drop ends the client, and the transaction if it is open. Where that fails the next client of the id does it, or time.
func (p *producer) drop() {
	if p.open {
		ctx, cancel := context.WithTimeout(context.Background(), leaveWait)
		defer cancel()
		_ = p.cl.AbortBufferedRecords(ctx) // waits for those on their way: they must not come after the end
		_ = p.endBare(ctx, false)
	}
	p.cl.Close()
}

// again repeats a request that the brokers cannot answer now.
func again(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil || !kerr.IsRetriable(err) {
			return err
		}
		if pause(ctx, 50*time.Millisecond) != nil {
			return err
		}
	}
}

// ended says what an error of a transaction means for who made it.
func (r *Relay) ended(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.IllegalGeneration), errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.RebalanceInProgress):
		return twice.Errorf("lease-lost", "the group has given the partitions out anew: %w", err).
			WithNext("nothing of this batch was produced; run again").WithExit(twice.ExitHeld)
	case errors.Is(err, kerr.FencedInstanceID):
		return replaced(err)
	case errors.Is(err, kerr.ProducerFenced), errors.Is(err, kerr.InvalidProducerEpoch):
		if r.instance != nil && r.member.taken(*r.instance) {
			return replaced(err)
		}
		return twice.Errorf("transaction-timeout", "the transaction was open for longer than %s: %w", r.set.transaction, err).
			WithNext("nothing of this batch was produced; raise transaction_timeout, or lower batch_rows")
	case errors.Is(err, kerr.MessageTooLarge):
		return twice.Errorf("record-too-large", "a record for %s is larger than it may be: %w", r.to.Topic, err).
			WithNext("select less, or let both sides take more: max_record_bytes under to: options:, max.message.bytes of the topic")
	case errors.Is(err, kerr.TransactionalIDAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		return twice.Errorf("kafka-permission", "the brokers do not let the user %s use the transactional id %s: %w", r.set.user, r.txn, err).
			WithNext("grant WRITE and DESCRIBE on the transactional id %s, WRITE on the topic %s and READ on the group %s",
				r.txn, r.to.Topic, r.src.group())
	case errors.Is(err, kerr.InvalidTransactionTimeout):
		return twice.Errorf("unknown-value", "the brokers do not let a transaction be open for %s: %w", r.set.transaction, err).
			WithNext("lower transaction_timeout, or raise transaction.max.timeout.ms of the brokers").WithExit(twice.ExitProject)
	case r.passing(err):
		return twice.Errorf("connection-lost", "the transaction did not end: %w", err).
			WithNext("run again: the group's offsets say whether it was committed")
	default:
		return r.explain(err)
	}
}

// passing says whether another try may go well: the brokers were away, or have forgotten what they were told.
func (r *Relay) passing(err error) bool {
	return kerr.IsRetriable(err) || unreachable(err) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, kerr.InvalidTxnState) || errors.Is(err, kerr.InvalidProducerIDMapping) ||
		errors.Is(err, kerr.OutOfOrderSequenceNumber) || errors.Is(err, kerr.UnknownProducerID) ||
		errors.Is(err, kerr.OperationNotAttempted) || errors.Is(err, kgo.ErrRecordTimeout) ||
		errors.Is(err, kgo.ErrRecordRetries) || errors.Is(err, kgo.ErrAborting)
}
