package prove

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/project"
)

// scratchPrefix starts the names of scratch folders; the process's id follows.
const scratchPrefix = "twice-prove-"

// TargetVariable of the environment tells a child where its scratch target is.
const TargetVariable = "TWICE_SCRATCH"

// scratch is where everything of one prove happens: a folder, and for servers databases of its own.
type scratch struct {
	*Options
	root    string
	targets targets
	names   atomic.Int64

	parquetMu sync.Mutex
	parquetDB engine.Driver // see parquet; nil: not opened yet
}

// targets makes and removes the scratch targets of one kind of engine.
type targets interface {
	// empty is a new target.
	empty(ctx context.Context, name string) (project.Target, error)
	// clone is a new target with the tables of from, which nobody has open.
	clone(ctx context.Context, from project.Target, name string) (project.Target, error)
	// drop removes a target that nobody has open.
	drop(ctx context.Context, t project.Target)
	// sweep removes what a killed prove left.
	sweep(ctx context.Context)
	// address is what the scratch project's twice.yml says of the target that TargetVariable names, and that
	// variable's value.
	address(t project.Target) (yml, value string)
}

// newScratch makes the folder, after it has removed those of proves that were killed.
func newScratch(ctx context.Context, o *Options) (*scratch, error) {
	sweepFolders(os.TempDir())
	root, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", scratchPrefix, os.Getpid()))
	if err != nil {
		return nil, twice.Errorf("no-scratch", "there is no room to work in: %w", err).
			WithNext("set TMPDIR to a folder with space").WithExit(twice.ExitProject)
	}
	sc := &scratch{Options: o, root: root}
	switch o.Target.Engine {
	case "duckdb":
		sc.targets = &duckdbFiles{dir: root}
	case "postgres":
		sc.targets, err = newPostgresDatabases(ctx, o)
	default:
		err = twice.Errorf("no-scratch", "prove does not know how to make a scratch target of %s", o.Target.Engine)
	}
	if err != nil {
		os.RemoveAll(root)
		return nil, err
	}
	sc.targets.sweep(ctx)
	return sc, nil
}

// captures is where the inputs are kept that cannot be read twice.
func (sc *scratch) captures() string { return filepath.Join(sc.root, "captures") }

func (sc *scratch) remove(context.Context) {
	sc.closeParquet()
	os.RemoveAll(sc.root)
}

// name is a new name inside the scratch.
func (sc *scratch) name() string { return strconv.FormatInt(sc.names.Add(1), 10) }

// sweepFolders removes the scratch folders in dir whose process is dead.
func sweepFolders(dir string) {
	found, err := filepath.Glob(filepath.Join(dir, scratchPrefix+"*"))
	if err != nil {
		return
	}
	for _, path := range found {
		pid, _, ok := strings.Cut(strings.TrimPrefix(filepath.Base(path), scratchPrefix), "-")
		if n, err := strconv.Atoi(pid); ok && err == nil && !running(n) {
			os.RemoveAll(path)
		}
	}
}

func running(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// duckdbFiles are scratch targets that are files.
type duckdbFiles struct{ dir string }

func (d *duckdbFiles) empty(_ context.Context, name string) (project.Target, error) {
	return project.Target{Name: "scratch", Engine: "duckdb", Path: filepath.Join(d.dir, name+".duckdb")}, nil
}

// clone copies the file, and the log beside it if there is one.
func (d *duckdbFiles) clone(ctx context.Context, from project.Target, name string) (project.Target, error) {
	t, err := d.empty(ctx, name)
	if err != nil {
		return t, err
	}
	for _, suffix := range []string{"", ".wal", ".spare"} {
		if err := copyFile(from.Path+suffix, t.Path+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return t, err
		}
	}
	return t, nil
}

func (d *duckdbFiles) drop(_ context.Context, t project.Target) {
	for _, suffix := range []string{"", ".wal", ".tmp", ".spare"} {
		os.RemoveAll(t.Path + suffix)
	}
}

func (d *duckdbFiles) sweep(context.Context) {}

func (d *duckdbFiles) address(t project.Target) (yml, value string) {
	return fmt.Sprintf("{engine: duckdb, path: \"${%s}\"}", TargetVariable), t.Path
}

// copyFile copies bytes and the modification time.
func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return errors.Join(err, out.Close())
	}
	if err := out.Close(); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}
