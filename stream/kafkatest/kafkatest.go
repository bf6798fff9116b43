// Package kafkatest starts a real Apache Kafka for tests: one broker in KRaft mode for a test binary, which the tests may
// stop and start again. It imports testing and is for tests alone.
package kafkatest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Version of the broker, as scripts/test-deps.sh installs it.
const Version = "3.9.1"

// Broker is a running Kafka. Its folder and its process go when the test binary ends, however it ends.
type Broker struct {
	Addr string // host:port for clients
	SASL string // host:port for those who log in as "me" with the password "secret": PLAIN, SCRAM-SHA-256, SCRAM-SHA-512
	TLS  string // host:port for the same by TLS
	CA   string // a file with the certificate that TLS is to be trusted by
	dir  string

	Proxied string // host:port for clients whose requests a test holds back
	proxy   *proxy

	seeds    []string // of clients: Addr, or those of all brokers of a cluster
	replicas int16    // of the topics that are made

	mu      sync.Mutex // guards the wrapper's two ends
	stdin   interface{ Write([]byte) (int, error) }
	answers *bufio.Scanner
}

var shared struct {
	sync.Mutex
	broker  *Broker
	cluster *Cluster
}

var topics atomic.Int64

// Start gives the test binary's broker, which the first caller starts. Without java or Kafka's jars the test is skipped,
// or fails where CI is set.
func Start(t testing.TB) *Broker {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.broker == nil {
		shared.broker = start(t)
	}
	return shared.broker
}

// script keeps the broker for as long as its standard input is open. The kernel closes that when the test binary dies,
// even of SIGKILL, so no broker and no folder is ever left behind.
const script = `
cd "$DIR" || exit 1
up() { java -Xmx$HEAP -Xss512k -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
	-cp "$JARS/*" kafka.Kafka server.properties >>log 2>&1 & pid=$!; }
down() { kill -KILL $pid; wait $pid; }
java -XX:TieredStopAtLevel=1 -cp "$JARS/*" kafka.tools.StorageTool format -t $CLUSTER -c server.properties \
	-S 'SCRAM-SHA-256=[name=me,password=secret]' -S 'SCRAM-SHA-512=[name=me,password=secret]' >log 2>&1
up
echo up >&3
while read -r word; do $word 2>/dev/null; echo "$word" >&3; done
down 2>/dev/null
cd /; rm -rf "$DIR"
`

const properties = `
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:%[2]d
listeners=PLAINTEXT://127.0.0.1:%[1]d,SASL://127.0.0.1:%[4]d,TLS://127.0.0.1:%[5]d,PROXIED://127.0.0.1:%[6]d,CONTROLLER://127.0.0.1:%[2]d
advertised.listeners=PLAINTEXT://127.0.0.1:%[1]d,SASL://127.0.0.1:%[4]d,TLS://127.0.0.1:%[5]d,PROXIED://%[7]s
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SASL_SSL,PROXIED:PLAINTEXT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
ssl.keystore.type=PEM
ssl.keystore.location=%[3]s/broker.pem
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_me="secret";
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.tls.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_me="secret";
listener.name.tls.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.tls.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
log.dirs=%[3]s/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.retention.check.interval.ms=500
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
controller.quorum.election.timeout.ms=300
controller.quorum.fetch.timeout.ms=600
`

func start(t testing.TB) *Broker {
	t.Helper()
	lib := installed(t)
	dir := folder(t)
	ports := freePorts(t, 5)
	ca := certificate(t, dir)
	p := new(proxy)
	proxied := p.listen(t, address(ports[4]))
	b := launch(t, lib, dir, "MkU3OEVBNTcwNTJENDM2Qg",
		fmt.Sprintf(properties, ports[0], ports[1], dir, ports[2], ports[3], ports[4], proxied), "384m")
	b.Addr, b.SASL, b.TLS, b.CA, b.replicas = address(ports[0]), address(ports[2]), address(ports[3]), ca, 1
	b.Proxied, b.proxy, b.seeds = proxied, p, []string{b.Addr}
	b.up(t)
	b.ready(t, 1)
	return b
}

