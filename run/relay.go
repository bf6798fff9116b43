package run

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/ledger"
	"github.com/twice-data/twice/stream"
)

// relay is a stream under way from one topic to another. Its ledger is the group's committed offsets.
type relay struct {
	*Runner
	st   Step
	flow *flow
	s    *engine.Session // of the engine in memory
	part *stream.Relay
}

// relayed reads where a relay is, as far as it is committed, and its last receipt.
func (pl *planner) relayed(ctx context.Context, p *twice.Pipeline) (map[int32]ledger.Position, error) {
	t, err := pl.topicOf(p)
	if err != nil {
		return nil, err
	}
	if t.relay != nil {
		err = t.relay.Replaced()
	} else {
		err = t.kafka().Beside(ctx, p.To, pl.Dir)
	}
	if err != nil {
		return nil, err
	}
	marks, err := t.kafka().Marks(ctx, false)
	if err != nil {
		return nil, err
	}
	if receipt := stream.Receipt(p, marks); receipt != nil {
		pl.mu.Lock()
		pl.state.Put(receipt)
		pl.mu.Unlock()
	}
	at := map[int32]ledger.Position{}
	for part, m := range marks {
		at[part] = positionOf(p.Stream().Records().Topic, part, m)
	}
	if len(at) > 0 || pl.FullRefresh {
		return at, nil
	}
	return at, pl.unbegun(ctx, p, t)
}

// kafka is the topic of a relay, which no log can be.
func (t *Topic) kafka() *stream.Source { return t.source.(*stream.Source) }

func positionOf(topic string, part int32, m stream.Mark) ledger.Position {
	return ledger.Position{Topic: topic, TopicID: m.TopicID, Partition: part, First: m.First, Next: m.Next, Epoch: m.Epoch, Run: m.Run}
}

// unbegun refuses to begin where there are records already: those of this relay, if its offsets are gone.
func (pl *planner) unbegun(ctx context.Context, p *twice.Pipeline, t *Topic) error {
	any, err := t.kafka().Produced(ctx, p.To)
	if err != nil || !any {
		return err
	}
	if marks, err := t.kafka().Marks(ctx, true); err != nil || len(marks) > 0 {
		return err // another process has begun at this moment
	}
	return twice.Errorf("relay-begin", "the group of %s has no offsets for the topic %s, but %s has records: if the relay made them, "+
		"its offsets have expired or the topic was made again, and from the beginning each would be there twice",
		p.Name, p.Stream().Records().Topic, p.To.Topic).At(p.File, p.To.Line).
		WithNext("to begin where the offsets should be: set them with Kafka's own tools;\n"+
			"twice run %s --full-refresh begins at the beginning, for a topic whose records are others'", p.Name)
}

// relayOf makes this process a part of the relay, once for the length of a run.
func (r *Runner) relayOf(p *twice.Pipeline) (*Topic, error) {
	t, err := r.topicOf(p)
	if err != nil || t.relay != nil {
		return t, err
	}
	if t.relay, err = t.kafka().Relay(p.To, r.Dir, r.ID, r.stop != nil, r.DB.Step); err != nil {
		return nil, err
	}
	t.member = t.relay.Member()
	return t, nil
}

// relay drains a relay up to the ends that the plan saw.
func (r *Runner) relay(ctx context.Context, st Step, slots chan struct{}, events func(Event)) {
	slots <- struct{}{}
	defer func() { <-slots }()
	w := &relay{Runner: r, st: st, flow: st.flow}
	did, err := w.drain(ctx, events)
	switch e := st.event(); {
	case err != nil && !r.stopping(ctx):
		e.Status, e.Err = twice.Failed, r.relative(twice.AsError(err))
		if e.Err.Blocked {
			e.Status = twice.Blocked
		}
		r.note(st.Pipeline, st.Window, e.Status)
		events(e)
	case !did:
		e.Status = twice.Unchanged // others have read it in the meantime
		events(e)
	}
}

