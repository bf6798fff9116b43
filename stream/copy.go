package stream

import (
	"cmp"
	"context"
	"slices"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/stream/eventlog"
)

// OpenCopy prepares to read a log that Copy has written, as what the input is: a topic or a log of that name. A batch has
// at most so many records; 0: as many as the input says.
func OpenCopy(p *twice.Pipeline, in *twice.Input, folder string, rows int) (*Folder, error) {
	s := &Folder{reading: reading{in: in, p: p}, path: folder, envelope: true, open: map[int32]*eventlog.File{}}
	var err error
	if s.opts, err = parse(in); err != nil {
		return nil, s.place(err)
	}
	if rows > 0 {
		s.opts.rows = rows
	}
	return s, nil
}

// fetcher is a stream to copy: a Source or a Folder.
type fetcher interface {
	Log(context.Context) (Log, error)
	Fetch(ctx context.Context, from, until map[int32]int64) (*Batch, error)
	Close()
}

// Copy writes records of each partition as a log with envelopes into folder: of a topic the last ones, of a log on disk,
// whose offsets do not count records, the first. dir is the project's folder.
func Copy(ctx context.Context, p *twice.Pipeline, in *twice.Input, dir, folder string, most int) error {
	src, err := open(p, in, dir)
	if err != nil {
		return err
	}
	defer src.Close()
	log, err := src.Log(ctx)
	if err != nil {
		return err
	}
	at, until, left := map[int32]int64{}, map[int32]int64{}, map[int32]int{}
	for part, there := range log.Parts {
		at[part], until[part], left[part] = there.Start, there.End, most
		if in.Kafka != nil {
			at[part] = max(there.Start, there.End-int64(most))
		}
	}
	for {
		for part := range at {
			if at[part] >= until[part] || left[part] == 0 {
				delete(at, part)
			}
		}
		if len(at) == 0 {
			return nil
		}
		b, err := src.Fetch(ctx, at, until)
		if err != nil {
			return err
		}
		for part, lines := range b.lines() {
			n := min(len(lines), left[part])
			if _, err := eventlog.Append(folder, part, false, lines[:n]...); err != nil {
				return err
			}
			left[part] -= n
		}
		for part, next := range b.Next() {
			at[part] = next
		}
	}
}

func open(p *twice.Pipeline, in *twice.Input, dir string) (fetcher, error) {
	if in.Log != nil {
		return OpenFolder(p, in, dir)
	}
	return Open(p, in, dir)
}

// lines are the batch's records by partition, in order, each as the line of an envelope. What was no envelope stays none.
func (b *Batch) lines() map[int32][]eventlog.Record {
	type line struct {
		offset int64
		record eventlog.Record
	}
	by := map[int32][]line{}
	for _, r := range b.records {
		full := eventlog.Record{Key: r.Key, Value: r.Value, Time: r.Timestamp}
		for _, h := range r.Headers {
			full.Headers = append(full.Headers, eventlog.Header(h))
		}
		by[r.Partition] = append(by[r.Partition], line{r.Offset, eventlog.Record{Value: full.Wrap()}})
	}
	for _, r := range b.poison {
		by[r.Partition] = append(by[r.Partition], line{r.Offset, eventlog.Record{Value: r.Bytes}})
	}
	all := map[int32][]eventlog.Record{}
	for part, lines := range by {
		slices.SortFunc(lines, func(x, y line) int { return cmp.Compare(x.offset, y.offset) })
		for _, l := range lines {
			all[part] = append(all[part], l.record)
		}
	}
	return all
}
