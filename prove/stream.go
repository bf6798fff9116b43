package prove

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strconv"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/run"
	"github.com/twice-data/twice/stream"
	"github.com/twice-data/twice/stream/eventlog"
)

// streamsFolder of a scratch project holds the copies of its streams: a log for each pipeline, whose lines are envelopes.
const streamsFolder = "twice-streams"

// RowsVariable of the environment tells a child how many records of a stream a batch has.
const RowsVariable = "TWICE_SCRATCH_ROWS"

// Copies are what a child reads in the place of streams: the copies in the scratch project in dir. Of a process that is
// no child of a prove they are none.
func Copies(dir string, env func(string) (string, bool)) run.Copies {
	if target, ok := env(TargetVariable); !ok || target == "" {
		return run.Copies{}
	}
	text, _ := env(RowsVariable)
	rows, _ := strconv.Atoi(text) // none: as the input says
	return run.Copies{Dir: filepath.Join(dir, streamsFolder), Rows: rows}
}

// How many records of each partition are copied: of a stream that is tried itself, batch by batch, and of one that
// something else reads.
const (
	mostTried = 50
	mostRead  = 2000
)

// copyStream copies the records of a stream into the scratch project. Its files are feeds like others: a line, a row.
func (b *bench) copyStream(ctx context.Context, real, p *twice.Pipeline, tried bool) error {
	most := mostRead
	if tried {
		most = mostTried
	}
	folder := path.Join(streamsFolder, p.Name)
	if err := stream.Copy(ctx, real, real.Stream(), b.Dir, filepath.Join(b.folder, folder), most); err != nil {
		return err
	}
	files, err := eventlog.Files(filepath.Join(b.folder, folder))
	if err != nil {
		return err
	}
	for part := int32(0); len(files) > 0; part++ {
		if file, ok := files[part]; ok {
			b.feeds = append(b.feeds, feed{p, p.Stream(), []twice.Window{{}}, path.Join(folder, filepath.Base(file))})
			delete(files, part)
		}
	}
	return nil
}

// streams are the feeds that are copies of streams.
func (b *bench) streams() []feed {
	var fs []feed
	for _, f := range b.feeds {
		if f.input.Records() != nil {
			fs = append(fs, f)
		}
	}
	return fs
}

// wantedBatches is in how many batches the clean run reads a stream.
const wantedBatches = 3

// measure sets how many records a batch has, so that there are several.
func (b *bench) measure(ctx context.Context) error {
	total := 0
	for _, f := range b.streams() {
		s, err := b.readSheet(ctx, b.folder, f)
		if err != nil {
			return err
		}
		total += len(s.rows)
	}
	b.rows = (total + wantedBatches - 1) / wantedBatches
	return nil
}

// reader is how the feed's file is read: a copied stream line by line.
func (f feed) reader() twice.Reader {
	if f.input.Records() != nil {
		return twice.Reader{Format: "ndjson"}
	}
	return f.input.Files.Reader
}

// stage is how far a stream has grown: the number of records of each of its files.
type stage map[string]int

// grown runs the family after each stage, and after the last, which is all there is, compares.
func grown(ctx context.Context, b *bench, stages func(sizes stage, order []string) []stage) (*Break, error) {
	return b.onInputs(ctx, nil, setup{}, func(s *sitting) (*Break, error) {
		whole, order := map[string]*sheet{}, []string{}
		sizes := stage{}
		for _, f := range b.streams() {
			sh, err := b.readSheet(ctx, b.folder, f)
			if err != nil {
				return nil, err
			}
			whole[f.path], sizes[f.path] = sh, len(sh.rows)
			order = append(order, f.path)
		}
		for _, st := range append(stages(sizes, order), sizes) {
			for name, n := range st {
				part := *whole[name]
				part.rows = part.rows[:n]
				if err := part.write(ctx, &part, filepath.Join(s.folder, name)); err != nil {
					return nil, err
				}
			}
			bad, err := s.all(ctx, run.Options{})
			if err != nil {
				return nil, err
			}
			if bad != nil && bad.Code != "input-waiting" {
				return failed(bad), nil
			}
		}
		return s.compared(ctx)
	})
}

// between says whether what a killed or a concurrent run shows is what it may show: the rows before it, those after it,
// or in a stream those after any of its batches, with the offsets that these rows were made of.
func (b *bench) between(st *state) bool {
	for _, step := range append([]*state{b.before, b.clean}, b.steps...) {
		if st.equal(step) && st.offsets == step.offsets {
			return true
		}
	}
	return false
}

// isStream says that the bench's pipeline is one.
func (b *bench) isStream() bool { return b.p.Stream() != nil }

// rowsOf is how many records of a stream a batch of the sitting has.
func (s *sitting) rowsOf() int {
	if s.setup.rows > 0 {
		return s.setup.rows
	}
	return s.lab.rows
}

// walkBatches notes what the table holds after each batch of a run in several.
func (b *bench) walkBatches(ctx context.Context, from *lab) error {
	_, err := b.onSitting(ctx, from, setup{}, func(s *sitting) (*Break, error) {
		var failing error
		s.after = func(run.Event) {
			st, err := s.look(ctx)
			b.steps, failing = append(b.steps, st), errors.Join(failing, err)
		}
		bad, err := s.each(ctx, run.Options{}, b.windows)
		if err == nil && bad != nil {
			err = fmt.Errorf("a run in several batches fails: %w", bad)
		}
		return nil, errors.Join(err, failing)
	})
	return err
}
