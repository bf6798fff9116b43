package kafkatest

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
)

func TestBrokerKeepsWhatItHasThroughAKill(t *testing.T) {
	b := Start(t)
	topic := b.Topic(t, 2)
	b.Produce(t, Lines(topic, 2, "a", "b", "c")...)
	b.Stop(t)
	b.Restart(t)
	b.Produce(t, Lines(topic, 2, "d")...)
	ends, err := kadm.NewClient(b.Client(t)).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	for partition, want := range []int64{3, 1} {
		if end, ok := ends.Lookup(topic, int32(partition)); !ok || end.Offset != want {
			t.Errorf("partition %d ends at %d, want %d", partition, end.Offset, want)
		}
	}
}
