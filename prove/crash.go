package prove

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/ledger"
	"github.com/twice-data/twice/run"
)

// point is a place before or after a statement of a traced run.
type point struct {
	n    int
	name string
	side string // "before" or "after"
}

func (p point) String() string { return fmt.Sprintf("%s statement %d, %s", p.side, p.n, p.name) }

// where is how a child is told of a point.
func (p point) where() string { return p.side + ":" + strconv.Itoa(p.n) }

// outdated is a lab in which one window waits to be written over something: for overwrite and publish over rows that an
// older version of the SELECT gave, for merge beside the other windows' rows. It is made once.
func (b *bench) outdated(ctx context.Context) (*lab, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.old != nil {
		return b.old, nil
	}
	from, how, windows, force := b.done, setup{pipeline: b.older}, []twice.Window{b.full()}, true
	if b.p.Write == twice.Merge {
		from, how, force = b.base, setup{}, false
		windows = slices.DeleteFunc(slices.Clone(b.windows), func(w twice.Window) bool { return w == b.full() })
	}
	l, err := from.clone(ctx)
	if err != nil {
		return nil, err
	}
	s, err := l.sit(ctx, how)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if _, err := s.each(ctx, run.Options{Force: force}, windows); err != nil {
		return nil, err
	}
	if b.before, err = s.look(ctx); err != nil {
		return nil, err
	}
	b.old = l
	return l, nil
}

// older is an older version of p: its SELECT gave about half of the rows.
func (b *bench) older(p twice.Pipeline) *twice.Pipeline {
	p.SQL = "SELECT * FROM (\n" + twice.Canonical(p.SQL) + "\n) AS twice_old WHERE " + b.half
	p.Checks, p.AllowEmpty = nil, true
	return &p
}

// trace lists the points of a clean run of one window by a child, and what is left after it.
func (b *bench) trace(ctx context.Context) ([]point, error) {
	from, err := b.outdated(ctx)
	if err != nil || b.points != nil {
		return b.points, err
	}
	_, err = b.onLab(ctx, from, func(l *lab) (*Break, error) {
		file := filepath.Join(b.root, "trace-"+b.name())
		defer os.Remove(file)
		c := l.child(ctx, b.full(), nil, map[string]string{"TWICE_TRACE": file})
		if bad := c.wait(); bad != nil {
			return nil, fmt.Errorf("a clean run in a process of its own fails: %w", bad)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
			side, rest, _ := strings.Cut(line, " ")
			number, name, _ := strings.Cut(rest, " ")
			n, err := strconv.Atoi(number)
			if err != nil {
				return nil, fmt.Errorf("the trace has a line %q", line)
			}
			b.points = append(b.points, point{n, name, side})
			if side == "before" {
				b.walk = append(b.walk, name)
			}
		}
		if len(b.points) == 0 {
			return nil, errors.New("a clean run sends no statements")
		}
		s, err := l.sit(ctx, setup{})
		if err != nil {
			return nil, err
		}
		defer s.close()
		b.tables, err = s.tables(ctx)
		return nil, err
	})
	return b.points, err
}

// tables lists the target's tables.
func (s *sitting) tables(ctx context.Context) ([]string, error) {
	ses, err := s.db.Session(ctx)
	if err != nil {
		return nil, err
	}
	defer ses.Close()
	var names []string
	err = ses.Query(ctx, "tables", "SELECT table_schema || '.' || table_name FROM information_schema.tables "+
		"WHERE table_schema NOT IN ('information_schema', 'pg_catalog') ORDER BY 1", func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		names = append(names, name)
		return err
	})
	return names, err
}

// mostPairs is how many pairs of kills are tried of traces that are not short.
const mostPairs = 400

// tryCrash kills a child at every point and then at pairs of points, inside commits, and cuts the log that it leaves.
func tryCrash(ctx context.Context, b *bench, t *trials) error {
	points, err := b.trace(ctx)
	if err != nil {
		return err
	}
	t.note(fmt.Sprintf("%d points: before and after each of %d statements", len(points), len(b.walk)))
	chance := rand.New(rand.NewPCG(uint64(b.Seed), 3))
	began := time.Now()
	defer func() { b.crashing += time.Since(began) }()
	if err := t.all(ctx, singles(points, chance)); err != nil {
		return err
	}
	if err := t.all(ctx, commitKills(points, chance)); err != nil {
		return err
	}
	return t.all(ctx, pairs(points, chance))
}

