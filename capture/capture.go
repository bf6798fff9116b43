package capture

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/manifest"
)

// Capturer captures inputs.
type Capturer struct {
	Dir   string         // the project's folder, in which commands run
	Store manifest.Store // where captures are kept

	// Pause waits before an HTTP request is tried again; nil: for as long as it says.
	Pause func(ctx context.Context, d time.Duration) error
}

// Capture captures every input of p that cannot be read twice, for each of the windows, and gives their pins by window. An
// input that does not depend on the window is read once for all of them. Queries to one server see one snapshot of it,
// whatever input and window they are for. The captures' files stay in the folder tmp, under the names by which
// manifest.Fetch looks for them there.
func (c *Capturer) Capture(ctx context.Context, p *twice.Pipeline, windows []twice.Window, tmp string) ([][]twice.Pin, error) {
	r := &reading{Capturer: c, pipeline: p, tmp: tmp, snapshots: map[string]snapshot{}}
	defer r.close()
	pins := make([][]twice.Pin, len(windows))
	for i := range p.Inputs {
		in := &p.Inputs[i]
		if !in.Captured() {
			continue
		}
		var pin twice.Pin
		for n, w := range windows {
			if n == 0 || in.ByWindow() {
				var err error
				if pin, err = r.input(ctx, in, w); err != nil {
					return nil, place(err, p, in)
				}
			}
			pins[n] = append(pins[n], pin)
		}
	}
	return pins, nil
}

// reading is one Capture under way.
type reading struct {
	*Capturer
	pipeline  *twice.Pipeline
	tmp       string
	snapshots map[string]snapshot // by engine and URL
}

// snapshot is a transaction that sees a database as it was at one moment.
type snapshot interface {
	// rows runs a SELECT and stages what it gives. A column whose type cannot travel is an Error before the first row.
	rows(ctx context.Context, query string, to *rows) error
	close()
}

func (r *reading) close() {
	for _, s := range r.snapshots {
		s.close()
	}
}

// input captures one input for one window.
func (r *reading) input(ctx context.Context, in *twice.Input, w twice.Window) (twice.Pin, error) {
	dir, err := os.MkdirTemp(r.tmp, "capture-*")
	if err != nil {
		return twice.Pin{}, noRoom(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "capture.parquet")
	switch {
	case in.Database != nil:
		err = r.query(ctx, in, w, file)
	case in.Command != nil:
		err = r.command(ctx, in, w, file)
	default:
		err = r.http(ctx, in, w, file)
	}
	if err != nil {
		return twice.Pin{}, err
	}
	kept, err := r.keep(ctx, file)
	return twice.Pin{Name: in.Name, Kind: in.Kind(), Source: in.Digest(), Capture: &kept}, err
}

// keep puts a file into the store.
func (r *reading) keep(ctx context.Context, file string) (twice.File, error) {
	f, err := os.Open(file)
	if err != nil {
		return twice.File{}, err
	}
	defer f.Close()
	kept, err := r.Store.Put(ctx, f)
	if err != nil {
		return twice.File{}, err
	}
	return twice.File{Size: kept.Size, SHA256: kept.SHA256}, os.Rename(file, manifest.CapturePath(r.tmp, kept.SHA256))
}

// query captures a query's rows.
func (r *reading) query(ctx context.Context, in *twice.Input, w twice.Window, file string) error {
	query, err := twice.Bind(in.Database.Query, w)
	if err != nil {
		return err
	}
	s, err := r.snapshot(ctx, in.Database)
	if err != nil {
		return err
	}
	staged, err := newRows(in, filepath.Join(filepath.Dir(file), "rows.csv"))
	if err != nil {
		return noRoom(err)
	}
	defer staged.close()
	if err := s.rows(ctx, query, staged); err != nil {
		return err
	}
	return staged.toParquet(ctx, file)
}

func (r *reading) snapshot(ctx context.Context, d *twice.DatabaseInput) (snapshot, error) {
	key := d.Engine + " " + d.URL
	if s, ok := r.snapshots[key]; ok {
		return s, nil
	}
	open := openPostgres
	if d.Engine == "mysql" {
		open = openMySQL
	}
	s, err := open(ctx, d.URL)
	if err != nil {
		return nil, err
	}
	r.snapshots[key] = s
	return s, nil
}

// place says where the input is declared, unless the error has a place already.
func place(err error, p *twice.Pipeline, in *twice.Input) error {
	e := *twice.AsError(err)
	if e.File == "" {
		e.File, e.Line = p.File, in.Line
	}
	return &e
}
