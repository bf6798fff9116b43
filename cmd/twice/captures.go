package main

import (
	"strings"

	"github.com/twice-data/twice/capture"
	"github.com/twice-data/twice/manifest"
	"github.com/twice-data/twice/project"
	"github.com/twice-data/twice/prove"
	"github.com/twice-data/twice/run"
)

// captures is how runs of the project read what cannot be read twice.
func (a *app) captures(p *project.Project) (run.Captures, error) {
	if dir, ok := a.env(prove.CapturesVariable); ok && dir != "" {
		return prove.Replay(dir, nil), nil
	}
	store, err := a.store(p)
	if err != nil {
		return run.Captures{}, err
	}
	return run.Captures{Store: store, Take: (&capture.Capturer{Dir: p.Dir, Store: store}).Capture}, nil
}

// store is where the project's captures are kept.
func (a *app) store(p *project.Project) (manifest.Store, error) {
	where, err := p.Captures()
	if err != nil {
		return nil, err
	}
	if strings.Contains(where, "://") {
		return manifest.OpenBucket(where, a.env)
	}
	return manifest.Local{Dir: where}, nil
}
