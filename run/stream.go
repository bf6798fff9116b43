package run

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/ledger"
	"github.com/twice-data/twice/stream"
)

// Topic is a topic as a run reads it.
type Topic struct {
	*stream.Source
	member *stream.Member // nil: this process reads every partition
	flow   *flow          // as it was last planned
}

// flow is a stream under way: what a plan found, and how far the run has come.
type flow struct {
	topic  *Topic
	in     *twice.Input
	id     string                    // of the topic
	at     map[int32]ledger.Position // where the ledger says that each partition is, or begins
	until  map[int32]int64           // the ends that the plan saw
	losses []ledger.Loss             // accepted, to be skipped first
	reset  bool                      // the first batch empties the table
}

// next is where each partition that there is something to read of goes on.
func (f *flow) next() map[int32]int64 {
	next := map[int32]int64{}
	for p, end := range f.until {
		if at := f.at[p].Next; at < end && f.topic.reads(p) {
			next[p] = at
		}
	}
	return next
}

// spans are what is left to read, in the order of partitions.
func (f *flow) spans() []twice.OffsetSpan {
	var spans []twice.OffsetSpan
	for p, at := range f.next() {
		spans = append(spans, twice.OffsetSpan{Topic: f.in.Kafka.Topic, Partition: p, From: at, To: f.until[p]})
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
	src, err := stream.Open(p, p.Stream(), r.Dir)
	if err != nil {
		return nil, err
	}
	if r.topics == nil {
		r.topics = map[string]*Topic{}
	}
	r.topics[p.Name] = &Topic{Source: src}
	return r.topics[p.Name], nil
}

// Close ends the connections to the brokers that the runner's streams were read from.
func (r *Runner) Close() {
	for _, t := range r.topics {
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
	if err := pl.look(ctx, &st); err != nil {
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

func (pl *planner) look(ctx context.Context, st *Step) error {
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
	f, err := pl.flowOf(ctx, p, in)
	if err != nil {
		return err
	}
	st.flow = f
	st.Manifest = twice.Manifest{Inputs: []twice.Pin{{Name: in.Name, Kind: in.Kind(), Offsets: f.spans()}}}
	switch {
	case len(st.Manifest.Inputs[0].Offsets) == 0 && len(f.losses) == 0 && !f.reset:
		st.Status = twice.Unchanged
		if st.Receipt == nil {
			return twice.Errorf("input-waiting", "the topic %s has no records to begin with", in.Kafka.Topic)
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

// flowOf compares what the broker has with what the ledger says was read.
func (pl *planner) flowOf(ctx context.Context, p *twice.Pipeline, in *twice.Input) (*flow, error) {
	t, err := pl.topicOf(p)
	if err != nil {
		return nil, err
	}
	log, err := t.Log(ctx)
	if err != nil {
		return nil, err
	}
	f := &flow{topic: t, in: in, id: log.ID, until: map[int32]int64{}, reset: pl.FullRefresh}
	known, err := ledger.Exists(ctx, pl.s)
	if err == nil && known {
		f.at, err = ledger.Positions(ctx, pl.s, p.Name)
	}
	if err != nil {
		return nil, err
	}
	if f.at == nil {
		f.at = map[int32]ledger.Position{}
	}
	for part, at := range f.at {
		if at.Topic != in.Kafka.Topic {
			if !pl.FullRefresh {
				return nil, twice.Errorf("stream-topic", "the table was filled from the topic %s, and the pipeline now reads %s", at.Topic, in.Kafka.Topic).
					At(p.File, in.Line).WithNext("twice run %s --full-refresh reads the new topic from its beginning", p.Name)
			}
			delete(f.at, part)
		}
	}
	t.flow = f
	gaps := f.gaps(log)
	if err := pl.accepted(p, gaps); err != nil {
		return nil, err
	}
	f.losses = gaps
	for _, part := range log.Partitions() {
		if t.reads(part) {
			f.until[part] = log.Parts[part].End
		}
	}
	f.settle(log)
	return f, nil
}

// gaps finds what was read, or was to be read next, and is not in the log.
func (f *flow) gaps(log stream.Log) []ledger.Loss {
	var gaps []ledger.Loss
	topic := f.in.Kafka.Topic
	for part, at := range f.at {
		there, ok := log.Parts[part]
		gap := ledger.Loss{Topic: topic, Partition: part, From: at.Next, To: there.Start}
		switch {
		case !f.topic.reads(part):
			continue
		case at.TopicID != log.ID || !ok:
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
		what = append(what, told(g))
		flags = append(flags, fmt.Sprintf("--accept-loss %d:%d..%d", g.Partition, g.From, g.To))
	}
	return twice.Errorf("stream-gap", "%s", strings.Join(what, "\n")).At(p.File, p.Stream().Line).
		WithNext("find out why; to go on without these records, for the record: twice run %s %s", p.Name, strings.Join(flags, " "))
}

func told(g ledger.Loss) string {
	switch g.Cause {
	case "expired":
		return fmt.Sprintf("partition %d of %s: the offsets [%d, %d) are missing: the broker has deleted them", g.Partition, g.Topic, g.From, g.To)
	case "truncated":
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
		at.Next, at.TopicID = l.To, log.ID
		f.at[l.Partition] = at
	}
	for part, there := range log.Parts {
		if _, ok := f.at[part]; !ok || f.reset {
			f.at[part] = ledger.Position{
				Topic: f.in.Kafka.Topic, TopicID: log.ID, Partition: part, First: there.Start, Next: there.Start,
			}
		}
	}
	for part := range f.at {
		if _, there := log.Parts[part]; !there {
			delete(f.at, part) // of a topic that has fewer partitions since it was made again
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

// drain reads a stream batch by batch up to the ends that the plan saw.
func (r *Runner) drain(ctx context.Context, st Step, slots chan struct{}, events func(Event)) {
	slots <- struct{}{}
	defer func() { <-slots }()
	f := st.flow
	fail := func(err error, began time.Time) {
		e := st.event()
		e.Status, e.Err, e.Took = twice.Failed, r.relative(twice.AsError(err)), time.Since(began)
		if e.Err.Blocked {
			e.Status = twice.Blocked
		}
		r.note(st.Pipeline, st.Window, e.Status)
		events(e)
	}
	began := time.Now()
	if err := r.retry(ctx, func() error { return r.start(ctx, st.Pipeline, f) }); err != nil {
		fail(err, began)
		return
	}
	did := false
	for next := f.next(); len(next) > 0 || f.reset; next = f.next() {
		if r.stopping(ctx) {
			return // what is committed is committed; the next run goes on
		}
		began = time.Now()
		b, err := r.fetch(ctx, f, next)
		var e Event
		if err == nil {
			e, err = r.slice(ctx, st, b)
		}
		if err != nil && twice.AsError(err).Code == "lease-lost" && !f.reset {
			if err = r.reload(ctx, st.Pipeline, f); err == nil {
				continue
			}
		}
		if err != nil && b == nil && r.stopping(ctx) {
			return
		}
		if err != nil {
			fail(err, began)
			return
		}
		f.reset, did = false, true
		e.Took = time.Since(began)
		events(e)
		if r.Monitor {
			f.topic.monitor(ctx, b.Next())
		}
	}
	if !did {
		e := st.event()
		e.Status = twice.Unchanged // others have read it in the meantime
		events(e)
	}
}

// fetch chooses the next batch. A run that should stop does not wait for more.
func (r *Runner) fetch(ctx context.Context, f *flow, next map[int32]int64) (*stream.Batch, error) {
	if r.stop != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(r.stop, cancel)()
	}
	return f.topic.Fetch(ctx, next, f.until)
}

func (t *Topic) monitor(ctx context.Context, next map[int32]int64) {
	if t.member != nil {
		t.member.Monitor(ctx, next)
		return
	}
	t.Monitor(ctx, next)
}

// start makes the positions exist and keeps the accepted losses, in a transaction of its own before the first batch. A
// full refresh keeps its losses with its first batch.
func (r *Runner) start(ctx context.Context, p *twice.Pipeline, f *flow) error {
	s, err := r.DB.Session(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Tx(ctx, func() error {
		if f.reset {
			return nil
		}
		at, err := ledger.Positions(ctx, s, p.Name)
		if err != nil {
			return err
		}
		open := slices.DeleteFunc(slices.Clone(f.losses), func(l ledger.Loss) bool {
			return at[l.Partition].Next == l.To && at[l.Partition].TopicID == f.id // by a try whose answer was lost
		})
		if err := ledger.Accept(ctx, s, p.Name, f.id, open, r.ID); err != nil {
			return err
		}
		var missing []ledger.Position
		for _, pos := range f.positions() {
			if _, ok := at[pos.Partition]; !ok {
				missing = append(missing, pos)
			}
		}
		return ledger.Begin(ctx, s, p.Name, missing, r.ID)
	})
}

// reload takes the positions from the ledger after somebody else has moved them.
func (r *Runner) reload(ctx context.Context, p *twice.Pipeline, f *flow) error {
	s, err := r.DB.Session(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	f.at, err = ledger.Positions(ctx, s, p.Name)
	return err
}

// slice writes one batch: its manifest first, and then rows, quarantine, positions and receipt in one transaction.
func (r *Runner) slice(ctx context.Context, st Step, b *stream.Batch) (Event, error) {
	e := st.event()
	f := st.flow
	tmp, err := os.MkdirTemp(r.Temp, "stream-*")
	if err != nil {
		return e, err
	}
	defer os.RemoveAll(tmp)
	rel, poison, err := f.topic.Relation(ctx, b, tmp)
	if err != nil {
		return e, err
	}
	if err := f.poisoned(st.Pipeline, poison); err != nil {
		return e, err
	}
	st.Manifest = twice.Manifest{Inputs: []twice.Pin{{Name: f.in.Name, Kind: f.in.Kind(), Offsets: b.Spans}}}
	w := &slicing{Runner: r, st: st, flow: f, batch: b, rel: rel, poison: poison}
	if err := r.retry(ctx, func() error { return w.try(ctx) }); err != nil {
		return e, err
	}
	for part, to := range b.Next() {
		at := f.at[part]
		at.Next = to
		f.at[part] = at
	}
	r.mu.Lock()
	r.state.Put(w.receipt)
	r.mu.Unlock()
	e.Status, e.Rows, e.Changed, e.Fingerprint = twice.Committed, w.receipt.Fingerprint.Rows, w.receipt.Changed, w.receipt.Fingerprint
	e.Warnings, e.Offsets, e.Poison = w.warnings, b.Spans, len(poison)
	return e, nil
}

// poisoned is an error where a record that does not parse is one.
func (f *flow) poisoned(p *twice.Pipeline, poison []stream.Poison) error {
	if len(poison) == 0 || f.in.Kafka.OnError != "fail" {
		return nil
	}
	first := poison[0]
	const shown = 200
	text := fmt.Sprintf("%q", first.Bytes[:min(shown, len(first.Bytes))])
	more := ""
	if n := len(poison) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more in this batch)", n)
	}
	return twice.Errorf("poison-record", "the record at offset %d of partition %d of %s does not parse: %s%s: %s",
		first.Offset, first.Partition, f.in.Kafka.Topic, first.Why, more, text).At(p.File, f.in.Line).
		WithNext("on_error: quarantine keeps such records in twice.quarantine and goes on; on_error: skip goes on without them")
}

// slicing is one batch on its way into the target.
type slicing struct {
	*Runner
	st     Step
	flow   *flow
	batch  *stream.Batch
	rel    engine.Relation
	poison []stream.Poison

	receipt  *twice.Receipt
	warnings []engine.Violation
}

// try writes the batch, unless a try whose answer was lost already has.
func (w *slicing) try(ctx context.Context) error {
	s, err := w.DB.Session(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if done, err := w.done(ctx, s); done || err != nil {
		return err
	}
	p := w.st.Pipeline
	if err := s.Tx(ctx, func() error {
		return ledger.Record(ctx, s, w.ID, p.Name, []twice.Window{w.st.Window}, w.st.Manifest)
	}); err != nil {
		return err
	}
	job, err := w.job(ctx, s)
	if err != nil {
		return err
	}
	o, err := s.Write(ctx, job)
	if err != nil {
		return err
	}
	w.warnings = o.Warnings
	done, err := w.done(ctx, s)
	if err == nil && !done {
		err = twice.Errorf("commit-lost", "the engine answered COMMIT without an error, but the offsets are where they were").
			WithNext("run again; if it happens again, look at the target's own log")
	}
	return err
}

// done says whether this run has moved the positions to the batch's end, and then reads the receipt.
func (w *slicing) done(ctx context.Context, s *engine.Session) (bool, error) {
	at, err := ledger.Positions(ctx, s, w.st.Pipeline.Name)
	if err != nil {
		return false, err
	}
	if len(w.batch.Spans) == 0 {
		r, err := ledger.Find(ctx, s, w.st.Pipeline.Name, w.st.Window)
		w.receipt = r
		return err == nil && r != nil && r.Run == w.ID && r.Manifest == w.st.Manifest.Digest(), err
	}
	for _, sp := range w.batch.Spans {
		if pos := at[sp.Partition]; pos.Next != sp.To || pos.Run != w.ID {
			return false, nil
		}
	}
	if w.receipt, err = ledger.Find(ctx, s, w.st.Pipeline.Name, w.st.Window); err == nil && w.receipt == nil {
		err = fmt.Errorf("the ledger has offsets of %s and no receipt", w.st.Pipeline.Name)
	}
	return err == nil, err
}

func (w *slicing) job(ctx context.Context, s *engine.Session) (*engine.Job, error) {
	p := *w.st.Pipeline
	p.SQL = collapse(&p)
	before, err := s.DB().Columns(ctx, s, p.Table)
	if err != nil {
		return nil, err
	}
	job := &engine.Job{
		Pipeline: &p, Windows: []twice.Window{w.st.Window}, Relations: []engine.Relation{w.rel}, Reset: w.flow.reset, Final: true,
	}
	job.Fence = func(ctx context.Context, s *engine.Session) error {
		if err := ledger.Turn(ctx, s, &p); err != nil {
			return err
		}
		if len(before) == 0 {
			now, err := s.DB().Columns(ctx, s, p.Table)
			if err != nil {
				return err
			}
			if len(now) > 0 {
				return twice.Errorf("serialization", "another process made the table %s at the same moment", p.Table)
			}
		}
		if w.flow.reset {
			if err := w.rewind(ctx, s, &p); err != nil {
				return err
			}
		}
		return ledger.Advance(ctx, s, p.Name, w.batch.Spans, w.ID)
	}
	total, err := ledger.TotalOf(ctx, s, p.Table)
	if err != nil {
		return nil, err
	}
	if total != nil {
		job.Known = total.Columns
	}
	job.Receipt = func(ctx context.Context, s *engine.Session, o *engine.Outcome) error {
		if w.flow.in.Kafka.OnError == "quarantine" && len(w.poison) > 0 {
			rejects := make([]ledger.Reject, len(w.poison))
			for i, p := range w.poison {
				rejects[i] = ledger.Reject(p)
			}
			if err := ledger.Quarantine(ctx, s, p.Name, w.flow.in.Kafka.Topic, rejects, w.ID); err != nil {
				return err
			}
		}
		return w.receipts(ctx, s, w.st.Pipeline, []Step{w.st}, nil, o)
	}
	return job, nil
}

// rewind begins a full refresh: in the transaction of its first batch.
func (w *slicing) rewind(ctx context.Context, s *engine.Session, p *twice.Pipeline) error {
	if err := ledger.Forget(ctx, s, p.Name); err != nil {
		return err
	}
	if err := ledger.Keep(ctx, s, p.Name, w.flow.losses, w.ID); err != nil {
		return err
	}
	return ledger.Rewind(ctx, s, p.Name, w.flow.positions(), w.ID)
}

// collapse makes one row of the rows of a batch that are equal, as a producer that sends again makes them, and of a key's
// rows keeps those of the largest version. Between batches the merge does the same, so that it does not matter where a
// batch is cut. What NULL has no answer to is left for the guards.
func collapse(p *twice.Pipeline) string {
	q := "WITH twice_given AS (" + p.SQL + "\n) SELECT DISTINCT * FROM twice_given"
	if p.Version == "" {
		return q
	}
	version, keys := engine.Ident(p.Version), make([]string, len(p.UniqueKey))
	conds := []string{"g." + version + " IS NULL"}
	for i, k := range p.UniqueKey {
		keys[i] = engine.Ident(k)
		conds = append(conds, "g."+keys[i]+" IS NULL")
	}
	key := strings.Join(keys, ", ")
	return fmt.Sprintf("%s AS g WHERE %s OR (%s, %s) IN (SELECT %s, max(%s) FROM twice_given GROUP BY %s)", q,
		strings.Join(conds, " OR "), "g."+strings.Join(keys, ", g."), "g."+version, key, version, key)
}
