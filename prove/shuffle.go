package prove

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/run"
)

// sessionSettings are statements that each session of a lab begins with.
func sessionSettings(statements ...string) func(engine.Driver) engine.Driver {
	return func(d engine.Driver) engine.Driver { return &settled{d, statements} }
}

// settled is a driver whose sessions begin with some settings.
type settled struct {
	engine.Driver
	statements []string
}

func (d *settled) Connect(ctx context.Context) (*sql.Conn, error) {
	conn, err := d.Driver.Connect(ctx)
	if err != nil {
		return nil, err
	}
	for _, st := range d.statements {
		if _, err := conn.ExecContext(ctx, st); err != nil {
			conn.Close()
			return nil, d.Explain(err)
		}
	}
	return conn, nil
}

// threads are settings for one thread and for many, by engine.
var threads = map[string][2]string{
	"duckdb":   {"SET threads = 1", "SET threads = 8"},
	"postgres": {"SET max_parallel_workers_per_gather = 0", "SET parallel_setup_cost = 0"},
}

// blocks are how many rows are stored together in files that are so read in parts: as the format likes, and few.
var blocks = [2]int{0, 2048}

// tryShuffle brings rows in another order: in files, among files, and in the tables that p reads.
func tryShuffle(ctx context.Context, b *bench, t *trials) error {
	var ss []scenario
	for n := range 4 {
		setting, block := threads[b.Target.Engine][n%2], blocks[n%2]
		seed := uint64(b.Seed) + uint64(n)
		ss = append(ss, scenario{
			name:  fmt.Sprintf("order %d", n+1),
			steps: []string{"bring the input's rows, files and tables into another order; " + setting, "run every window"},
			play:  func(ctx context.Context, b *bench) (*Break, error) { return shuffled(ctx, b, seed, setting, block) },
		})
	}
	return t.all(ctx, ss)
}

func shuffled(ctx context.Context, b *bench, seed uint64, setting string, block int) (*Break, error) {
	return b.onInputs(ctx, nil, setup{wrap: sessionSettings(setting)}, func(s *sitting) (*Break, error) {
		chance := rand.New(rand.NewPCG(seed, 4))
		if err := b.swapFiles(ctx, s.folder, chance); err != nil {
			return nil, err
		}
		_, err := b.change(ctx, s.folder, b.feeds, func(_ feed, sh *sheet) bool {
			sh.block = block
			chance.Shuffle(len(sh.rows), func(i, j int) { sh.rows[i], sh.rows[j] = sh.rows[j], sh.rows[i] })
			return len(sh.rows) > 1
		})
		if err != nil {
			return nil, err
		}
		if err := s.upstreams(ctx); err != nil {
			return nil, err
		}
		for _, name := range b.p.Upstreams {
			if err := s.rearrange(ctx, name, seed); err != nil {
				return nil, err
			}
		}
		if bad, err := s.each(ctx, run.Options{}, b.windows); err != nil || bad != nil {
			return failed(bad), err
		}
		return s.compared(ctx)
	})
}

// swapFiles exchanges the rows of files of one shape that the same windows read. The files in folder are as they came.
func (b *bench) swapFiles(ctx context.Context, folder string, chance *rand.Rand) error {
	groups := map[string][]feed{}
	for _, f := range b.feeds {
		key := f.pipeline.Name + "\n" + f.input.Name + "\n" + list(f.windows)
		groups[key] = append(groups[key], f)
	}
	for _, fs := range groups {
		if len(fs) < 2 {
			continue
		}
		pair := []feed{fs[0], fs[1+chance.IntN(len(fs)-1)]}
		for i, f := range pair {
			other, err := b.readSheet(ctx, b.folder, pair[1-i])
			if err != nil {
				return err
			}
			_, err = b.change(ctx, folder, []feed{f}, func(_ feed, s *sheet) bool {
				if other.why != "" || other.shape != s.shape {
					return false
				}
				s.rows = other.rows
				return true
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// rearrange stores the rows of an upstream's table in another order.
func (s *sitting) rearrange(ctx context.Context, name string, seed uint64) error {
	i := slices.IndexFunc(s.b.family, func(p *twice.Pipeline) bool { return p.Name == name })
	t := s.b.family[i].Table
	ses, err := s.db.Session(ctx)
	if err != nil {
		return err
	}
	defer ses.Close()
	cols, err := s.db.Columns(ctx, ses, t)
	if err != nil || len(cols) == 0 {
		return err
	}
	other := t.Beside("shuffled")
	for _, st := range []string{
		fmt.Sprintf("CREATE TABLE %s AS SELECT * FROM %s AS t ORDER BY %s %% %d, %s DESC", s.db.Name(other), s.db.Name(t),
			s.db.RowHash("t", cols), 1009+seed%7919, s.db.RowHash("t", cols)),
		"DROP TABLE " + s.db.Name(t),
		fmt.Sprintf("ALTER TABLE %s RENAME TO %s", s.db.Name(other), engine.Ident(t.Name)),
	} {
		if _, err := ses.Exec(ctx, "shuffle", st); err != nil {
			return err
		}
	}
	return nil
}
