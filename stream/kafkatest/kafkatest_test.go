package kafkatest

import (
	"os"
	"strconv"
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

func TestClusterOutlivesOneOfItsBrokers(t *testing.T) {
	c := StartCluster(t)
	topic := c.Topic(t, 2)
	for i := range min(rounds(1), size) {
		c.Produce(t, Lines(topic, 2, "a", "b")...)
		c.Kill(t, i)
		c.Produce(t, Lines(topic, 2, "c", "d")...)
		c.Raise(t, i)
		if n := len(c.Read(t, topic, 0)); n != 4*(i+1) {
			t.Errorf("%d records, want %d", n, 4*(i+1))
		}
	}
}

func rounds(few int) int {
	if n, err := strconv.Atoi(os.Getenv("TWICE_ROUNDS")); err == nil {
		return n
	}
	return few
}
