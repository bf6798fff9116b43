package prove

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"time"
)

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
		if br, err := cutLog(ctx, l, p, name); err != nil || br != nil {
			return br, err
		}
		return l.recovered(ctx, name)
	})
}

// cutLog tries every way in which the last bytes of DuckDB's log may be missing. Logs of one length, left by runs that
// were killed at the same commit, are the same.
func cutLog(ctx context.Context, l *lab, p point, name string) (*Break, error) {
	if l.target.Path == "" {
		return nil, nil
	}
	info, err := os.Stat(l.target.Path + ".wal")
	if err != nil || info.Size() == 0 || !l.b.newLog(p.n, info.Size()) {
		return nil, nil
	}
	began := time.Now()
	defer func() { l.b.cut(time.Since(began)) }()
	for _, cut := range []int64{1, 4, 8, 9, 12, 16, 17, 20, 24, 32, 64, 256, 4096, info.Size() / 2, info.Size() - 1} {
		if cut >= info.Size() {
			continue
		}
		br, err := l.b.onLab(ctx, l, func(copied *lab) (*Break, error) {
			if err := os.Truncate(copied.target.Path+".wal", info.Size()-cut); err != nil {
				return nil, err
			}
			return copied.recovered(ctx, fmt.Sprintf("%s, the log's last %d bytes lost", name, cut))
		})
		if err != nil || br != nil {
			return br, err
		}
	}
	return nil, nil
}

// cut notes for how long a worker has cut logs: in that time it killed nothing.
func (b *bench) cut(took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.crashing -= took / time.Duration(b.Workers)
}

// newLog says whether a log of that length, of a run killed at that statement, is met for the first time.
func (b *bench) newLog(statement int, length int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := fmt.Sprint(statement, " ", length)
	met := b.logs[key]
	if b.logs == nil {
		b.logs = map[string]bool{}
	}
	b.logs[key] = true
	return !met
}
