package main

import (
	"context"

	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/engine/duckdb"
	"github.com/twice-data/twice/project"
)

// scratchBlocks keeps scratch files small, as they are copied for each trial.
const scratchBlocks = 16 << 10

// openScratch opens a scratch target, a DuckDB file by open: a child of prove has it alone, prove itself opens many. It has
// one thread, as several trials run at a time. A law that is about threads sets their number itself.
func openScratch(ctx context.Context, t project.Target, p patience,
	open func(context.Context, duckdb.Options) (*duckdb.Driver, error),
) (engine.Driver, error) {
	if t.Engine != "duckdb" {
		return drivers[t.Engine](ctx, t, p)
	}
	d, err := open(ctx, duckdb.Options{Path: t.Path, Wait: p.wait, Threads: 1, BlockSize: scratchBlocks})
	if err != nil {
		return nil, err
	}
	return d, nil
}
