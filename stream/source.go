package stream

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/twice-data/twice"
)

// Source is a topic, as one pipeline reads it. It is for one goroutine at a time. Close it.
type Source struct {
	reading
	opts  options
	kopts []kgo.Opt
	cl    *kgo.Client
	admin *kadm.Client

	id      kadm.TopicID
	leaders map[int32]int32
	terms   map[int32]int32  // the leaders' epochs
	ahead   map[int32]*span  // fetched, but in no batch yet
	epochs  map[int32]epochs // of what was fetched
}

// Open prepares a client; it connects when it is first asked something. dir is the project's folder.
func Open(p *twice.Pipeline, in *twice.Input, dir string) (*Source, error) {
	s := &Source{reading: reading{in: in, p: p}, ahead: map[int32]*span{}, epochs: map[int32]epochs{}}
	var err error
	if s.opts, err = parse(in); err != nil {
		return nil, s.place(err)
	}
	if format := in.Records().Format; format == "avro" || format == "protobuf" {
		if s.schemas, err = newRegistry(s.opts, format); err != nil {
			return nil, s.place(err)
		}
	}
	if s.kopts, err = s.opts.client(in.Kafka.Brokers, dir); err != nil {
		return nil, s.place(err)
	}
	if s.cl, err = kgo.NewClient(s.kopts...); err != nil {
		return nil, s.place(twice.Errorf("kafka", "%w", err).WithExit(twice.ExitProject))
	}
	s.admin = kadm.NewClient(s.cl)
	return s, nil
}

// Close ends the source's connections.
func (s *Source) Close() {
	s.cl.Close()
	s.close()
}

// Log is what there is of a topic, by partition.
type Log struct {
	Parts map[int32]Part
}

// Part is what there is of a partition: the offsets [Start, End). In Kafka a transaction that is still open ends it.
type Part struct {
	ID         string // another one means that the partition was deleted and made again
	Start, End int64
	Epoch      int32 // of its leader; -1: there are none
}

// Partitions lists the log's partitions in order.
func (l Log) Partitions() []int32 {
	var ps []int32
	for p := range l.Parts {
		ps = append(ps, p)
	}
	slices.Sort(ps)
	return ps
}

// Log asks the broker.
func (s *Source) Log(ctx context.Context) (log Log, err error) {
	err = s.persist(ctx, func() error { log, err = s.log(ctx); return err })
	return log, err
}

// persist calls f again while the brokers cannot be reached, for as long as they may be away. The client itself gives up
// at once where nobody listens.
func (s *Source) persist(ctx context.Context, f func() error) error {
	began := time.Now()
	for {
		err := f()
		since := time.Since(began)
		if err == nil || since > s.opts.retry || !away(err) && !(unheard(err) && since < hearsay) {
			return err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

func (s *Source) log(ctx context.Context) (Log, error) {
	log := Log{Parts: map[int32]Part{}}
	topic := s.in.Kafka.Topic
	if err := s.lead(ctx); err != nil {
		return log, err
	}
	starts, err := s.admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return log, s.explain(err)
	}
	ends, err := s.admin.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return log, s.explain(err)
	}
	for p := range s.leaders {
		start, _ := starts.Lookup(topic, p)
		end, _ := ends.Lookup(topic, p)
		if err := errors.Join(start.Err, end.Err); err != nil {
			return log, s.explain(err)
		}
		log.Parts[p] = Part{ID: hex.EncodeToString(s.id[:]), Start: start.Offset, End: end.Offset, Epoch: s.terms[p]}
	}
	return log, nil
}

// lead finds out who leads the topic's partitions.
func (s *Source) lead(ctx context.Context) error {
	topic := s.in.Kafka.Topic
	meta, err := s.admin.Metadata(ctx, topic)
	if err != nil {
		return s.explain(err)
	}
	detail := meta.Topics[topic]
	if detail.Err != nil {
		return s.explain(detail.Err)
	}
	s.id, s.leaders, s.terms = detail.ID, map[int32]int32{}, map[int32]int32{}
	for p, d := range detail.Partitions {
		s.leaders[p], s.terms[p] = d.Leader, d.LeaderEpoch
	}
	return nil
}

// Monitor writes offsets as the group's committed ones, for those who watch its lag. Nothing depends on it, so that it
// may fail: it does while other members of the group are at work.
func (s *Source) Monitor(ctx context.Context, next map[int32]int64) {
	var offsets kadm.Offsets
	for p, at := range next {
		offsets.AddOffset(s.in.Kafka.Topic, p, at, -1)
	}
	_, _ = s.admin.CommitOffsets(ctx, s.group(), offsets)
}

func (s *Source) group() string {
	if s.opts.group != "" {
		return s.opts.group
	}
	return "twice-" + s.p.Name
}

// explain turns a client's error into one that says what to do.
func (s *Source) explain(err error) error {
	var known *twice.Error
	var cert *tls.CertificateVerificationError
	topic, brokers := s.in.Kafka.Topic, strings.Join(s.in.Kafka.Brokers, ", ")
	var e *twice.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		e = twice.Errorf("unknown-topic", "the brokers %s have no topic %s", brokers, topic).
			WithNext("correct topic:, or create it; a topic that is only read is never created")
	case errors.Is(err, kerr.SaslAuthenticationFailed), errors.Is(err, kerr.IllegalSaslState), errors.Is(err, kerr.UnsupportedSaslMechanism):
		e = twice.Errorf("kafka-login", "the brokers %s refuse the user %s: %w", brokers, s.opts.user, err).
			WithNext("correct sasl:, user: and password: under options:, or brokers: to a listener that asks for them")
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.GroupAuthorizationFailed):
		e = twice.Errorf("kafka-permission", "the brokers %s do not let the user %s read %s: %w", brokers, s.opts.user, topic, err).
			WithNext("grant READ and DESCRIBE on the topic %s and READ on the group %s", topic, s.group())
	case strings.Contains(err.Error(), "tls alert record"):
		e = twice.Errorf("kafka-tls", "the brokers %s speak TLS, and we do not", brokers).
			WithNext("add tls: true under options:, and ca: with the file of the certificate that signed theirs, if it is not a public one")
	case errors.As(err, &cert):
		e = twice.Errorf("kafka-tls", "the brokers %s have a certificate that nobody vouches for: %w", brokers, cert.Err).
			WithNext("name the file of the certificate that signed it in ca: under options:")
	case unreachable(err):
		e = twice.Errorf("kafka-unreachable", "cannot reach the brokers %s of the topic %s: %w", brokers, topic, err).
			WithNext("see whether they run, and correct brokers: or tls: if they do; then run again")
	default:
		e = twice.Errorf("kafka", "%s: %w", topic, err).WithNext("run again")
	}
	return s.place(e)
}

// hearsay is for how long a broker may know nothing of a topic that another one knows.
const hearsay = time.Second

// away says whether the brokers may answer later: they cannot be reached, or elect a leader.
func away(err error) bool {
	return unreachable(err) || kerr.IsRetriable(err) && !unheard(err) && !errors.Is(err, kerr.UnstableOffsetCommit)
}

func unheard(err error) bool {
	return errors.Is(err, kerr.UnknownTopicOrPartition) || twice.AsError(err).Code == "unknown-topic"
}

func unreachable(err error) bool {
	var dial *net.OpError
	return errors.As(err, &dial) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, os.ErrDeadlineExceeded) || kgo.IsRetryableBrokerErr(err) ||
		strings.Contains(err.Error(), "unable to dial") || strings.Contains(err.Error(), "unknown broker")
}
