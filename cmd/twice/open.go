package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/engine/duckdb"
	"github.com/twice-data/twice/engine/postgres"
	"github.com/twice-data/twice/ledger"
	"github.com/twice-data/twice/project"
	"github.com/twice-data/twice/run"
)

// drivers are the engines that this program knows, by the name that twice.yml gives them.
var drivers = map[string]func(context.Context, project.Target, time.Duration) (engine.Driver, error){
	"duckdb": func(ctx context.Context, t project.Target, wait time.Duration) (engine.Driver, error) {
		return duckdb.Open(ctx, duckdb.Options{Path: t.Path, Wait: wait})
	},
	"postgres": func(ctx context.Context, t project.Target, _ time.Duration) (engine.Driver, error) {
		return postgres.Open(ctx, postgres.Options{URL: t.URL, Schema: t.Schema})
	},
}

// opened is a project with its target.
type opened struct {
	*project.Project
	Target project.Target
	DB     *engine.DB

	memo     memo
	recalled int // entries of memo that were read
}

// Close closes the target.
func (o *opened) Close() error {
	err := o.DB.Close()
	if err == nil {
		o.remember()
	}
	return err
}

// open loads the project, opens the target and finds out which pipeline reads which.
func (a *app) open(ctx context.Context) (*opened, error) {
	p, err := project.Load(a.dir, a.env)
	if err != nil {
		return nil, err
	}
	t, err := p.Target(a.target)
	if err != nil {
		return nil, err
	}
	o := &opened{Project: p, Target: t}
	if o.DB, err = a.openTarget(ctx, t); err != nil {
		return nil, err
	}
	o.recall()
	if err := o.link(ctx); err != nil {
		o.Close()
		return nil, err
	}
	return o, nil
}

func (a *app) openTarget(ctx context.Context, t project.Target) (*engine.DB, error) {
	d, err := drivers[t.Engine](ctx, t, a.wait)
	if err != nil {
		return nil, err
	}
	var tap engine.Tap
	if a.trace != nil {
		tap = a.trace.at
	}
	return engine.Open(d, tap), nil
}

// link parses every pipeline's SQL with the engine's own parser, as far as it is not known what it says.
func (o *opened) link(ctx context.Context) error {
	return o.Link(func(pl *twice.Pipeline) ([]engine.TableRef, error) {
		if refs, ok := o.memo.Tables[pl.Name]; ok {
			return refs, nil
		}
		q, err := o.DB.Parse(ctx, pl.SQL)
		if err != nil {
			return nil, err
		}
		o.memo.Tables[pl.Name] = q.Tables
		return q.Tables, nil
	})
}

// runner makes a runner of the opened project. Call the returned function when it is done.
func (a *app) runner(o *opened) (*run.Runner, func(), error) {
	temp, err := os.MkdirTemp("", "twice-")
	if err != nil {
		return nil, nil, err
	}
	r := &run.Runner{
		DB: o.DB, Project: o.Pipelines, Dir: o.Dir, Env: a.env, Me: me(), ID: newRunID(a.now()),
		Command: strings.Join(append([]string{"twice"}, os.Args[1:]...), " "), Version: version, Temp: temp,
	}
	if r.Captures, err = a.captures(o.Project); err != nil {
		os.RemoveAll(temp)
		return nil, nil, err
	}
	r.Now, r.Wait = a.now(), a.wait
	return r, func() { r.Close(); os.RemoveAll(temp) }, nil
}

// newRunID is sortable by time and unique: 20200301T120000-4f1c09ab.
func newRunID(now time.Time) string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return now.UTC().Format("20060102T150405") + "-" + hex.EncodeToString(b[:])
}

// me is this process as leases name it. Processes see each other only inside one PID namespace, so that is part of the
// host's name.
func me() ledger.Process {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	if ns, err := os.Readlink("/proc/self/ns/pid"); err == nil {
		host += " " + strings.Trim(strings.TrimPrefix(ns, "pid:"), "[]")
	}
	return ledger.Process{Host: host, PID: os.Getpid(), Alive: alive}
}

// alive says whether a process of this machine still runs. A zombie, dead but not yet waited for, does not.
func alive(pid int) bool {
	if err := syscall.Kill(pid, 0); err == syscall.ESRCH {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, after, ok := strings.Cut(string(stat), ") ")
	return !ok || !strings.HasPrefix(after, "Z")
}
