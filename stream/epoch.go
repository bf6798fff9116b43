package stream

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/twice-data/twice"
)

// epoch is the term of a partition's leader, from the first offset on that this one was the first to have. Offsets that
// were read and are there again under a leader that never had them are other records: the epoch tells (KIP-320).
type epoch struct {
	from int64
	term int32
}

// epochs are those of what was fetched of a partition: without a gap, and up to the offset to. Of what another process
// read in the meantime nothing is known here.
type epochs struct {
	of []epoch
	to int64
}

// noted adds the epochs of the record batches in raw, which a broker sent as the offsets [from, to). The last batch may be
// cut off. See https://kafka.apache.org/documentation/#recordbatch; formats before it have no epochs.
func (es epochs) noted(from, to int64, raw []byte) epochs {
	const head, magicAt = 12, 16
	known := es.of
	if from > es.to {
		known = nil
	}
	for len(known) > 0 && known[len(known)-1].from > from {
		known = slices.Clip(known[:len(known)-1])
	}
	for len(raw) > magicAt {
		base, size := int64(binary.BigEndian.Uint64(raw)), int(binary.BigEndian.Uint32(raw[8:]))
		if size <= magicAt-head || size > len(raw)-head {
			break
		}
		term := int32(binary.BigEndian.Uint32(raw[head:]))
		if raw[magicAt] >= 2 && (len(known) == 0 || known[len(known)-1].term != term) {
			known = append(known, epoch{base, term})
		}
		raw = raw[head+size:]
	}
	return epochs{of: known, to: to}
}

// before is the epoch in which the records before an offset were written.
func (es epochs) before(offset int64) int32 {
	if offset > es.to {
		return twice.NoEpoch
	}
	for i := len(es.of) - 1; i >= 0; i-- {
		if es.of[i].from < offset {
			return es.of[i].term
		}
	}
	return twice.NoEpoch
}

// Epoch is the one in which the last of the batch's records of a partition were written; -1: nobody knows.
func (b *Batch) Epoch(part int32) int32 {
	if e, ok := b.epochs[part]; ok {
		return e
	}
	return twice.NoEpoch
}

// EpochEnds asks at which offset each partition's epoch ended, as the brokers have it now. Where they do not know it, or
// not even the question, as some that only speak like Kafka, the partition is not in the answer.
func (s *Source) EpochEnds(ctx context.Context, epochs map[int32]int32) (map[int32]int64, error) {
	topic, ends := s.in.Kafka.Topic, map[int32]int64{}
	err := s.persist(ctx, func() error {
		answer, err := s.admin.OffsetForLeaderEpoch(ctx, kadm.OffsetForLeaderEpochRequest{topic: epochs})
		if err != nil {
			return err
		}
		for part := range epochs {
			end, ok := answer[topic][part]
			if !ok {
				return kerr.UnknownTopicOrPartition
			}
			if end.Err != nil {
				return end.Err
			}
			if end.EndOffset >= 0 {
				ends[part] = end.EndOffset
			}
		}
		return nil
	})
	if unasked(err) {
		return nil, nil
	}
	return ends, s.explain(err)
}

// unasked says that a broker does not know the kind of request. The client has no name for that.
func unasked(err error) bool {
	return err != nil && (errors.Is(err, kerr.UnsupportedVersion) || strings.Contains(err.Error(), "broker is too old") ||
		strings.Contains(err.Error(), "request key is unknown"))
}
