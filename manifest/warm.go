package manifest

import (
	"context"
	"os"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/twice-data/twice"
)

// Warm hashes the files that in means for the windows, each window by itself and several files at a time, so that
// Resolve finds their hashes. What is wrong with a file, and what is not there, is left for Resolve to say.
func (f *Files) Warm(ctx context.Context, in *twice.Input, windows []twice.Window) {
	f.once.Do(f.open)
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	seen := map[string]bool{}
	for i := range windows {
		paths, err := f.paths(in, windows[i:i+1])
		if err != nil {
			continue
		}
		for _, p := range paths {
			if seen[p] || ctx.Err() != nil {
				continue
			}
			seen[p] = true
			if !f.wants(p) {
				continue
			}
			g.Go(func() error {
				_, _ = f.identify(ctx, p, &in.Files.Reader)
				return nil
			})
		}
	}
	_ = g.Wait()
}

// wants says whether a file has to be hashed, and is old enough for the hash to be of use.
func (f *Files) wants(path string) bool {
	info, err := os.Stat(f.absolute(path))
	if err != nil || time.Since(info.ModTime()) <= settled {
		return false
	}
	file, ok := f.known(path)
	return !ok || !unchanged(file, info)
}
