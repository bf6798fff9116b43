package prove

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/run"
)

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
	ses, err := s.db.Session(ctx)
	if err != nil {
		return nil, err
	}
	defer ses.Close()
	st, err := s.audited(ctx, ses)
	switch {
	case err != nil:
		return nil, err
	case len(st.lies) > 0:
		return &Break{Inputs: -1, Found: "before the next run " + st.lies[0]}, nil
	case !s.b.between(st):
		return &Break{Inputs: -1, Found: fmt.Sprintf("before the next run the table holds %s, which are neither the %d before nor the %d after",
			counted(int(st.Table.Rows), "row"), s.b.before.Table.Rows, s.b.clean.Table.Rows)}, nil
	default:
		return nil, nil
	}
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
