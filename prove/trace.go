package prove

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/twice-data/twice"
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

// outdated is a lab in which the window that full gives waits to be written over something. It is made once.
func (b *bench) outdated(ctx context.Context) (*lab, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.old != nil {
		return b.old, nil
	}
	l, before, err := b.waiting(ctx, b.full())
	if err != nil {
		return nil, err
	}
	b.before = before
	if b.isStream() {
		l.rows = b.rows
		if err := b.walkBatches(ctx, l); err != nil {
			return nil, err
		}
	}
	b.old = l
	return l, nil
}

// waiting makes a lab in which w waits to be written over something: for overwrite and publish over rows that an older
// version of the SELECT gave, for merge beside the other windows' rows. It also gives what the lab holds.
func (b *bench) waiting(ctx context.Context, w twice.Window) (*lab, *state, error) {
	from, how, windows, force := b.done, setup{pipeline: b.older}, []twice.Window{w}, true
	if b.p.Write == twice.Merge {
		from, how, force = b.base, setup{}, false
		windows = slices.DeleteFunc(slices.Clone(b.windows), func(other twice.Window) bool { return other == w })
	}
	l, err := from.clone(ctx)
	if err != nil {
		return nil, nil, err
	}
	s, err := l.sit(ctx, how)
	if err != nil {
		return nil, nil, err
	}
	defer s.close()
	if _, err = s.each(ctx, run.Options{Force: force}, windows); err != nil {
		return nil, nil, err
	}
	before, err := s.look(ctx)
	return l, before, err
}

// onWaiting plays f on a lab of its own in which w waits, and throws that away.
func (b *bench) onWaiting(ctx context.Context, w twice.Window, f func(*lab) (*Break, error)) (*Break, error) {
	if w == b.full() {
		from, err := b.outdated(ctx)
		if err != nil {
			return nil, err
		}
		return b.onLab(ctx, from, f)
	}
	l, _, err := b.waiting(ctx, w)
	if err != nil {
		return nil, err
	}
	defer l.drop(context.WithoutCancel(ctx))
	return f(l)
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
