package prove

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/run"
)

// bench is one pipeline made ready for its laws.
type bench struct {
	*scratch
	p        *twice.Pipeline   // as it is in the scratch project
	family   []*twice.Pipeline // p and what it reads, upstream first
	windows  []twice.Window    // of p; all of them committed in the clean run
	need     map[string][]twice.Window
	feeds    []feed            // the input files
	fixed    map[string]string // those of them that cannot be rewritten, by path, and why
	strange  []injection       // what can be put into one of them
	folder   string            // the scratch project with the clean inputs; nobody changes it
	sieves   []string          // what in the family's SELECTs can leave a row out
	rowByRow bool              // nothing does: a row of input makes a row of the table
	outputs  []engine.Output   // the columns of p's SELECT
	base     *lab              // what p reads is filled, p is not
	done     *lab              // p is filled too, by the clean run
	clean    *state            // of done
	rows     int               // of a batch of a stream, for it to be read in several
	steps    []*state          // of a stream, after each of these batches
	half     string            // a condition that about half of the rows of p's table meet, as twice_old
	outcomes []run.Event

	borrowed []string // statements that copy what is read of the real target; nil: not asked yet
	lost     []string // windows that the clean run did not commit, and why

	old    *lab     // see outdated; nil: not made yet
	before *state   // of old
	points []point  // of a clean run of one window
	walk   []string // its statements
	tables []string // that are there after it

	mu       sync.Mutex
	residues []residue       // found after crashes
	honest   map[string]bool // see verify
	logs     map[string]bool // of DuckDB, that have been cut
	crashes  int
	crashing time.Duration
}

// feed is one input file of the family.
type feed struct {
	pipeline *twice.Pipeline
	input    *twice.Input
	windows  []twice.Window // that read it
	path     string         // relative to a scratch project's folder
}

// newBench chooses windows of p, copies their inputs and makes the clean run.
func newBench(ctx context.Context, sc *scratch, real *twice.Pipeline) (*bench, error) {
	c := newChooser(sc)
	chosen, err := c.windows(ctx, real)
	if err != nil {
		return nil, err
	}
	if len(chosen) == 0 {
		return nil, twice.Errorf("no-window", "no window of %s has its inputs and has ended", real.Name)
	}
	family := c.family(real)
	b := &bench{scratch: sc, folder: filepath.Join(sc.root, "project-"+sc.name())}
	if b.need, err = c.needed(ctx, family, chosen); err != nil {
		return nil, err
	}
	if err := b.copyProject(ctx, c, family); err != nil {
		return nil, err
	}
	b.windows = chosen
	err = b.fill(ctx)
	if err == nil {
		err = b.survey(ctx)
	}
	if err != nil {
		b.drop(ctx)
		return nil, err
	}
	return b, nil
}

// copyProject writes the scratch project: the family's files and the inputs of the windows that are needed.
func (b *bench) copyProject(ctx context.Context, c *chooser, family []*twice.Pipeline) error {
	yml, _ := b.targets.address(b.Target)
	text := "project: " + quote(b.Project) + "\ntargets:\n  scratch: " + yml + "\n"
	if err := write(filepath.Join(b.folder, "twice.yml"), text); err != nil {
		return err
	}
	for _, real := range family {
		p, text, err := c.transplant(real)
		if err != nil {
			return err
		}
		if err := write(filepath.Join(b.folder, filepath.FromSlash(p.File)), text); err != nil {
			return err
		}
		b.family = append(b.family, p)
		if err := b.copyInputs(ctx, c, real, p); err != nil {
			return err
		}
		if p.Stream() != nil {
			if err := b.copyStream(ctx, real, p, len(b.family) == len(family)); err != nil {
				return err
			}
		}
	}
	b.p = b.family[len(b.family)-1]
	return b.measure(ctx)
}

