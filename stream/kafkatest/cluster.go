package kafkatest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Cluster is three brokers that have everything in common: topics, offsets and transactions are on each of them, and two
// are enough to go on. Each votes for the controller too.
type Cluster struct {
	Broker
	nodes []*Broker
}

const size = 3

const clusterProperties = `
process.roles=broker,controller
node.id=%[1]d
controller.quorum.voters=%[2]s
listeners=PLAINTEXT://127.0.0.1:%[3]d,CONTROLLER://127.0.0.1:%[4]d
advertised.listeners=PLAINTEXT://127.0.0.1:%[3]d
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=%[5]s/data
auto.create.topics.enable=false
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
transaction.state.log.num.partitions=3
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
replica.lag.time.max.ms=2000
num.network.threads=2
num.io.threads=3
num.recovery.threads.per.data.dir=1
log.cleaner.dedupe.buffer.size=8388608
controller.quorum.election.timeout.ms=500
controller.quorum.fetch.timeout.ms=1000
`

// StartCluster gives the test binary's cluster, which the first caller starts; it is another one than Start's broker. Who
// kills brokers of it raises them again.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.cluster == nil {
		shared.cluster = startCluster(t)
	}
	return shared.cluster
}

func startCluster(t testing.TB) *Cluster {
	t.Helper()
	lib := installed(t)
	ports := freePorts(t, 2*size)
	voters := make([]string, size)
	for i := range voters {
		voters[i] = fmt.Sprintf("%d@127.0.0.1:%d", i+1, ports[size+i])
	}
	c := new(Cluster)
	c.replicas = size
	for i := range size {
		dir := folder(t)
		conf := fmt.Sprintf(clusterProperties, i+1, strings.Join(voters, ","), ports[i], ports[size+i], dir)
		n := launch(t, lib, dir, "NTQ0RDQ2MUNBQjRGNDQ3Qw", conf, "192m")
		n.seeds = []string{address(ports[i])}
		c.nodes, c.seeds = append(c.nodes, n), append(c.seeds, n.seeds[0])
	}
	for _, n := range c.nodes {
		n.up(t)
	}
	c.Addr, c.dir = strings.Join(c.seeds, `", "`), c.nodes[0].dir
	c.ready(t, size)
	return c
}

// Kill kills one of the brokers, as a crash would.
func (c *Cluster) Kill(t testing.TB, node int) { c.nodes[node].tell(t, "down") }

// Wake starts a killed broker again and waits until it answers.
func (c *Cluster) Wake(t testing.TB, node int) {
	t.Helper()
	c.nodes[node].tell(t, "up")
	c.nodes[node].ready(t, 1)
}

// Raise wakes a killed broker, and waits until every partition is on every broker that it belongs on.
func (c *Cluster) Raise(t testing.TB, node int) {
	t.Helper()
	c.Wake(t, node)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	admin := kadm.NewClient(c.Client(t))
	for {
		meta, err := admin.ListTopicsWithInternal(ctx)
		if err == nil && whole(meta) {
			return
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("the cluster does not become whole again: %v", err)
		}
	}
}

// Fragile makes a topic of one partition on two of the brokers, of which any may lead it: also one that was away and lacks
// records.
func (c *Cluster) Fragile(t testing.TB, leader, follower int) string {
	t.Helper()
	name := fmt.Sprintf("test-%d", topics.Add(1))
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, -1, -1
	rt.ReplicaAssignment = []kmsg.CreateTopicsRequestTopicReplicaAssignment{{Replicas: []int32{int32(leader) + 1, int32(follower) + 1}}}
	for key, value := range map[string]string{"unclean.leader.election.enable": "true", "min.insync.replicas": "1"} {
		rt.Configs = append(rt.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: key, Value: &value})
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics = append(req.Topics, rt)
	cl := c.Client(t)
	resp, err := req.RequestWith(t.Context(), cl)
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
	for id := range size {
		heard(t, cl, id+1, name)
	}
	return name
}

// Leads waits until a broker leads a topic's first partition, alone or not.
func (c *Cluster) Leads(t testing.TB, node int, topic string, alone bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	admin := kadm.NewClient(c.Client(t))
	for {
		meta, err := admin.Metadata(ctx, topic)
		p := meta.Topics[topic].Partitions[0]
		if err == nil && p.Leader == int32(node)+1 && (!alone || len(p.ISR) == 1) {
			return
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("broker %d does not become the leader: %v, %+v", node, err, p)
		}
	}
}

func whole(topics kadm.TopicDetails) bool {
	for _, topic := range topics {
		for _, p := range topic.Partitions {
			if len(p.ISR) < len(p.Replicas) || p.Leader < 0 {
				return false
			}
		}
	}
	return true
}
