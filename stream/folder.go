package stream

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/stream/eventlog"
)

// Folder is a log on disk, as one pipeline reads it. It is for one goroutine at a time. Close it.
type Folder struct {
	reading
	opts     options
	path     string
	envelope bool
	open     map[int32]*eventlog.File
}

// OpenFolder prepares to read a log. dir is the project's folder.
func OpenFolder(p *twice.Pipeline, in *twice.Input, dir string) (*Folder, error) {
	s := &Folder{reading: reading{in: in, p: p}, path: filepath.FromSlash(in.Log.Topic), envelope: in.Log.Envelope, open: map[int32]*eventlog.File{}}
	if !filepath.IsAbs(s.path) {
		s.path = filepath.Join(dir, s.path)
	}
	var err error
	if s.opts, err = parse(in); err != nil {
		return nil, s.place(err)
	}
	return s, nil
}

// Close closes the log's files.
func (s *Folder) Close() {
	for part := range s.open {
		s.forget(part)
	}
	s.close()
}

func (s *Folder) forget(part int32) {
	_ = s.open[part].Close() // it was only read
	delete(s.open, part)
}

// Log looks at the files. They are opened anew: one may have been replaced.
func (s *Folder) Log(context.Context) (Log, error) {
	log := Log{Parts: map[int32]Part{}}
	for part := range s.open {
		s.forget(part)
	}
	files, err := eventlog.Files(s.path)
	if err != nil {
		return log, s.bad(err)
	}
	for part, path := range files {
		f, err := eventlog.Open(path)
		if err != nil {
			return log, s.bad(err)
		}
		s.open[part] = f
		ext, err := f.Extent()
		if err != nil {
			return log, s.bad(err)
		}
		if ext.ID != "" {
			log.Parts[part] = Part{ID: ext.ID, End: ext.End, Epoch: twice.NoEpoch}
		}
	}
	return log, nil
}

func (s *Folder) bad(err error) error {
	return s.place(twice.Errorf("bad-log", "the log %s: %w", s.in.Records().Topic, err).
		WithNext("path: names a folder with a file a partition, named 0.ndjson, 1.ndjson, and so on; or one file"))
}

// chunk is about how many bytes of a partition are read at once, at most, before it is the next one's turn.
const chunk = 1 << 20

// Fetch chooses the next batch. Partitions take turns. All of it is there, so that it does not wait.
func (s *Folder) Fetch(ctx context.Context, from, until map[int32]int64) (*Batch, error) {
	b := &Batch{}
	at, taken := map[int32]int64{}, map[int32][]*kgo.Record{}
	var parts []int32
	for p := range from {
		if from[p] < until[p] {
			parts, at[p] = append(parts, p), from[p]
		}
	}
	slices.Sort(parts)
	for full, left := false, true; left && !full && ctx.Err() == nil; {
		left = false
		for _, p := range parts {
			if at[p] >= until[p] || full {
				continue
			}
			lines, next, err := s.read(p, at[p], until[p], (s.opts.rows+len(parts)-1)/len(parts))
			if err != nil {
				return nil, err
			}
			at[p], full = s.take(b, taken, p, lines, next)
			left = left || at[p] < until[p]
		}
	}
	for _, p := range parts {
		if at[p] > from[p] {
			b.Spans = append(b.Spans, twice.OffsetSpan{Topic: s.in.Records().Topic, Partition: p, From: from[p], To: at[p]})
			b.records = append(b.records, taken[p]...)
		}
	}
	return b, ctx.Err()
}

// read gives a partition's next lines, at most so many.
func (s *Folder) read(part int32, from, until int64, rows int) ([]eventlog.Line, int64, error) {
	f := s.open[part]
	if f == nil {
		return nil, from, s.bad(errors.New("a file is gone"))
	}
	const line = 256 // bytes, to read no more than a small batch needs
	lines, next, err := f.Read(from, until, min(chunk, line*rows))
	if errors.Is(err, eventlog.ErrRewritten) {
		return nil, from, s.place(twice.Errorf("stream-gap", "partition %d of %s was rewritten: no record begins any more at the offset %d, "+
			"where one did", part, s.in.Records().Topic, from).
			WithNext("find out why: a log only ever grows; twice run %s --full-refresh reads it again from its beginning", s.p.Name))
	}
	if err != nil {
		return nil, from, s.bad(err)
	}
	if len(lines) > rows {
		return lines[:rows], lines[rows].Offset, nil
	}
	return lines, next, nil
}

// take moves lines into the batch until it is full, and says where the partition goes on.
func (s *Folder) take(b *Batch, taken map[int32][]*kgo.Record, part int32, lines []eventlog.Line, next int64) (int64, bool) {
	for _, l := range lines {
		if b.seen > 0 && (b.seen >= s.opts.rows || b.bytes+len(l.Text) > s.opts.bytes) {
			return l.Offset, true
		}
		b.seen++
		b.bytes += len(l.Text)
		r := &kgo.Record{Topic: s.in.Records().Topic, Partition: part, Offset: l.Offset, Value: l.Text}
		if s.envelope {
			if err := unwrap(r); err != nil {
				b.poison = append(b.poison, poisoned(r, "it is no envelope: "+err.Error()))
				continue
			}
		}
		taken[part] = append(taken[part], r)
	}
	return next, false
}

func unwrap(r *kgo.Record) error {
	in, err := eventlog.Unwrap(r.Value)
	if err != nil {
		return err
	}
	r.Key, r.Value, r.Timestamp = in.Key, in.Value, in.Time
	for _, h := range in.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader(h))
	}
	return nil
}

// look is how often a silent log is looked at.
const look = 50 * time.Millisecond

// More looks for more than there is up to the offsets, or for a partition that they do not name.
func (s *Folder) More(ctx context.Context, at map[int32]int64) (bool, error) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		log, err := s.Log(ctx)
		if err != nil {
			return false, err
		}
		for p, there := range log.Parts {
			if next, known := at[p]; !known || there.End != next {
				return true, nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// BatchTime is how far batches are apart, at least, while a run follows the log.
func (s *Folder) BatchTime() time.Duration { return s.opts.time }
