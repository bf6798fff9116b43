package manifest

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/twice-data/twice"
)

// Store keeps captures: the bytes of inputs that cannot be read twice, under their SHA-256. It may be used by several
// goroutines and several processes.
type Store interface {
	// Put keeps what r gives, to its end, and answers with its size and hash. When it returns the bytes are durable;
	// when it fails, or the process dies in it, nothing is there under any name. Bytes that are there already may be put
	// again, which mends them if they were damaged. An error of r comes back as it is; no room is "disk-full".
	Put(ctx context.Context, r io.Reader) (twice.File, error)

	// Open gives a capture's bytes, which are checked on their way: instead of io.EOF the last Read returns the Error
	// "capture-damaged" if they are not those that were put, so that only what was read to its end can be relied on. A
	// capture that is not there is "capture-missing".
	Open(ctx context.Context, sha string) (io.ReadCloser, error)

	// List gives every capture, sorted by hash, with its size and the time when it was put last.
	List(ctx context.Context) ([]twice.File, error)

	// Delete removes a capture for good. One that is not there is no error.
	Delete(ctx context.Context, sha string) error
}

// CapturePath is where a capture is kept as a file of Parquet in a folder for temporary files.
func CapturePath(tmp, sha string) string { return filepath.Join(tmp, sha+".parquet") }

// Fetch makes a capture a file in the folder tmp, unless it is there already, and gives its path. The file is there
// completely, with exactly the bytes that were put, or not at all.
func Fetch(ctx context.Context, s Store, sha, tmp string) (path string, err error) {
	path = CapturePath(tmp, sha)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	in, err := s.Open(ctx, sha)
	if err != nil {
		return "", err
	}
	defer in.Close()
	out, err := os.CreateTemp(tmp, "fetch-*")
	if err != nil {
		return "", err
	}
	defer func() {
		out.Close()
		if err != nil {
			os.Remove(out.Name())
		}
	}()
	if _, err = io.Copy(out, in); err == nil {
		err = out.Close()
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = twice.Errorf("disk-full", "there is no room in %s for the capture %.12s…: %w", tmp, sha, err).
			WithNext("make room, or set TMPDIR to a folder with more; nothing was written")
	}
	if err != nil {
		return "", err
	}
	return path, os.Rename(out.Name(), path)
}

func captureMissing(sha, where string) *twice.Error {
	return twice.Errorf("capture-missing", "the capture %.12s… is not in %s", sha, where).
		WithNext("put the store back from a backup, or run without --pinned to capture the input anew")
}

func captureDamaged(sha, where, why string) *twice.Error {
	return twice.Errorf("capture-damaged", "the capture %.12s… in %s is damaged: %s", sha, where, why).
		WithNext("put the store back from a backup, or run without --pinned to capture the input anew")
}

// isHash says whether s is a SHA-256 as captures are named.
func isHash(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == 64
}