// singles kill at each point: those around commits first, the others in a random order.
func singles(points []point, chance *rand.Rand) []scenario {
	order := slices.Clone(points)
	chance.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	slices.SortStableFunc(order, func(a, b point) int { return rankOf(a) - rankOf(b) })
	ss := make([]scenario, len(order))
	for i, p := range order {
		ss[i] = killed(p)
	}
	return ss
}

func rankOf(p point) int {
	if p.name == "commit" {
		return 0
	}
	return 1
}

func killed(ps ...point) scenario {
	names := make([]string, len(ps))
	steps := []string{}
	for i, p := range ps {
		names[i] = p.String()
		steps = append(steps, "run a window and kill the process (SIGKILL) "+p.String())
	}
	name := "killed " + strings.Join(names, ", then ")
	return scenario{name: name, steps: append(steps, "run again"), play: func(ctx context.Context, b *bench) (*Break, error) {
		from, err := b.outdated(ctx)
		if err != nil {
			return nil, err
		}
		return b.onLab(ctx, from, func(l *lab) (*Break, error) {
			for _, p := range ps {
				c := l.child(ctx, b.full(), nil, map[string]string{"TWICE_CRASH_AT": p.where()})
				if _, err := c.killed(); err != nil {
					return nil, err
				}
				b.count()
			}
			return l.recovered(ctx, name)
		})
	}}
}

// count notes a kill.
func (b *bench) count() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.crashes++
}

// recovered runs everything to its end, as somebody does who types the command again, compares, and looks for residue.
func (l *lab) recovered(ctx context.Context, point string) (*Break, error) {
	s, err := l.sit(ctx, setup{})
	if err != nil {
		return nil, err
	}
	br, err := s.halfway(ctx)
	if err == nil && br == nil {
		br, err = s.together(ctx, run.Options{})
	}
	if err == nil && br == nil {
		err = s.residue(ctx, point)
	}
	s.abandon(ctx)
	if br != nil {
		br.Point = point
		br.Windows = []twice.Window{l.b.full()}
	}
	if err == nil && br == nil && exists(l.target.Path+".tmp") {
		l.b.left(point, "the file .tmp beside the target")
	}
	return br, err
}

// halfway holds what a killed run has left against the rows before it and those after it: it must be one of them, and the
// receipts must be those of these rows. The run that follows may hide it, and somebody may have read it by then.
func (s *sitting) halfway(ctx context.Context) (*Break, error) {
	st, err := s.state(ctx)
	switch {
	case err != nil:
		return nil, err
	case len(st.lies) > 0:
		return &Break{Inputs: -1, Found: "before the next run " + st.lies[0]}, nil
	case !st.equal(s.b.before) && !st.equal(s.b.clean):
		return &Break{Inputs: -1, Found: fmt.Sprintf("before the next run the table holds %s, which are neither the %d before nor the %d after",
			counted(int(st.Table.Rows), "row"), s.b.before.Table.Rows, s.b.clean.Table.Rows)}, nil
	default:
		return nil, nil
	}
}

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
		default:
			return nil, nil
		}
		return br, nil
	})
}

// pairs lists pairs of kills in a random order: all of them for short traces, a sample otherwise.
func pairs(points []point, chance *rand.Rand) []scenario {
	var ss []scenario
	for _, first := range points {
		for _, second := range points {
			ss = append(ss, killed(first, second))
		}
	}
	chance.Shuffle(len(ss), func(i, j int) { ss[i], ss[j] = ss[j], ss[i] })
	if len(points) > 40 {
		ss = ss[:min(len(ss), mostPairs)]
	}
	return ss
}

// commitTries is how often a child is killed inside each commit.
const commitTries = 8

// commitKills kill a child a random moment after it has begun a commit: statement boundaries do not find a torn one. For
// a log that is found then, each cut of its tail is one more way to die.
func commitKills(points []point, chance *rand.Rand) []scenario {
	var ss []scenario
	for _, p := range points {
		if p.name != "commit" || p.side != "before" {
			continue
		}
		for range commitTries {
			delay := time.Duration(chance.Int64N(int64(4 * time.Millisecond)))
			name := fmt.Sprintf("killed %s after the start of statement %d, commit", delay.Round(10*time.Microsecond), p.n)
			ss = append(ss, scenario{
				name: name, steps: []string{"run a window; " + name, "run again"},
				play: func(ctx context.Context, b *bench) (*Break, error) { return insideCommit(ctx, b, p, delay, name) },
			})
		}
	}
	return ss
}