// transplant is a pipeline and its file's text with every input inside the project's folder.
func (c *chooser) transplant(real *twice.Pipeline) (*twice.Pipeline, string, error) {
	b, err := os.ReadFile(filepath.Join(c.Dir, filepath.FromSlash(real.File)))
	if err != nil {
		return nil, "", err
	}
	text := string(b)
	p := *real
	p.Inputs = slices.Clone(real.Inputs)
	for i := range p.Inputs {
		if p.Inputs[i].Files == nil {
			continue
		}
		files := *p.Inputs[i].Files
		if path := c.within(files.Path); path != files.Path {
			text = strings.ReplaceAll(text, files.Path, path)
			files.Path = path
		}
		p.Inputs[i].Files = &files
	}
	return &p, text, nil
}

// copyInputs copies the files of the windows of p that are needed, and notes who reads them.
func (b *bench) copyInputs(ctx context.Context, c *chooser, real, p *twice.Pipeline) error {
	at := map[string]int{}
	for _, w := range b.need[p.Name] {
		pins, err := c.pins(ctx, real, w)
		if err != nil {
			continue // the clean run will say what is wrong with it
		}
		for _, pin := range pins {
			for _, f := range pin.Files {
				key := pin.Name + "\n" + f.Path
				if i, ok := at[key]; ok {
					b.feeds[i].windows = append(b.feeds[i].windows, w)
					continue
				}
				to := c.place(f.Path)
				from := f.Path
				if !filepath.IsAbs(from) {
					from = filepath.Join(b.Dir, filepath.FromSlash(from))
				}
				if err := copyFile(from, filepath.Join(b.folder, to)); err != nil {
					return err
				}
				at[key] = len(b.feeds)
				b.feeds = append(b.feeds, feed{p, p.Input(pin.Name), []twice.Window{w}, to})
			}
		}
	}
	return nil
}

// fill runs the upstreams, and then p, once and undisturbed.
func (b *bench) fill(ctx context.Context) error {
	var err error
	if b.base, err = b.newLab(ctx, b.folder); err != nil {
		return err
	}
	if err := b.borrow(ctx, b.base); err != nil {
		return err
	}
	s, err := b.base.sit(ctx, setup{})
	if err != nil {
		return err
	}
	_, err = s.run(ctx, run.Options{}, b.family[:len(b.family)-1]...)
	s.close()
	if err != nil {
		return err
	}
	if b.done, err = b.base.clone(ctx); err != nil {
		return err
	}
	s, err = b.done.sit(ctx, setup{})
	if err != nil {
		return err
	}
	defer s.close()
	var first *twice.Error
	var kept []twice.Window
	for _, w := range b.windows {
		events, err := s.windows(ctx, run.Options{}, w)
		if err != nil {
			return err
		}
		if bad := failure(events); bad != nil {
			if first == nil {
				first = bad
			}
			b.lost = append(b.lost, w.String()+": "+bad.Message)
			continue
		}
		kept = append(kept, w)
		b.outcomes = append(b.outcomes, events...)
	}
	b.windows = kept
	if len(kept) == 0 {
		if first == nil {
			first = twice.Errorf("no-window", "no window of %s could be run", b.p.Name)
		}
		return first
	}
	if b.clean, err = s.state(ctx); err != nil {
		return err
	}
	ses, err := s.db.Session(ctx)
	if err != nil {
		return err
	}
	defer ses.Close()
	cols, err := s.db.Columns(ctx, ses, b.p.Table)
	b.half = s.db.RowHash("twice_old", cols) + " % 2 = 0"
	return err
}

// full is a chosen window with rows, one that is not the first if there is a choice: so that a table is there already, and
// there is something to delete.
func (b *bench) full() twice.Window {
	best, rows := b.windows[len(b.windows)-1], int64(-1)
	for i, e := range b.outcomes {
		if (i > 0 || len(b.outcomes) == 1) && e.Rows > rows {
			best, rows = e.Window, e.Rows
		}
	}
	return best
}

func (b *bench) drop(ctx context.Context) {
	for _, l := range []*lab{b.base, b.done, b.old} {
		if l != nil {
			l.drop(ctx)
		}
	}
	os.RemoveAll(b.folder)
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
