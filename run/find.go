package run

import (
	"context"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/twice-data/twice"
)

// find begins the steps of all pipelines, while the caller asks the ledger about them: it looks at files and at nothing
// else. What it leaves in found is there when the channel has answered.
func (pl *planner) find(ctx context.Context, pipelines []*twice.Pipeline) <-chan error {
	pl.found = map[string][]Step{}
	done := make(chan error, 1)
	go func() {
		done <- func() error {
			for _, p := range pipelines {
				if p.Stream() != nil {
					continue
				}
				steps, err := pl.findFiles(ctx, p)
				if err != nil {
					return err
				}
				pl.found[p.Name] = steps
			}
			return nil
		}()
	}()
	return done
}

// findFiles begins the steps of p: a manifest for each window with its files in it, or in Err what is wrong with them. It
// looks at as many windows at a time as there are processors.
func (pl *planner) findFiles(ctx context.Context, p *twice.Pipeline) ([]Step, error) {
	ws, err := pl.windows(p)
	if err != nil {
		return nil, err
	}
	code := p.Digest()
	steps := make([]Step, len(ws))
	for i, w := range ws {
		steps[i] = Step{Pipeline: p, Window: w, Code: code}
	}
	if pl.Pinned {
		return steps, nil // their files are those of the recorded manifests
	}
	var next atomic.Int64
	var g errgroup.Group
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			for i := next.Add(1) - 1; i < int64(len(steps)); i = next.Add(1) - 1 {
				pl.files(ctx, &steps[i])
			}
			return nil
		})
	}
	return steps, g.Wait()
}

// files begins a step's manifest with its files; pins of other kinds are empty still.
func (pl *planner) files(ctx context.Context, st *Step) {
	p := st.Pipeline
	pins := make([]twice.Pin, len(p.Inputs), len(p.Inputs)+len(p.Upstreams))
	for i := range p.Inputs {
		if p.Inputs[i].Files == nil {
			continue
		}
		var err error
		if pins[i], err = pl.filesOf(p).Resolve(ctx, &p.Inputs[i], []twice.Window{st.Window}); err != nil {
			st.Err = twice.AsError(err)
			return
		}
	}
	st.Manifest.Inputs = pins
}