func insideCommit(ctx context.Context, b *bench, p point, delay time.Duration, name string) (*Break, error) {
	from, err := b.outdated(ctx)
	if err != nil {
		return nil, err
	}
	return b.onLab(ctx, from, func(l *lab) (*Break, error) {
		c := l.child(ctx, b.full(), nil, map[string]string{"TWICE_STOP_AT": p.where()})
		if _, err := c.stopped(); err != nil {
			return nil, err
		}
		c.wake()
		time.Sleep(delay) // the moment of death is what the trial is about
		c.kill()
		if _, err := c.killed(); err != nil {
			return nil, err
		}
		b.count()
		if br, err := cutLog(ctx, l, name); err != nil || br != nil {
			return br, err
		}
		return l.recovered(ctx, name)
	})
}

// cutLog tries every way in which the last bytes of DuckDB's log may be missing.
func cutLog(ctx context.Context, l *lab, name string) (*Break, error) {
	if l.target.Path == "" {
		return nil, nil
	}
	info, err := os.Stat(l.target.Path + ".wal")
	if err != nil || info.Size() == 0 {
		return nil, nil
	}
	for _, cut := range []int64{1, 4, 8, 9, 12, 16, 17, 20, 24, 32, 64, 256, 4096, info.Size() / 2, info.Size() - 1} {
		if cut >= info.Size() {
			continue
		}
		br, err := l.b.onLab(ctx, l, func(copied *lab) (*Break, error) {
			if err := os.Truncate(copied.target.Path+".wal", info.Size()-cut); err != nil {
				return nil, err
			}
			l.b.count()
			return copied.recovered(ctx, fmt.Sprintf("%s, the log's last %d bytes lost", name, cut))
		})
		if err != nil || br != nil {
			return br, err
		}
	}
	return nil, nil
}

// errLost stands for an answer that never came.
var errLost = errors.New("the connection was lost before the answer to COMMIT came")

// tryAck loses the answer to each commit of a run. The run asks the ledger and goes on; nothing may be written twice.
func tryAck(ctx context.Context, b *bench, t *trials) error {
	points, err := b.trace(ctx)
	if err != nil {
		return err
	}
	commits := 0
	for _, p := range points {
		if p.name == "commit" && p.side == "after" {
			commits++
		}
	}
	var ss []scenario
	for n := 1; n <= commits; n++ {
		for _, also := range []bool{false, true} {
			name := fmt.Sprintf("the answer to commit %d of %d is lost", n, commits)
			if also {
				name += ", and the answer to the commit after it"
			}
			ss = append(ss, scenario{name: name, steps: []string{"run a window; " + name, "the run goes on by itself"},
				play: func(ctx context.Context, b *bench) (*Break, error) { return lostAnswer(ctx, b, n, also) }})
		}
	}
	return t.all(ctx, ss)
}

func lostAnswer(ctx context.Context, b *bench, n int, also bool) (*Break, error) {
	from, err := b.outdated(ctx)
	if err != nil {
		return nil, err
	}
	seen := 0
	tap := func(p engine.Point) error {
		if p.Name != "commit" || !p.After {
			return nil
		}
		seen++
		if seen == n || also && seen == n+1 {
			return errLost
		}
		return nil
	}
	return b.onSitting(ctx, from, setup{tap: tap}, func(s *sitting) (*Break, error) {
		events, err := s.windows(ctx, run.Options{}, b.full())
		if err != nil {
			return nil, err
		}
		if bad := failure(events); bad != nil {
			return failed(bad), nil
		}
		if br, err := s.compared(ctx); err != nil || br != nil {
			return br, err
		}
		times, err := s.receipts(ctx, fmt.Sprintf("prove-%s-%d", filepath.Base(s.temp), s.n))
		if err == nil && times != 1 {
			return &Break{Inputs: -1, Found: fmt.Sprintf("the window was committed %d times in one run", times)}, nil
		}
		return nil, err
	})
}

// receipts counts the receipts that a run left in the history.
func (s *sitting) receipts(ctx context.Context, runID string) (int, error) {
	ses, err := s.db.Session(ctx)
	if err != nil {
		return 0, err
	}
	defer ses.Close()
	rs, err := ledger.History(ctx, ses, s.b.p.Name, runID, 0)
	return len(rs), err
}
