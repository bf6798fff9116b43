package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/engine/duckdb"
	"github.com/twice-data/twice/engine/postgres"
	"github.com/twice-data/twice/ledger"
	"github.com/twice-data/twice/project"
	"github.com/twice-data/twice/prove"
	"github.com/twice-data/twice/run"
)

// drivers are the engines that this program knows, by the name that twice.yml gives them.
var drivers = map[string]func(context.Context, project.Target, patience) (engine.Driver, error){
	"duckdb": func(ctx context.Context, t project.Target, p patience) (engine.Driver, error) {
		return duckdb.Open(ctx, duckdb.Options{Path: t.Path, Wait: p.wait, Memory: t.Memory})
	},
	"postgres": func(ctx context.Context, t project.Target, p patience) (engine.Driver, error) {
		return postgres.Open(ctx, postgres.Options{URL: t.URL, Schema: t.Schema, IdleTimeout: p.lease})
	},
}

// patience is for how long others are waited for, and for how long a silent run is. A transaction whose process is silent
// for longer than its lease ends with the lease, as the next holder waits for it.
type patience struct{ wait, lease time.Duration }

// opened is a project with its target.
type opened struct {
	*project.Project
	Target project.Target
	DB     *engine.DB

	memory *engine.DB // for relays, whose rows no target takes; nil where there are none

	absent bool // the target's file is not there yet: DB is an empty one in memory, so that looking makes no file

	scratch  bool // it is one of prove's, see memo
	memo     memo
	recalled int // entries of memo that were read
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func emptyTarget(ctx context.Context) (*engine.DB, error) {
	d, err := duckdb.Open(ctx, duckdb.Options{})
	if err != nil {
		return nil, err
	}
	return engine.Open(d, nil), nil
}

// create opens the target for writing; one that was not there is made.
func (a *app) create(ctx context.Context, o *opened) error {
	if !o.absent {
		return nil
	}
	db, err := a.openTarget(ctx, o.Target)
	if err != nil {
		return err
	}
	_ = o.DB.Close() // it held nothing
	o.DB, o.absent = db, false
	return nil
}

// Close closes the target.
func (o *opened) Close() error {
	err := o.DB.Close()
	if o.memory != nil && o.memory.Driver != o.DB.Driver {
		_ = o.memory.Close() // it holds nothing
	}
	if err == nil {
		o.remember()
	}
	return err
}

// load reads the project's files, and says which target is meant.
func (a *app) load() (*project.Project, project.Target, error) {
	p, err := project.Load(a.dir, a.env)
	if err != nil {
		return nil, project.Target{}, err
	}
	t, err := p.Target(a.target)
	return p, t, err
}

// open loads the project, opens the target and finds out which pipeline reads which. Where args name relays and nothing
// else, there is only these, and no target: other processes may have it.
func (a *app) open(ctx context.Context, args ...string) (*opened, error) {
	p, t, err := a.load()
	if err != nil {
		return nil, err
	}
	o := &opened{Project: p, Target: t, scratch: a.isScratch(t)}
	if err := o.relays(ctx); err != nil {
		return nil, err
	}
	switch alone := alone(p.Pipelines, args); {
	case alone != nil:
		p.Pipelines, o.Target.Path = alone, ""
		o.DB = engine.Open(o.memory.Driver, a.tap())
	case t.Path != "" && !there(t.Path):
		o.DB, err = emptyTarget(ctx)
		o.absent = true
	default:
		o.DB, err = a.openTarget(ctx, t)
	}
	if err != nil {
		return nil, err
	}
	o.recall()
	if err := o.link(ctx); err != nil {
		o.Close()
		return nil, err
	}
	return o, nil
}

// isScratch says whether a prove has made the target for this process.
func (a *app) isScratch(t project.Target) bool {
	path, ok := a.env(prove.TargetVariable)
	return ok && path != "" && path == t.Path
}

func (a *app) openTarget(ctx context.Context, t project.Target) (*engine.DB, error) {
	open := drivers[t.Engine]
	if a.isScratch(t) {
		open = func(ctx context.Context, t project.Target, p patience) (engine.Driver, error) {
			return openScratch(ctx, t, p, duckdb.Open)
		}
	}
	d, err := open(ctx, t, patience{a.wait, a.lease})
	if err != nil {
		return nil, err
	}
	return engine.Open(d, a.tap()), nil
}

func (a *app) tap() engine.Tap {
	if a.trace == nil {
		return nil
	}
	return a.trace.at
}

// link parses every pipeline's SQL with the engine's own parser, as far as it is not known what it says.
func (o *opened) link(ctx context.Context) error {
	return o.Link(func(pl *twice.Pipeline) ([]engine.TableRef, error) {
		if refs, ok := o.memo.Tables[pl.Name]; ok {
			return refs, nil
		}
		q, err := o.engineOf(pl).Parse(ctx, pl.SQL)
		if err != nil {
			return nil, err
		}
		o.memo.Tables[pl.Name] = q.Tables
		return q.Tables, nil
	})
}

// runner makes a runner of the opened project. Call the returned function when it is done.
func (a *app) runner(o *opened) (*run.Runner, func(), error) {
	temp, err := tempFolder(os.TempDir(), me())
	if err != nil {
		return nil, nil, err
	}
	r := &run.Runner{
		DB: o.DB, Memory: o.memory, Project: o.Pipelines, Dir: o.Dir, Env: a.env, Me: me(), ID: newRunID(a.now()),
		Command: strings.Join(append([]string{"twice"}, os.Args[1:]...), " "), Version: version, Temp: temp,
	}
	if r.Captures, err = a.captures(o.Project); err != nil {
		os.RemoveAll(temp)
		return nil, nil, err
	}
	r.Copies = prove.Copies(o.Dir, a.env)
	r.Now, r.Wait, r.Monitor = a.now(), a.wait, true
	return r, func() { r.Close(); os.RemoveAll(temp) }, nil
}

// tempFolder makes a folder for this process's temporary files, and removes those of processes that were killed. The host
// is part of the name, because a process of another one may look dead from here.
func tempFolder(dir string, me ledger.Process) (string, error) {
	sum := sha256.Sum256([]byte(me.Host))
	prefix := filepath.Join(dir, "twice-"+hex.EncodeToString(sum[:4])+"-")
	old, err := filepath.Glob(prefix + "*")
	if err != nil {
		return "", err
	}
	for _, folder := range old {
		pid, err := strconv.Atoi(strings.TrimPrefix(folder, prefix))
		if err == nil && !me.Alive(pid) {
			_ = os.RemoveAll(folder) // it may be another user's
		}
	}
	folder := prefix + strconv.Itoa(me.PID)
	return folder, os.MkdirAll(folder, 0o700)
}

// newRunID is sortable by time and unique: 20200301T120000-4f1c09ab.
func newRunID(now time.Time) string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return now.UTC().Format("20060102T150405") + "-" + hex.EncodeToString(b[:])
}

// me is this process as leases name it. Processes see each other only inside one PID namespace of one kernel, so these are
// part of the host's name: the first namespace has the same number everywhere, and host names repeat.
func me() ledger.Process {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	if ns, err := os.Readlink("/proc/self/ns/pid"); err == nil {
		host += " " + strings.Trim(strings.TrimPrefix(ns, "pid:"), "[]")
	}
	if boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil && len(boot) > 8 {
		host += "-" + string(boot[:8])
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
