package manifest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/twice-data/twice"
)

// Local is a Store in a folder: ab/abcd… holds the capture abcd…, and tmp what is being put. What killed processes left
// in tmp is removed by the next Put.
type Local struct {
	Dir string // made when it is needed
}

var _ Store = Local{}

// Put implements Store.
func (l Local) Put(ctx context.Context, r io.Reader) (twice.File, error) {
	tmp := filepath.Join(l.Dir, "tmp")
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return twice.File{}, l.failed(err)
	}
	sweep(tmp)
	out, err := claim(tmp)
	if err != nil {
		return twice.File{}, l.failed(err)
	}
	defer os.Remove(out.Name()) // after the rename there is nothing under this name
	defer out.Close()
	sum := sha256.New()
	raw := &source{ctx: ctx, r: r}
	var full error
	err = drain(raw, func(b []byte) error {
		sum.Write(b)
		_, full = out.Write(b)
		return full
	})
	if full != nil {
		return twice.File{}, l.failed(full)
	}
	if err != nil {
		return twice.File{}, err
	}
	file := twice.File{Size: raw.n, SHA256: hex.EncodeToString(sum.Sum(nil))}
	if err := l.keep(out, file.SHA256); err != nil {
		return twice.File{}, l.failed(err)
	}
	return file, nil
}

// keep gives a temporary file its name, both of them durable.
func (l Local) keep(out *os.File, sha string) error {
	name := l.path(sha)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	if err := out.Sync(); err != nil {
		return err
	}
	if err := rename(out, name); err != nil {
		return err
	}
	for _, dir := range []string{filepath.Dir(name), l.Dir} {
		if err := syncFolder(dir); err != nil {
			return err
		}
	}
	return nil
}

// Open implements Store.
func (l Local) Open(ctx context.Context, sha string) (io.ReadCloser, error) {
	if !isHash(sha) {
		return nil, captureMissing(sha, l.Dir)
	}
	in, err := os.Open(l.path(sha))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, captureMissing(sha, l.Dir)
	}
	if err != nil {
		return nil, captureDamaged(sha, l.Dir, err.Error())
	}
	return &verified{source: source{ctx: ctx, r: in}, file: in, sum: sha256.New(), sha: sha, where: l.Dir}, nil
}

// verified reads a capture and holds its hash against its name at the end.
type verified struct {
	source
	file  io.Closer
	sum   hash.Hash
	sha   string
	where string
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.source.Read(p)
	v.sum.Write(p[:n])
	if errors.Is(err, io.EOF) {
		if got := hex.EncodeToString(v.sum.Sum(nil)); got != v.sha {
			return n, captureDamaged(v.sha, v.where, fmt.Sprintf("its %d bytes have the hash %.12s…", v.n, got))
		}
	}
	return n, err
}

func (v *verified) Close() error { return v.file.Close() }

// List implements Store.
func (l Local) List(ctx context.Context) ([]twice.File, error) {
	folders, err := os.ReadDir(l.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, l.failed(err)
	}
	var files []twice.File
	for _, folder := range folders {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if len(folder.Name()) != 2 || !folder.IsDir() {
			continue
		}
		entries, err := os.ReadDir(filepath.Join(l.Dir, folder.Name()))
		if err != nil {
			return nil, l.failed(err)
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil || !isHash(e.Name()) || e.Name()[:2] != folder.Name() {
				continue // deleted meanwhile, or not a capture
			}
			files = append(files, twice.File{Size: info.Size(), SHA256: e.Name(), ModAt: info.ModTime().UTC()})
		}
	}
	return files, nil
}

// Delete implements Store.
func (l Local) Delete(_ context.Context, sha string) error {
	if !isHash(sha) {
		return nil
	}
	if err := os.Remove(l.path(sha)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return l.failed(err)
	}
	return nil
}

func (l Local) path(sha string) string { return filepath.Join(l.Dir, sha[:2], sha) }

func (l Local) failed(err error) *twice.Error {
	if errors.Is(err, syscall.ENOSPC) {
		return twice.Errorf("disk-full", "there is no room for captures in %s: %w", l.Dir, err).
			WithNext("make room, or remove old captures with twice gc, then run again; nothing was written")
	}
	return twice.Errorf("capture-store", "captures cannot be kept in %s: %w", l.Dir, err).
		WithNext("see that this user may write to %s", l.Dir)
}

// claim makes a temporary file that no sweep takes for abandoned.
func claim(tmp string) (*os.File, error) {
	for {
		out, err := os.CreateTemp(tmp, "put-*")
		if err != nil {
			return nil, err
		}
		if err := hold(out); err != nil {
			out.Close()
			os.Remove(out.Name())
			return nil, err
		}
		mine, err := out.Stat()
		if err == nil {
			if there, err := os.Stat(out.Name()); err == nil && os.SameFile(mine, there) {
				return out, nil
			}
		}
		out.Close() // a sweep was faster
	}
}

// sweep removes the temporary files of processes that are gone. What it cannot remove it leaves to the next one.
func sweep(tmp string) {
	entries, err := os.ReadDir(tmp)
	if err != nil {
		return
	}
	for _, e := range entries {
		removeAbandoned(filepath.Join(tmp, e.Name()))
	}
}