// drain is the story of a relay: batch by batch, and from where the group says whenever it may say something else. A
// batch that did not commit leaves nothing behind, and is chosen anew.
func (w *relay) drain(ctx context.Context, events func(Event)) (did bool, err error) {
	t, err := w.relayOf(w.st.Pipeline)
	if err != nil {
		return false, err
	}
	w.part = t.relay
	if w.s, err = w.Memory.Session(ctx); err != nil {
		return false, err
	}
	defer w.s.Close()
	failing := 0
	for !w.stopping(ctx) {
		began := time.Now()
		e, more, err := w.turn(ctx)
		switch {
		case err == nil && !more:
			if done, err := w.reached(ctx); done || err != nil {
				return did, err
			}
			continue
		case err == nil:
			e.Took = time.Since(began)
			events(e)
			did, failing = true, 0
			continue
		}
		switch twice.AsError(err).Code {
		case "lease-lost":
		case "connection-lost", "transaction-timeout":
			if failing++; failing == tries {
				return did, err
			}
			pace(ctx, pauseBefore(failing, lastPause))
		default:
			return did, err
		}
	}
	return did, nil
}

// reached says whether the ends that the plan saw are behind the group, whoever of it has carried them over. One that has
// partitions and is dead keeps them until the group misses it; then they may come to this process.
func (w *relay) reached(ctx context.Context) (bool, error) {
	if w.stop != nil {
		return true, nil // the next turn sees
	}
	marks, err := w.flow.topic.kafka().Marks(ctx, false)
	if err != nil {
		return false, err
	}
	for part, end := range w.flow.until {
		if max(marks[part].Next, w.flow.at[part].Next) >= end {
			continue
		}
		select {
		case <-w.part.Member().Changed():
		case <-time.After(idleGroup):
		case <-ctx.Done():
		}
		return false, ctx.Err()
	}
	return true, nil
}

// idleGroup is how often a run looks how far the others of its group have come.
const idleGroup = 250 * time.Millisecond

// turn carries one batch over. It is false when there is nothing left to read.
func (w *relay) turn(ctx context.Context) (Event, bool, error) {
	e, f := w.st.event(), w.flow
	term, marks, err := w.term(ctx)
	if err != nil {
		return e, false, err
	}
	if begin := f.begin(term, marks, w.ID); len(begin) > 0 {
		if err := w.part.Commit(ctx, term, nil, nil, begin); err != nil {
			return e, false, err
		}
		maps.Copy(marks, begin)
	}
	f.resume(marks)
	next := f.next(f.at)
	for part := range next {
		if !term.Parts[part] {
			delete(next, part)
		}
	}
	if len(next) == 0 {
		return e, false, nil
	}
	b, err := w.fetch(ctx, f, next)
	if err != nil {
		return e, false, err
	}
	rows, poison, err := w.rows(ctx, b)
	if err != nil {
		return e, false, err
	}
	receipt := w.mark(b, rows)
	behind := f.behind(b, marks, receipt)
	records, err := w.records(ctx, rows)
	if err != nil {
		return e, false, err
	}
	rejects := poison
	if f.in.Records().OnError != "quarantine" {
		rejects = nil
	}
	if err := w.part.Commit(ctx, term, records, rejects, behind); err != nil {
		return e, false, err
	}
	f.resume(behind)
	w.mu.Lock()
	w.state.Put(stream.Receipt(w.st.Pipeline, behind))
	w.mu.Unlock()
	e.Status, e.Rows, e.Changed, e.Fingerprint = twice.Committed, receipt.Rows, receipt.Rows, rows.Windows[0].Fingerprint
	e.Warnings, e.Offsets, e.Poison = rows.Warnings, b.Spans, len(poison)
	return e, true, nil
}

// term waits for the group's word, unless the run should stop.
func (w *relay) term(ctx context.Context) (stream.Term, map[int32]stream.Mark, error) {
	if w.stop != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(w.stop, cancel)()
	}
	return w.part.Term(ctx)
}

// given are a batch's rows, in the engine in memory.
type given struct {
	*engine.Outcome
	columns []twice.Column
}

// rows runs the SELECT and the checks.
func (w *relay) rows(ctx context.Context, b *stream.Batch) (*given, []stream.Poison, error) {
	tmp, err := os.MkdirTemp(w.Temp, "relay-*")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(tmp)
	rel, poison, err := w.flow.topic.Relation(ctx, b, tmp)
	if err == nil {
		err = w.flow.poisoned(w.st.Pipeline, poison)
	}
	if err != nil {
		return nil, nil, err
	}
	o, columns, err := w.s.Give(ctx, &engine.Job{
		Pipeline: w.st.Pipeline, Windows: []twice.Window{w.st.Window}, Relations: []engine.Relation{rel},
	})
	return &given{o, columns}, poison, err
}

