package main

import (
	"context"
	"fmt"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/ledger"
	"github.com/twice-data/twice/run"
)

// withPipelines opens the project, and calls f with the pipelines that args select. What need names is as for open.
func (a *app) withPipelines(ctx context.Context, need, args []string, f func(*opened, []*twice.Pipeline) error) error {
	o, err := a.open(ctx, need...)
	if err != nil {
		return err
	}
	defer o.Close()
	pipelines, err := o.Select(args)
	if err != nil {
		return err
	}
	return f(o, pipelines)
}

// withRunner calls f with a runner of the opened project, to which flags, if there are any, are applied.
func (a *app) withRunner(o *opened, flags *runFlags, f func(*run.Runner) error) error {
	r, done, err := a.runner(o)
	if err != nil {
		return err
	}
	defer done()
	if flags != nil {
		if err := flags.apply(r); err != nil {
			return err
		}
	}
	return f(r)
}

// withLedger opens the project and a session on its target, and calls f if there is a ledger.
func (a *app) withLedger(ctx context.Context, f func(*opened, *engine.Session) error) error {
	return a.withTarget(ctx, nil, func(o *opened, s *engine.Session) error { return a.ledgerOf(ctx, o, s, f) })
}

// withTarget opens the project, as far as args need it, and a session on its target.
func (a *app) withTarget(ctx context.Context, args []string, f func(*opened, *engine.Session) error) error {
	o, err := a.open(ctx, args...)
	if err != nil {
		return err
	}
	defer o.Close()
	s, err := o.DB.Session(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	return f(o, s)
}

// ledgerOf calls f if there is a ledger.
func (a *app) ledgerOf(ctx context.Context, o *opened, s *engine.Session, f func(*opened, *engine.Session) error) error {
	ok, err := ledger.Exists(ctx, s)
	if err != nil {
		return err
	}
	if !ok {
		if !a.json {
			fmt.Fprintf(a.stdout, "target %s has not been written by twice yet\nnext: twice run\n", o.Target.Name)
		}
		return nil
	}
	return f(o, s)
}
