package stream

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/twice-data/twice"
)

// Relay is a process's part in a stream that goes on to another topic: a member of the group, and a producer whose
// transactions hold a batch's records and the offsets behind the batch. It is for one goroutine at a time. Close it.
//
// Nobody else can commit what this process commits. The coordinator of the group takes offsets from a member in the
// present generation alone, and a member reads the group's offsets at the beginning of each term, when those who had
// its partitions before can commit no more. The transactional id keeps what a killed process has left open short: see
// transactional.
type Relay struct {
	src    *Source
	to     *twice.KafkaOutput
	set    options
	opts   []kgo.Opt
	member *Member
	step   Step

	txn      string  // the transactional id
	instance *string // in the group
	leave    bool    // the group, when it is closed

	producer *producer // nil: there is none yet, or the last one has failed
	refused  int32     // the generation that the coordinator took nothing from; none: -1

	marks map[int32]Mark // the group's offsets, as they were read in the term and committed since
	read  int32          // the generation of that term; none: -1
}

// Step makes a durable operation one that a run can be stopped before and after.
type Step func(name string, f func() error) error

// oneShot is the place in the group of a process that ends by itself: the next one takes it over at once, and need not
// wait for the group to miss a process that was killed.
const oneShot = "run"

// Relay makes this process a member of the group. Which follows goes on until it is stopped; run names the process.
func (s *Source) Relay(to *twice.KafkaOutput, dir, run string, follows bool, step Step) (*Relay, error) {
	r := &Relay{src: s, to: to, step: step, read: -1, refused: -1}
	var err error
	if r.set, err = s.opts.outward(to); err != nil {
		return nil, r.place(err)
	}
	brokers := to.Brokers
	if len(brokers) == 0 {
		brokers = s.in.Kafka.Brokers
	}
	if r.opts, err = r.set.client(brokers, dir); err != nil {
		return nil, r.place(err)
	}
	r.opts = append(r.opts, kgo.TransactionTimeout(r.set.transaction), kgo.ProducerBatchMaxBytes(int32(r.set.most)),
		kgo.RecordDeliveryTimeout(r.set.transaction))
	instance := s.opts.instance
	if !follows {
		instance, r.leave = strings.TrimPrefix(instance+"-"+oneShot, "-"), true
	}
	r.txn = transactional(s.group(), instance, run)
	if instance != "" {
		r.instance = &instance
	}
	err = r.step("join group", func() (err error) { r.member, err = s.join(instance); return err })
	return r, err
}

// transactional is the id of a process's transactions. One whose place in the group has a name takes over what the last
// process of the name has left open, and aborts it. One without has an id of its own: what it leaves open when it is
// killed ends by transaction_timeout, as its place in the group ends by session_timeout.
func transactional(group, instance, run string) string {
	if instance != "" {
		return group + "-" + instance
	}
	return group + "-" + run
}

// Member is the process's place in the group.
func (r *Relay) Member() *Member { return r.member }

// Term waits until the group has given this process its partitions, and a producer is there. Marks are the group's
// offsets: for the term's partitions they stay so until this process commits.
func (r *Relay) Term(ctx context.Context) (t Term, marks map[int32]Mark, err error) {
	if t, err = r.await(ctx); err != nil {
		return t, nil, err
	}
	if r.producer == nil {
		r.read = -1
		err := r.step("init producer", func() (err error) {
			return r.src.persist(ctx, func() error {
				r.producer, err = newProducer(ctx, slices.Clone(r.opts), r.txn, r.src.group())
				return err
			})
		})
		if err != nil {
			return t, nil, r.ended(err)
		}
		if err := r.src.sameCluster(ctx, kadm.NewClient(r.producer.cl), r.to); err != nil {
			return t, nil, r.ended(err)
		}
	}
	if r.read == t.generation {
		return t, maps.Clone(r.marks), nil
	}
	err = r.step("committed offsets", func() (err error) { r.marks, err = r.src.Marks(ctx, true); return err })
	if err != nil {
		return t, nil, err
	}
	r.read = t.generation
	return t, maps.Clone(r.marks), nil
}

// await gives the group the time that it needs to miss those who are gone, and the brokers the time to come back.
func (r *Relay) await(ctx context.Context) (Term, error) {
	patience := 2*r.src.opts.session + r.set.retry
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	t, err := r.member.await(within, r.refused)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = twice.Errorf("kafka-unreachable", "the brokers %s have not said for %s which partitions of %s this process has in the group %s",
			strings.Join(r.src.in.Kafka.Brokers, ", "), patience, r.src.in.Kafka.Topic, r.src.group()).
			WithNext("see whether the brokers run, and whether the user may READ the group; then run again")
	}
	if err != nil {
		return t, r.place(err)
	}
	return t, nil
}

// Replaced is an error once another process has taken the place of this one in the group.
func (r *Relay) Replaced() error { return r.member.replaced() }

// Beside refuses an output in another cluster than the input, before this process takes part in anything.
func (s *Source) Beside(ctx context.Context, to *twice.KafkaOutput, dir string) error {
	if len(to.Brokers) == 0 {
		return nil
	}
	set, err := s.opts.outward(to)
	if err != nil {
		return s.placeOut(err)
	}
	opts, err := set.client(to.Brokers, dir)
	if err != nil {
		return s.placeOut(err)
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return s.placeOut(err)
	}
	defer cl.Close()
	err = s.persist(ctx, func() error { return s.sameCluster(ctx, kadm.NewClient(cl), to) })
	return s.explainOf(err, to.Topic, to.Brokers)
}