// records makes a record of each row: its value is the row as a JSON object, and its key the text of one column.
func (w *relay) records(ctx context.Context, rows *given) ([]stream.Record, error) {
	p, key := w.st.Pipeline, "NULL"
	doubtful := false
	for _, c := range rows.columns {
		doubtful = doubtful || strings.Contains(c.Type, "DOUBLE") || strings.Contains(c.Type, "FLOAT")
		if !strings.EqualFold(c.Name, p.To.Key) {
			continue
		}
		if key = engine.Ident(c.Name); c.Type != "BLOB" {
			key = fmt.Sprintf("CAST(%s AS VARCHAR)", key)
		}
	}
	if key == "NULL" && p.To.Key != "" {
		return nil, twice.Errorf("missing-column", "the SELECT gives no column %s, which is the records' key; it gives %s",
			p.To.Key, strings.Join(columnNames(rows.columns), ", ")).At(p.File, p.To.Line).WithNext("select it, or correct key:")
	}
	const row = `"twice row"` // no column's name
	var records []stream.Record
	query := fmt.Sprintf("SELECT %s, CAST(to_json(%s) AS VARCHAR) FROM %s AS %s ORDER BY %s.rowid", key, row, engine.GivenTable, row, row)
	err := w.s.Query(ctx, "records", query, func(rs *sql.Rows) error {
		var r stream.Record
		if err := rs.Scan(&r.Key, &r.Value); err != nil {
			return err
		}
		if doubtful && !json.Valid(r.Value) {
			return twice.Errorf("not-json", "JSON has no NaN and no Infinity: %s", r.Value).At(p.File, p.Line).
				WithNext("give NULL, or text, in its place")
		}
		records = append(records, r)
		return nil
	})
	return records, err
}

// mark is the receipt of a batch.
func (w *relay) mark(b *stream.Batch, rows *given) stream.Mark {
	m := twice.Manifest{Inputs: []twice.Pin{{Name: w.flow.in.Name, Kind: w.flow.in.Kind(), Offsets: b.Spans}}}
	sum := rows.Windows[0].Fingerprint
	return stream.Mark{
		Reason: string(w.st.Reason), Code: w.st.Code, Manifest: m.Digest(), Rows: sum.Rows, Sum: sum.Sum, Run: w.ID, At: time.Now().UTC(),
	}
}

// behind is what is committed with a batch: its receipt, on each partition of it. Its rows are counted on the first.
func (f *flow) behind(b *stream.Batch, marks map[int32]stream.Mark, receipt stream.Mark) map[int32]stream.Mark {
	behind := map[int32]stream.Mark{}
	for i, sp := range b.Spans {
		m, before := receipt, marks[sp.Partition]
		m.TopicID, m.First, m.Next, m.Epoch, m.Made, m.Loss = f.ids[sp.Partition], before.First, sp.To, b.Epoch(sp.Partition), before.Made, before.Loss
		if i == 0 {
			m.Made += receipt.Rows
		}
		behind[sp.Partition] = m
	}
	return behind
}

// begin is what is committed before anything is produced: where the relay begins in partitions that it has not read, or,
// for a full refresh, begins again; and behind losses that were accepted. From then on nothing but offsets of the group
// says where it goes on.
func (f *flow) begin(t stream.Term, marks map[int32]stream.Mark, run string) map[int32]stream.Mark {
	begin := map[int32]stream.Mark{}
	for part := range t.Parts {
		at, there := f.at[part]
		m, known := marks[part]
		switch loss := f.loss(part, m.Next); {
		case !there:
			continue // the topic has got it since the plan
		case !known, f.reset && m.Run != run:
			m.First, m.Next = at.First, at.Next
		case loss != nil:
			m.Next, m.Loss = loss.To, fmt.Sprintf("%d..%d", loss.From, loss.To)
		default:
			continue
		}
		m.TopicID, m.Epoch, m.Run = f.ids[part], twice.NoEpoch, run
		begin[part] = m
	}
	return begin
}

func (f *flow) loss(part int32, next int64) *ledger.Loss {
	i := slices.IndexFunc(f.losses, func(l ledger.Loss) bool { return l.Partition == part && l.From == next })
	if i < 0 {
		return nil
	}
	return &f.losses[i]
}

// resume goes on from the group's offsets. The plan has read them too, but not waited for what was about to change them.
func (f *flow) resume(marks map[int32]stream.Mark) {
	for part, m := range marks {
		f.at[part] = positionOf(f.in.Records().Topic, part, m)
	}
}
