package run

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/ledger"
	"github.com/twice-data/twice/stream"
)

// source is where a stream's records come from: a topic of Kafka or a log on disk. It is for one goroutine at a time.
type source interface {
	// Log says what there is to read.
	Log(ctx context.Context) (stream.Log, error)

	// Fetch chooses the next batch among the offsets [from, until) of each partition: at most as many rows and bytes as a
	// batch may have, and at least one record or offset where there is one. The same offsets give the same records always.
	Fetch(ctx context.Context, from, until map[int32]int64) (*stream.Batch, error)

	// More says whether there is anything at the offsets, and waits a moment for it.
	More(ctx context.Context, at map[int32]int64) (bool, error)

	// Relation makes rows of a batch's records, in files in the folder tmp, and poison of those that do not parse.
	Relation(ctx context.Context, b *stream.Batch, tmp string) (engine.Relation, []stream.Poison, error)

	BatchTime() time.Duration // how long a batch gathers
	Close()
}

// Topic is a topic, or a log, as a run reads it.
type Topic struct {
	source
	member *stream.Member // nil: this process reads every partition
	relay  *stream.Relay  // of a stream to another topic, while it is under way
	flow   *flow          // as it was last planned
}

// flow is a stream under way: what a plan found, and how far the run has come.
type flow struct {
	topic  *Topic
	in     *twice.Input
	at     map[int32]ledger.Position // where the ledger says that each partition is, or begins
	until  map[int32]int64           // the ends that the plan saw
	ids    map[int32]string          // of the log's partitions
	losses []ledger.Loss             // accepted, to be skipped first
	reset  bool                      // the first batch empties the table

	repeats bool // the batch before held keys that the table had
}

// next is where each partition that there is something to read of goes on from at.
func (f *flow) next(from map[int32]ledger.Position) map[int32]int64 {
	next := map[int32]int64{}
	for p, end := range f.until {
		if at := from[p].Next; at < end && f.topic.reads(p) {
			next[p] = at
		}
	}
	return next
}

// spans are what is left to read, in the order of partitions.
func (f *flow) spans() []twice.OffsetSpan {
	var spans []twice.OffsetSpan
	for p, at := range f.next(f.at) {
		spans = append(spans, twice.OffsetSpan{Topic: f.in.Records().Topic, Partition: p, From: at, To: f.until[p]})
	}
	slices.SortFunc(spans, func(a, b twice.OffsetSpan) int { return int(a.Partition - b.Partition) })
	return spans
}

// topicOf opens the topic of a stream once for the length of a run.
func (r *Runner) topicOf(p *twice.Pipeline) (*Topic, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.topics[p.Name]; t != nil {
		return t, nil
	}
	t := new(Topic)
	var err error
	if in := p.Stream(); r.Copies.Dir != "" {
		t.source, err = stream.OpenCopy(p, in, filepath.Join(r.Copies.Dir, p.Name), r.Copies.Rows)
	} else if in.Log != nil {
		t.source, err = stream.OpenFolder(p, in, r.Dir)
	} else {
		t.source, err = stream.Open(p, in, r.Dir)
	}
	if err != nil {
		return nil, err
	}
	if r.topics == nil {
		r.topics = map[string]*Topic{}
	}
	r.topics[p.Name] = t
	return t, nil
}

// Close ends the connections to the brokers that the runner's streams were read from.
func (r *Runner) Close() {
	for _, t := range r.topics {
		if t.relay != nil {
			t.relay.Close()
		}
		t.Close()
		if t.member != nil {
			t.member.Close()
		}
	}
	r.topics = nil
}

// stream decides about a stream: whether the topic has offsets that are not in the table yet.
func (pl *planner) stream(ctx context.Context, p *twice.Pipeline) ([]Step, error) {
	st := Step{Pipeline: p, Code: p.Digest(), Receipt: pl.receipt(p.Name, twice.Window{})}
	var at map[int32]ledger.Position
	var err error
	if p.To != nil {
		at, err = pl.relayed(ctx, p)
		st.Receipt = pl.receipt(p.Name, twice.Window{})
	}
	if err == nil {
		err = pl.look(ctx, &st, at)
	}
	if err != nil {
		if ctx.Err() != nil || twice.ExitCode(err) == twice.ExitProject {
			return nil, err
		}
		st.Err = twice.AsError(err)
		st.Status = pl.statusOf(st.Err)
	}
	if st.Do {
		pl.dirty[p.Name] = map[string]bool{st.Window.Key(): true}
	}
	return []Step{st}, nil
}