// installed is the folder of Kafka's jars.
func installed(t testing.TB) string {
	t.Helper()
	lib := jars()
	if _, err := exec.LookPath("java"); err != nil || lib == "" {
		const why = "Kafka is not installed; run scripts/test-deps.sh"
		if os.Getenv("CI") != "" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	return lib
}

func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kafkatest")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// launch starts the script that keeps a broker of the cluster with an id, which does not answer yet.
func launch(t testing.TB, lib, dir, id, conf, heap string) *Broker {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "server.properties"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	answers, answer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	wrapper := exec.Command("sh", "-c", script)
	wrapper.Env = []string{"JARS=" + lib, "DIR=" + dir, "CLUSTER=" + id, "HEAP=" + heap, "PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	wrapper.ExtraFiles = []*os.File{answer}
	wrapper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	b := &Broker{dir: dir, answers: bufio.NewScanner(answers)}
	if b.stdin, err = wrapper.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := wrapper.Start(); err != nil {
		t.Fatal(err)
	}
	answer.Close()
	return b
}

// up waits until the broker's process is there.
func (b *Broker) up(t testing.TB) {
	t.Helper()
	if !b.answers.Scan() {
		t.Fatal("Kafka cannot be started")
	}
}

// jars is the folder of Kafka's jars, or empty.
func jars() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	dir := filepath.Join(cache, "twice-test", "kafka-"+Version)
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	return dir
}

// ready waits until so many brokers answer.
func (b *Broker) ready(t testing.TB, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cl := b.Client(t, kgo.RequestRetries(1000), kgo.RetryTimeout(time.Minute), kgo.RetryBackoffFn(func(int) time.Duration {
		return 50 * time.Millisecond
	}))
	for {
		brokers, err := kadm.NewClient(cl).ListBrokers(ctx)
		if err == nil && len(brokers) >= n {
			return
		}
		if ctx.Err() != nil {
			log, _ := os.ReadFile(filepath.Join(b.dir, "log"))
			t.Fatalf("Kafka does not start: %v\n%s", err, log)
		}
	}
}

// Stop kills the broker, as a crash would. What it has is kept for Restart.
func (b *Broker) Stop(t testing.TB) { b.tell(t, "down") }

// Restart starts a stopped broker again and waits until it answers.
func (b *Broker) Restart(t testing.TB) {
	b.tell(t, "up")
	b.ready(t, 1)
}

func (b *Broker) tell(t testing.TB, word string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := fmt.Fprintln(b.stdin, word); err != nil || !b.answers.Scan() {
		t.Fatalf("the broker's process is gone: %v", err)
	}
}

// Client gives a client of the broker, which closes with the test.
func (b *Broker) Client(t testing.TB, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.seeds...), kgo.MetadataMinAge(50 * time.Millisecond)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// Topic makes a topic with a name of its own.
func (b *Broker) Topic(t testing.TB, partitions int) string {
	t.Helper()
	name := fmt.Sprintf("test-%d", topics.Add(1))
	b.Create(t, name, partitions)
	return name
}

// Create makes a topic of a given name.
func (b *Broker) Create(t testing.TB, topic string, partitions int) {
	t.Helper()
	cl := b.Client(t)
	if _, err := kadm.NewClient(cl).CreateTopic(t.Context(), int32(partitions), b.replicas, nil, topic); err != nil {
		t.Fatal(err)
	}
	for id := range b.replicas {
		heard(t, cl, int(id)+1, topic)
	}
}

// heard waits until a broker knows a topic that another one has made.
func heard(t testing.TB, cl *kgo.Client, id int, topic string) {
	t.Helper()
	for t.Context().Err() == nil {
		req := kmsg.NewPtrMetadataRequest()
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = kmsg.StringPtr(topic)
		req.Topics = append(req.Topics, rt)
		resp, err := cl.Broker(id).RetriableRequest(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.(*kmsg.MetadataResponse).Topics[0].ErrorCode == 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Delete deletes a topic.
func (b *Broker) Delete(t testing.TB, topic string) {
	t.Helper()
	if _, err := kadm.NewClient(b.Client(t)).DeleteTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
}

// Expire deletes the records of a partition before an offset, as retention would.
func (b *Broker) Expire(t testing.TB, topic string, partition int32, before int64) {
	t.Helper()
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: topic, Partition: partition, At: before})
	if _, err := kadm.NewClient(b.Client(t)).DeleteRecords(t.Context(), offsets); err != nil {
		t.Fatal(err)
	}
}

// Produce writes records, each to the partition that it names.
func (b *Broker) Produce(t testing.TB, records ...*kgo.Record) {
	t.Helper()
	cl := b.Client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))
	if err := cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// Lines makes one record of each line, and deals them out to the partitions in turn.
func Lines(topic string, partitions int, lines ...string) []*kgo.Record {
	records := make([]*kgo.Record, len(lines))
	for i, line := range lines {
		records[i] = &kgo.Record{Topic: topic, Partition: int32(i % partitions), Value: []byte(strings.TrimSpace(line))}
	}
	return records
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func freePorts(t testing.TB, n int) []int {
	t.Helper()
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports
}
