package prove

import (
	"context"
	"os"
	"slices"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/ledger"
)

// residue looks for tables and leases that a clean run does not leave.
func (s *sitting) residue(ctx context.Context, point string) error {
	tables, err := s.tables(ctx)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if !slices.Contains(s.b.tables, t) {
			s.b.left(point, "the table "+t)
		}
	}
	ses, err := s.db.Session(ctx)
	if err != nil {
		return err
	}
	defer ses.Close()
	holders, err := ledger.Holders(ctx, ses)
	for _, h := range holders {
		s.b.left(point, "the lease on "+h.Scope)
	}
	return err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (b *bench) left(point, what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.residues = append(b.residues, residue{point, what})
}

// residue is something that was left behind.
type residue struct{ point, what string }

// tryResidue judges by what the crash law's trials left in the target, and by what some more leave in the folder for
// temporary files when the next run is a process as well.
func tryResidue(ctx context.Context, b *bench, t *trials) error {
	points, err := b.trace(ctx)
	if err != nil {
		return err
	}
	for _, r := range b.residues {
		t.broken = &Break{
			Inputs: -1, Point: r.point, Found: r.what + " is still there after the next run", Windows: []twice.Window{b.full()},
			Steps: []string{"run a window; the process is " + r.point, "run again"},
		}
		return nil
	}
	t.also = b.crashes
	var ss []scenario
	for i := range 4 {
		p := points[(2*i+1)*len(points)/8]
		ss = append(ss, scenario{
			name: "killed " + p.String(), steps: []string{"run a window and kill the process (SIGKILL) " + p.String(), "run again"},
			play: func(ctx context.Context, b *bench) (*Break, error) { return filesLeft(ctx, b, p) },
		})
	}
	return t.all(ctx, ss)
}

func filesLeft(ctx context.Context, b *bench, p point) (*Break, error) {
	from, err := b.outdated(ctx)
	if err != nil {
		return nil, err
	}
	return b.onLab(ctx, from, func(l *lab) (*Break, error) {
		c := l.child(ctx, b.full(), nil, map[string]string{"TWICE_CRASH_AT": p.where()})
		if _, err := c.killed(); err != nil {
			return nil, err
		}
		b.count()
		if bad := l.child(ctx, b.full(), nil, nil).wait(); bad != nil {
			return failed(bad), nil
		}
		entries, err := os.ReadDir(l.temp)
		if err != nil {
			return nil, err
		}
		br := &Break{Inputs: -1, Point: "killed " + p.String()}
		switch {
		case len(entries) > 0:
			br.Found = "the temporary file " + entries[0].Name() + " is still there after the next run"
		case l.target.Path != "" && exists(l.target.Path+".wal"):
			br.Found = "the log .wal is still beside the target after the next run"
		case l.target.Path != "" && exists(l.target.Path+".spare"):
			br.Found = "the copy .spare is still beside the target after the next run"
		default:
			return nil, nil
		}
		return br, nil
	})
}
