package duckdb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/twice-data/twice"
)

// DuckDB locks its file against other processes, not against a second opening in this one: that one would share the
// database but not the turn to write, or spin for ever while the last session of a closed one is open. So the process
// remembers who has which file.
var (
	openMu sync.Mutex
	opened = map[string]*Driver{}
)

// claim makes d the owner of its file, unless somebody in this process is. The owner of a closed database with open
// sessions still is.
func (d *Driver) claim() bool {
	openMu.Lock()
	defer openMu.Unlock()
	owner := opened[d.path]
	if owner != nil && (!owner.closed || owner.db.Stats().OpenConnections > 0) {
		return false
	}
	if d.path != "" {
		opened[d.path] = d
	}
	return true
}

func (d *Driver) disclaim() {
	openMu.Lock()
	defer openMu.Unlock()
	delete(opened, d.path)
}

// resolve is the file's path without symbolic links, so that two names of one file are the same. Its folder must exist.
func resolve(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		e := twice.Errorf("missing-folder", "the folder of the database %s cannot be opened: %w", path, err)
		return "", e.WithNext("mkdir -p %s", filepath.Dir(path)).WithExit(twice.ExitProject)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", twice.Errorf("bad-path", "%s: %w", path, err)
	}
	file := filepath.Join(dir, filepath.Base(path))
	if real, err := filepath.EvalSymlinks(file); err == nil {
		return real, nil
	}
	return file, nil
}

// wait opens the database, and while somebody else holds it tries again until the time is over or ctx ends.
func (d *Driver) wait(ctx context.Context, start func() (driver.Connector, error), most time.Duration) error {
	over := time.NewTimer(most)
	defer over.Stop()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		err := d.open(start)
		var e *twice.Error
		if most <= 0 || !errors.As(err, &e) || e.Code != "target-held" {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over.C:
			return err
		case <-time.After(pause):
		}
	}
}

func (d *Driver) open(start func() (driver.Connector, error)) error {
	if !d.claim() {
		return heldError(d.path, fmt.Sprintf("this process (PID %d)", os.Getpid()))
	}
	var connector driver.Connector
	err := putBack(d.path)
	if err == nil {
		connector, err = start()
	}
	if err != nil {
		d.disclaim()
		return explainOpen(d.path, err)
	}
	d.db = sql.OpenDB(connector)
	d.db.SetMaxIdleConns(-1) // a session's temporary views must not show up in the next one
	return nil
}

func heldError(path, who string) *twice.Error {
	return twice.Errorf("target-held", "the database %s is held by %s", path, who).
		WithNext("wait for it with --wait 1m, or end that process").WithExit(twice.ExitHeld)
}

// holder reads who holds the file from DuckDB's refusal, and the process's name from the system where it tells.
var lockText = regexp.MustCompile(
	`Could not set lock on file "([^"]*)"(?:.*Conflicting lock is held in (.*?) \(PID (\d+)\))?`)

func explainLock(text string) *twice.Error {
	m := lockText.FindStringSubmatch(text)
	switch {
	case m == nil:
		return nil
	case m[3] == "":
		return heldError(m[1], "another process")
	}
	name := filepath.Base(m[2])
	if comm, err := os.ReadFile("/proc/" + m[3] + "/comm"); err == nil {
		name = strings.TrimSpace(string(comm))
	}
	return heldError(m[1], fmt.Sprintf("%s (PID %s)", name, m[3]))
}

// explainOpen says why a database could not be opened.
func explainOpen(path string, err error) error {
	text := duckdbText(err)
	e := explainLock(text)
	switch {
	case e != nil:
	case strings.Contains(text, "not a valid DuckDB database file"), strings.Contains(text, "Is a directory"):
		e = twice.Errorf("not-a-database", "%s is not a DuckDB database", path).
			WithNext("give the target another path, or move this file away").WithExit(twice.ExitProject)
	case strings.Contains(text, "Permission denied") && canRead(path):
		e = readOnly(path)
	default:
		return explain(err)
	}
	e.Err = err
	return e
}

// canRead says that path may be read, or is not there yet, so that only writing can have been refused.
func canRead(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return os.IsNotExist(err)
	}
	return f.Close() == nil
}

func readOnly(path string) *twice.Error {
	return twice.Errorf("read-only", "the database %s cannot be written: it, or its folder, is read-only", path).
		WithNext("chmod u+w %s %s, or give the target another path", path, filepath.Dir(path))
}
