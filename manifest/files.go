package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/twice-data/twice"
)

// Files resolves the file inputs of one pipeline. It remembers hashes and listings of folders, so that each file is
// read and each folder is listed once: make a new one for each run. It may be used by several goroutines.
type Files struct {
	Dir    string                               // the project's folder
	Source string                               // the pipeline's file, for errors; relative to Dir
	Zone   *time.Location                       // in which placeholders are written; nil: UTC
	Env    func(string) (string, bool)          // for ${VAR} in paths; nil: there are none
	Known  func(path string) (twice.File, bool) // a recorded hash, by File.Path; nil: there are none
	Rehash bool                                 // never reuse a recorded hash
	Now    func() time.Time                     // nil: the clock; only whether a hash may be reused later depends on it
	Read   func(bytes int)                      // hears of each piece of a file that is hashed, from several goroutines; may be nil

	once sync.Once
	dir  string // Dir, absolute

	reading   singleflight.Group
	mu        sync.Mutex // guards what follows
	templates map[string]Template
	hashed    map[string]twice.File
	folders   map[string][]fs.DirEntry
	encodings map[string]string
}

// Resolve finds and hashes the files that in means for the windows of one statement; a pipeline without windows passes
// the zero Window. The files are sorted by path, each is there once, and the order never depends on the file system.
// Paths are relative to the project's folder when they lie inside it or are written so, else absolute.
//
// A path or pattern that nothing matches is an Error for which IsWaiting is true. Errors that say that a file cannot be
// used: "empty-input", "truncated-input", "damaged-input", "input-changed" (while it was hashed), "not-a-file",
// "input-unreadable".
func (f *Files) Resolve(ctx context.Context, in *twice.Input, windows []twice.Window) (twice.Pin, error) {
	pin, err := f.resolve(ctx, in, windows)
	if err != nil {
		return twice.Pin{}, f.place(in, err)
	}
	return pin, nil
}

func (f *Files) resolve(ctx context.Context, in *twice.Input, windows []twice.Window) (twice.Pin, error) {
	if in.Files == nil {
		return twice.Pin{}, fmt.Errorf("input %s reads no files", in.Name)
	}
	f.once.Do(f.open)
	paths, err := f.paths(in, windows)
	if err != nil {
		return twice.Pin{}, err
	}
	pin := twice.Pin{Name: in.Name, Kind: in.Kind(), Files: make([]twice.File, 0, len(paths))}
	var absent []string
	for _, p := range paths {
		file, err := f.identify(ctx, p, &in.Files.Reader)
		if isAbsent(err) {
			absent = append(absent, p)
			continue
		}
		if err != nil {
			return twice.Pin{}, err
		}
		pin.Files = append(pin.Files, file)
	}
	if len(absent) > 0 {
		return twice.Pin{}, f.waiting(absent)
	}
	return pin, nil
}

// paths lists what in means for all windows. A path without globs is listed whether or not there is such a file.
func (f *Files) paths(in *twice.Input, windows []twice.Window) ([]string, error) {
	t, err := f.template(in.Files.Path)
	if err != nil {
		return nil, err
	}
	if !t.windowed && len(windows) > 1 {
		windows = windows[:1]
	}
	var paths, absent []string
	last := ""
	for _, w := range windows {
		p, err := t.expand(w, f.zone(), f.Env)
		if err != nil {
			return nil, err
		}
		if p == last { // windows shorter than what the placeholders tell apart
			continue
		}
		last = p
		if !t.glob {
			paths = append(paths, f.relative(p))
			continue
		}
		found, err := f.match(p)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			absent = append(absent, p)
		}
		paths = append(paths, found...)
	}
	if len(absent) > 0 {
		return nil, f.waiting(absent)
	}
	slices.Sort(paths)
	return slices.Compact(paths), nil
}

func (f *Files) template(path string) (Template, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t, ok := f.templates[path]; ok {
		return t, nil
	}
	t, err := ParsePath(path)
	if err == nil {
		f.templates[path] = t
	}
	return t, err
}

func (f *Files) open() {
	f.dir = f.Dir
	if abs, err := filepath.Abs(f.Dir); err == nil {
		f.dir = abs
	}
	f.templates = map[string]Template{}
	f.hashed = map[string]twice.File{}
	f.folders = map[string][]fs.DirEntry{}
	f.encodings = map[string]string{}
}

// relative is a path as a manifest has it.
func (f *Files) relative(p string) string {
	if filepath.IsAbs(p) {
		rel, err := filepath.Rel(f.dir, p)
		if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			return filepath.ToSlash(filepath.Clean(p))
		}
		p = rel
	}
	return path.Clean(filepath.ToSlash(p))
}

// absolute is a manifest's path as it is opened.
func (f *Files) absolute(p string) string {
	f.once.Do(f.open)
	p = filepath.FromSlash(p)
	if filepath.IsAbs(p) {
		return p
	}
	return f.dir + string(filepath.Separator) + p
}

func (f *Files) zone() *time.Location {
	if f.Zone == nil {
		return time.UTC
	}
	return f.Zone
}

func (f *Files) now() time.Time {
	if f.Now == nil {
		return time.Now()
	}
	return f.Now()
}

// place adds to err where the input is declared.
func (f *Files) place(in *twice.Input, err error) error {
	var e *twice.Error
	if errors.As(err, &e) && e.File == "" {
		return e.At(f.Source, in.Line)
	}
	return err
}