func (pl *planner) look(ctx context.Context, st *Step, at map[int32]ledger.Position) error {
	p, in := st.Pipeline, st.Pipeline.Stream()
	switch {
	case len(p.Upstreams) > 0:
		return twice.Errorf("stream-reads-table", "a stream reads its topic and nothing else, but the SELECT reads %s too: "+
			"which rows meet would depend on when a batch is cut", strings.Join(p.Upstreams, ", ")).At(p.File, in.Line).
			WithNext("join the stream's table with it in a pipeline of its own").WithExit(twice.ExitProject)
	case pl.Pinned:
		return twice.Errorf("stream-pinned", "a stream is not replayed from a manifest").At(p.File, in.Line).
			WithNext("twice run %s --full-refresh reads the topic again from its beginning", p.Name)
	case st.Receipt != nil && st.Receipt.Code != st.Code && !pl.FullRefresh && !pl.Force:
		return twice.Errorf("stream-code", "the pipeline has changed since its table was filled, and the topic has been read by the old one").
			At(p.File, p.Line).WithNext("twice run %s --full-refresh reads the topic again from its beginning;\n"+
			"twice run %s --force keeps the rows and goes on with the new code", p.Name, p.Name)
	}
	f, err := pl.flowOf(ctx, p, in, at)
	if err != nil {
		return err
	}
	st.flow = f
	st.Manifest = twice.Manifest{Inputs: []twice.Pin{{Name: in.Name, Kind: in.Kind(), Offsets: f.spans()}}}
	switch {
	case len(st.Manifest.Inputs[0].Offsets) == 0 && len(f.losses) == 0 && !f.reset:
		st.Status = twice.Unchanged
		if st.Receipt == nil {
			return twice.Errorf("input-waiting", "%s has no records to begin with", in.Records().Topic)
		}
		return nil
	case st.Receipt == nil:
		st.Reason = twice.New
	case f.reset:
		st.Reason = twice.Forced
	case st.Receipt.Code != st.Code:
		st.Reason = twice.Code
	default:
		st.Reason = twice.InputNew
	}
	st.Do = true
	return nil
}

// flowOf compares what the broker has with what was read: at, or if that is nil what the ledger says.
func (pl *planner) flowOf(ctx context.Context, p *twice.Pipeline, in *twice.Input, at map[int32]ledger.Position) (*flow, error) {
	t, err := pl.topicOf(p)
	if err != nil {
		return nil, err
	}
	log, err := t.Log(ctx)
	if err != nil {
		return nil, err
	}
	f := &flow{topic: t, in: in, at: at, until: map[int32]int64{}, ids: map[int32]string{}, reset: pl.FullRefresh}
	known, err := ledger.Exists(ctx, pl.s)
	if err == nil && known && p.To == nil {
		f.at, err = ledger.Positions(ctx, pl.s, p.Name)
	}
	if err != nil {
		return nil, err
	}
	if f.at == nil {
		f.at = map[int32]ledger.Position{}
	}
	for part, at := range f.at {
		if at.Topic != in.Records().Topic {
			if !pl.FullRefresh {
				return nil, twice.Errorf("stream-topic", "the table was filled from the topic %s, and the pipeline now reads %s", at.Topic, in.Records().Topic).
					At(p.File, in.Line).WithNext("twice run %s --full-refresh reads the new topic from its beginning", p.Name)
			}
			delete(f.at, part)
		}
	}
	t.flow = f
	replaced, err := t.replaced(ctx, f.at, log)
	if err != nil {
		return nil, err
	}
	gaps := f.gaps(log, replaced)
	if err := pl.accepted(p, gaps); err != nil {
		return nil, err
	}
	f.losses = gaps
	for _, part := range log.Partitions() {
		f.ids[part] = log.Parts[part].ID
		if t.reads(part) {
			f.until[part] = log.Parts[part].End
		}
	}
	f.settle(log)
	return f, nil
}

// replaced says from which offset on a partition may have other records than were read: its leader was lost since, and one
// that did not have all of them took its place.
func (t *Topic) replaced(ctx context.Context, at map[int32]ledger.Position, log stream.Log) (map[int32]int64, error) {
	src, ok := t.source.(*stream.Source)
	epochs := map[int32]int32{}
	for part, pos := range at {
		there := log.Parts[part]
		if ok && t.reads(part) && pos.TopicID == there.ID && pos.Epoch != twice.NoEpoch && pos.Epoch != there.Epoch {
			epochs[part] = pos.Epoch
		}
	}
	if len(epochs) == 0 {
		return nil, nil
	}
	return src.EpochEnds(ctx, epochs)
}

