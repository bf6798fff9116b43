package stream

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/stream/kafkatest"
)

// batches are the heads of record batches, of a magic, by the base offset and the epoch of each.
func batches(magic byte, of ...[2]int) []byte {
	var raw []byte
	for _, b := range of {
		head := make([]byte, 61)
		binary.BigEndian.PutUint64(head, uint64(b[0]))
		binary.BigEndian.PutUint32(head[8:], uint32(len(head)-12))
		binary.BigEndian.PutUint32(head[12:], uint32(b[1]))
		head[16] = magic
		raw = append(raw, head...)
	}
	return raw
}

func TestEpochsAreReadFromBatches(t *testing.T) {
	known := since(nil, 0, batches(2, [2]int{0, 3}, [2]int{5, 3}, [2]int{9, 4}))
	known = since(known, 12, batches(2, [2]int{12, 4}, [2]int{20, 6}))
	if want := []epoch{{0, 3}, {9, 4}, {20, 6}}; !slices.Equal(known, want) {
		t.Fatalf("%v, want %v", known, want)
	}
	s := &Source{epochs: map[int32][]epoch{1: known}}
	for offset, want := range map[int64]int32{0: 3, 8: 3, 9: 4, 19: 4, 20: 6, 99: 6} {
		if got := s.epochAt(1, offset); got != want {
			t.Errorf("offset %d: epoch %d, want %d", offset, got, want)
		}
	}
	if got := s.epochAt(2, 0); got != noEpoch {
		t.Errorf("of a partition that was never fetched: %d", got)
	}
	if again := since(known, 10, batches(2, [2]int{10, 5})); !slices.Equal(again, []epoch{{0, 3}, {9, 4}, {10, 5}}) {
		t.Errorf("read again from 10 on: %v", again)
	}
	if old := since(nil, 0, batches(1, [2]int{0, 3})); old != nil {
		t.Errorf("a format without epochs: %v", old)
	}
	if cut := since(nil, 0, batches(2, [2]int{0, 3}, [2]int{5, 4})[:100]); !slices.Equal(cut, []epoch{{0, 3}}) {
		t.Errorf("cut off: %v", cut)
	}
}

// TestEpochsOfABrokerWithout asks as a broker would have to be asked that does not know of epochs.
func TestEpochsOfABrokerWithout(t *testing.T) {
	b := kafkatest.Start(t)
	topic := b.Topic(t, 1)
	for name, opts := range map[string][]kgo.Opt{"new": nil, "old": {kgo.MaxVersions(kversion.V0_10_1())}} {
		s := &Source{}
		s.in = &twice.Input{Kafka: &twice.KafkaInput{Brokers: []string{b.Addr}, Records: twice.Records{Topic: topic}}}
		s.p = &twice.Pipeline{}
		s.admin = kadm.NewClient(b.Client(t, opts...))
		ends, err := s.EpochEnds(t.Context(), map[int32]int32{0: 0})
		if _, known := ends[0]; err != nil || known != (name == "new") {
			t.Errorf("a broker that is %s: %v, %v", name, ends, err)
		}
	}
}
