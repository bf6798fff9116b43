package prove

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/manifest"
	"github.com/twice-data/twice/run"
)

// CapturesVariable of the environment tells a child where a prove keeps its captures.
const CapturesVariable = "TWICE_SCRATCH_CAPTURES"

// Take captures the inputs of p that cannot be read twice, for each of the windows, into the store and the folder tmp.
type Take func(ctx context.Context, store manifest.Store, p *twice.Pipeline, windows []twice.Window, tmp string) ([][]twice.Pin, error)

// Replay takes the captures of a window once, into the folder dir, and gives the same to all runs that ask for them, in
// every process: laws are about what a pipeline does with its inputs, which must be the same ones then. Nothing that is not
// there yet is captured without a take.
func Replay(dir string, take Take) run.Captures {
	r := replay{dir, manifest.Local{Dir: filepath.Join(dir, "store")}, take}
	return run.Captures{Store: r.store, Take: r.all}
}

type replay struct {
	dir   string
	store manifest.Local
	take  Take
}

func (r replay) all(ctx context.Context, p *twice.Pipeline, windows []twice.Window, tmp string) ([][]twice.Pin, error) {
	pins := make([][]twice.Pin, len(windows))
	for i, w := range windows {
		var err error
		if pins[i], err = r.window(ctx, p, w, tmp); err != nil {
			return nil, err
		}
	}
	return pins, nil
}

func (r replay) window(ctx context.Context, p *twice.Pipeline, w twice.Window, tmp string) ([]twice.Pin, error) {
	sum := sha256.Sum256([]byte(p.Name + "\n" + w.Key()))
	path := filepath.Join(r.dir, hex.EncodeToString(sum[:])+".json")
	var pins []twice.Pin
	b, err := os.ReadFile(path)
	if err == nil {
		return pins, json.Unmarshal(b, &pins)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if r.take == nil {
		return nil, twice.Errorf("no-captures", "nothing was captured for window %s of %s", w, p.Name)
	}
	taken, err := r.take(ctx, r.store, p, []twice.Window{w}, tmp)
	if err != nil {
		return nil, err
	}
	if b, err = json.Marshal(taken[0]); err != nil {
		return nil, err
	}
	return taken[0], write(path, string(b))
}