// gaps finds what was read, or was to be read next, and is not in the log, or from the offsets replaced on is not what was
// read.
func (f *flow) gaps(log stream.Log, replaced map[int32]int64) []ledger.Loss {
	var gaps []ledger.Loss
	topic := f.in.Records().Topic
	for part, at := range f.at {
		there, ok := log.Parts[part]
		gap := ledger.Loss{Topic: topic, TopicID: there.ID, Partition: part, From: at.Next, To: there.Start}
		same, known := replaced[part]
		switch {
		case !f.topic.reads(part):
			continue
		case at.TopicID != there.ID && at.TopicID != "" || !ok:
			gap.Cause = "recreated"
			if f.reset {
				gap.From = at.First
			}
		case f.reset && at.First < there.Start:
			gap.From, gap.Cause = at.First, "expired"
		case f.reset:
			continue
		case at.Next < there.Start:
			gap.Cause = "expired"
		case at.Next > there.End:
			gap.To, gap.Cause = there.End, "truncated"
			if known {
				gap.To = min(same, there.End)
			}
		case known && at.Next > same:
			gap.To, gap.Cause = same, "replaced"
		default:
			continue
		}
		gaps = append(gaps, gap)
	}
	slices.SortFunc(gaps, func(a, b ledger.Loss) int { return int(a.Partition - b.Partition) })
	return gaps
}

// accepted is an error that names the gaps which nobody has accepted.
func (pl *planner) accepted(p *twice.Pipeline, gaps []ledger.Loss) error {
	var open []ledger.Loss
	for _, g := range gaps {
		if !slices.ContainsFunc(pl.Losses, func(l Accepted) bool { return l.covers(g) }) {
			open = append(open, g)
		}
	}
	if len(open) == 0 {
		return nil
	}
	var what, flags []string
	for _, g := range open {
		what = append(what, told(g, p.Stream().Log != nil))
		flags = append(flags, fmt.Sprintf("--accept-loss %d:%d..%d", g.Partition, g.From, g.To))
	}
	return twice.Errorf("stream-gap", "%s", strings.Join(what, "\n")).At(p.File, p.Stream().Line).
		WithNext("find out why; to go on without these records, for the record: twice run %s %s", p.Name, strings.Join(flags, " "))
}

func told(g ledger.Loss, isLog bool) string {
	switch {
	case g.Cause == "recreated" && isLog:
		return fmt.Sprintf("partition %d of %s: the offsets from %d on are missing: another file has taken its place, or none",
			g.Partition, g.Topic, g.From)
	case g.Cause == "expired":
		return fmt.Sprintf("partition %d of %s: the offsets [%d, %d) are missing: the broker has deleted them", g.Partition, g.Topic, g.From, g.To)
	case g.Cause == "replaced":
		return fmt.Sprintf("partition %d of %s: the offsets [%d, %d) are other records than were read: the broker that had those was lost, "+
			"and one that did not took its place", g.Partition, g.Topic, g.To, g.From)
	case g.Cause == "truncated":
		return fmt.Sprintf("partition %d of %s: the offsets [%d, %d) are missing: they were read, and the log now ends at %d",
			g.Partition, g.Topic, g.To, g.From, g.To)
	default:
		return fmt.Sprintf("partition %d of %s: the offsets from %d on are missing: the topic was deleted and made again, and begins at %d",
			g.Partition, g.Topic, g.From, g.To)
	}
}

// Accepted is a gap that the user accepts: the stream may go on at To where From was next.
type Accepted struct {
	Partition int32 // -1: any
	From, To  int64
}

func (a Accepted) covers(g ledger.Loss) bool {
	return (a.Partition < 0 || a.Partition == g.Partition) && a.From == g.From && a.To == g.To
}

// settle sets the positions from which the run reads: those of the ledger, behind the accepted losses; the log's start
// where there are none; and for a full refresh the start of everything.
func (f *flow) settle(log stream.Log) {
	for _, l := range f.losses {
		at := f.at[l.Partition]
		at.Next, at.TopicID, at.Epoch = l.To, l.TopicID, twice.NoEpoch
		f.at[l.Partition] = at
	}
	for part, there := range log.Parts {
		if _, ok := f.at[part]; !ok || f.reset {
			f.at[part] = ledger.Position{
				Topic: f.in.Records().Topic, TopicID: there.ID, Partition: part, First: there.Start, Next: there.Start, Epoch: twice.NoEpoch,
			}
		}
	}
	for part := range f.at {
		if _, there := log.Parts[part]; !there {
			delete(f.at, part) // of a topic that has fewer partitions since it was made again, or a file that is gone
		}
	}
}

// positions lists f's positions in the order of partitions.
func (f *flow) positions() []ledger.Position {
	var list []ledger.Position
	for _, at := range f.at {
		list = append(list, at)
	}
	slices.SortFunc(list, func(a, b ledger.Position) int { return int(a.Partition - b.Partition) })
	return list
}