// sameCluster asks the brokers of the output, and those of the input: no transaction spans two clusters.
func (s *Source) sameCluster(ctx context.Context, out *kadm.Client, to *twice.KafkaOutput) error {
	there, err := out.Metadata(ctx, to.Topic)
	if err != nil {
		return err
	}
	here, err := s.admin.BrokerMetadata(ctx)
	if err != nil {
		return err
	}
	if here.Cluster != there.Cluster {
		return s.placeOut(twice.Errorf("two-clusters", "%s is in the Kafka cluster %s, and %s in %s: no transaction spans both",
			s.in.Kafka.Topic, here.Cluster, to.Topic, there.Cluster).
			WithNext("produce to a topic beside the one that is read, and mirror that").WithExit(twice.ExitProject))
	}
	return s.explainOf(there.Topics[to.Topic].Err, to.Topic, to.Brokers)
}

// Record is what is produced of a row.
type Record struct {
	Key, Value []byte // a nil key: none
}

// Commit produces a batch's records and rejects, and commits the marks behind them: all of it, or nothing.
func (r *Relay) Commit(ctx context.Context, t Term, records []Record, rejects []Poison, marks map[int32]Mark) error {
	err := r.commit(ctx, t, r.records(records, rejects), marks)
	if err == nil {
		maps.Copy(r.marks, marks)
		return nil
	}
	if errors.Is(err, kerr.IllegalGeneration) || errors.Is(err, kerr.UnknownMemberID) {
		r.refused = t.generation
	}
	r.producer.drop()
	r.producer = nil
	return r.ended(err)
}

func (r *Relay) commit(ctx context.Context, t Term, records []*kgo.Record, marks map[int32]Mark) error {
	p := r.producer
	within, cancel := context.WithTimeout(ctx, r.set.transaction)
	defer cancel()
	for _, step := range []struct {
		name string
		f    func() error
	}{
		{"produce", func() error { return p.produce(within, records) }},
		{"add offsets", func() error { return p.add(within) }},
		{"commit offsets", func() error { return p.offsets(within, t, r.instance, r.src.in.Kafka.Topic, marks) }},
		{"end transaction", func() error { return p.end(ctx, len(records)) }},
	} {
		if err := r.step(step.name, step.f); err != nil {
			return err
		}
	}
	return nil
}

func (r *Relay) records(rows []Record, rejects []Poison) []*kgo.Record {
	records := make([]*kgo.Record, 0, len(rows)+len(rejects))
	for _, row := range rows {
		records = append(records, &kgo.Record{Topic: r.to.Topic, Key: row.Key, Value: row.Value})
	}
	for _, p := range rejects {
		records = append(records, &kgo.Record{Topic: r.to.Quarantine, Value: p.Bytes, Headers: []kgo.RecordHeader{
			{Key: "twice.topic", Value: []byte(r.src.in.Kafka.Topic)},
			{Key: "twice.partition", Value: strconv.AppendInt(nil, int64(p.Partition), 10)},
			{Key: "twice.offset", Value: strconv.AppendInt(nil, p.Offset, 10)},
			{Key: "twice.error", Value: []byte(p.Why)},
		}})
	}
	return records
}

// Produced says whether there is anything in the topic that the relay produces to.
func (s *Source) Produced(ctx context.Context, to *twice.KafkaOutput) (bool, error) {
	var any bool
	err := s.persist(ctx, func() error {
		starts, err := s.admin.ListStartOffsets(ctx, to.Topic)
		if err != nil {
			return err
		}
		ends, err := s.admin.ListCommittedOffsets(ctx, to.Topic)
		if err != nil {
			return err
		}
		starts.Each(func(o kadm.ListedOffset) {
			end, _ := ends.Lookup(o.Topic, o.Partition)
			err = errors.Join(err, o.Err, end.Err)
			any = any || end.Offset > o.Offset
		})
		return err
	})
	return any, s.explainOf(err, to.Topic, to.Brokers)
}

// Close leaves the group, unless the place in it has a name that the next process comes back to.
func (r *Relay) Close() {
	if r.producer != nil {
		r.producer.drop()
		r.producer = nil
	}
	if r.member.replaced() != nil {
		return // its client is closing already
	}
	if r.leave {
		ctx, cancel := context.WithTimeout(context.Background(), leaveWait)
		defer cancel()
		_ = r.step("leave group", func() error {
			_, err := r.src.admin.LeaveGroup(ctx, kadm.LeaveGroup(r.src.group()).InstanceIDs(*r.instance))
			return err
		})
	}
}

func (r *Relay) explain(err error) error { return r.src.explainOf(err, r.to.Topic, r.to.Brokers) }

func (r *Relay) place(err error) error { return r.src.placeOut(err) }

// placeOut says where the output is declared.
func (s *Source) placeOut(err error) error {
	e := *twice.AsError(err)
	return e.At(s.p.File, s.p.To.Line)
}

// explainOf is explain for another topic than the one that is read.
func (s *Source) explainOf(err error, topic string, brokers []string) error {
	if err == nil {
		return nil
	}
	if len(brokers) == 0 {
		brokers = s.in.Kafka.Brokers
	}
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		e := twice.Errorf("unknown-topic", "the brokers %s have no topic %s to produce to", strings.Join(brokers, ", "), topic).
			WithNext("correct topic: under to:, or create it, with as many partitions and replicas as it should have")
		return e.At(s.p.File, s.p.To.Line)
	}
	if errors.Is(err, kerr.TopicAuthorizationFailed) {
		e := twice.Errorf("kafka-permission", "the brokers %s do not let the user %s produce to %s: %w", strings.Join(brokers, ", "),
			s.opts.user, topic, err).WithNext("grant WRITE and DESCRIBE on the topic %s", topic)
		return e.At(s.p.File, s.p.To.Line)
	}
	return s.explain(err)
}
