package stream

import (
	"encoding/binary"
	"slices"
	"strings"
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
	known := epochs{}.noted(0, 12, batches(2, [2]int{0, 3}, [2]int{5, 3}, [2]int{9, 4}))
	known = known.noted(12, 30, batches(2, [2]int{12, 4}, [2]int{20, 6}))
	if want := []epoch{{0, 3}, {9, 4}, {20, 6}}; !slices.Equal(known.of, want) {
		t.Fatalf("%v, want %v", known.of, want)
	}
	for offset, want := range map[int64]int32{0: twice.NoEpoch, 1: 3, 9: 3, 10: 4, 20: 4, 21: 6, 30: 6, 31: twice.NoEpoch} {
		if got := known.before(offset); got != want {
			t.Errorf("before the offset %d: epoch %d, want %d", offset, got, want)
		}
	}
	if got := (epochs{}).before(1); got != twice.NoEpoch {
		t.Errorf("of a partition that was never fetched: %d", got)
	}
	for what, c := range map[string]struct {
		got  epochs
		want []epoch
	}{
		"read again from 10 on":       {known.noted(10, 11, batches(2, [2]int{10, 5})), []epoch{{0, 3}, {9, 4}, {10, 5}}},
		"others read on to 40":        {known.noted(40, 41, batches(2, [2]int{40, 7})), []epoch{{40, 7}}},
		"a format without epochs":     {epochs{}.noted(0, 5, batches(1, [2]int{0, 3})), nil},
		"the second batch is cut off": {epochs{}.noted(0, 5, batches(2, [2]int{0, 3}, [2]int{5, 4})[:100]), []epoch{{0, 3}}},
	} {
		if !slices.Equal(c.got.of, c.want) {
			t.Errorf("%s: %v, want %v", what, c.got.of, c.want)
		}
	}
}

// TestEpochsOfWhatOthersRead lets a source go on behind offsets that another process read, under a leader of a later term:
// its own last epoch says nothing of these, and must not be taken for a loss.
func TestEpochsOfWhatOthersRead(t *testing.T) {
	c := kafkatest.StartCluster(t)
	topic := c.Fragile(t, 0, 1)
	in := &twice.Input{Name: "events", Kafka: &twice.KafkaInput{Brokers: strings.Split(c.Addr, `", "`), Records: twice.Records{Topic: topic, Reader: twice.Reader{Format: "raw"}}}}
	s, err := Open(&twice.Pipeline{Name: "t"}, in, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fetch := func(from, until int64) int32 {
		t.Helper()
		log, err := s.Log(t.Context())
		if err != nil || log.Parts[0].End != until {
			t.Fatalf("%v, %v", log, err)
		}
		batch, err := s.Fetch(t.Context(), map[int32]int64{0: from}, map[int32]int64{0: until})
		if err != nil || batch.Rows() != int(until-from) {
			t.Fatalf("%v, %v", batch, err)
		}
		return batch.Epoch(0)
	}
	c.Produce(t, kafkatest.Lines(topic, 1, "a", "b", "c")...)
	before := fetch(0, 3)
	c.Kill(t, 0)
	defer c.Raise(t, 0)
	c.Leads(t, 1, topic, false)
	c.Produce(t, kafkatest.Lines(topic, 1, "d", "e", "f")...)
	if after := fetch(5, 6); after <= before {
		t.Errorf("epoch %d, before the leader was killed %d", after, before)
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
