package manifest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/twice-data/twice"
)

// settled is how old a file's modification time must be before its hash may be reused. A file that is written to again
// within the granularity of its file system's clock keeps its modification time, and FAT's is two seconds.
const settled = 2 * time.Second

// longestLine is how much of an unfinished line of NDJSON is looked at: no reader takes longer ones.
const longestLine = 16 << 20

var errAbsent = errors.New("no such file")

func isAbsent(err error) bool { return errors.Is(err, errAbsent) }

// identify is the file at a manifest's path. A hash that is recorded for the same size and modification time is taken
// as it is. The file is read as r says to find out whether it is complete; a nil r leaves that out.
func (f *Files) identify(ctx context.Context, path string, r *twice.Reader) (twice.File, error) {
	abs := f.absolute(path)
	info, err := os.Stat(abs)
	if err != nil {
		return twice.File{}, missing(path, abs, err)
	}
	if err := usable(path, info); err != nil {
		return twice.File{}, err
	}
	if file, ok := f.known(path); ok && unchanged(file, info) {
		return file, nil
	}
	if r == nil {
		return f.hash(ctx, path, abs, nil)
	}
	// Windows that share a file and are resolved at the same time wait for one reading of it.
	file, err, _ := f.reading.Do(fmt.Sprintf("%p %s", r, path), func() (any, error) {
		if file, ok := f.known(path); ok && unchanged(file, info) {
			return file, nil
		}
		file, err := f.hash(ctx, path, abs, r)
		if err == nil {
			f.remember(file)
		}
		return file, err
	})
	return file.(twice.File), err
}

// remember keeps the hash of a file that is known to be complete for the rest of the run.
func (f *Files) remember(file twice.File) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hashed[file.Path] = file
}

// known is what this run has hashed itself, or else what is recorded.
func (f *Files) known(path string) (twice.File, bool) {
	f.mu.Lock()
	file, ok := f.hashed[path]
	f.mu.Unlock()
	if ok || f.Rehash || f.Known == nil {
		return file, ok
	}
	file, ok = f.Known(path)
	file.Path = path
	return file, ok
}

// unchanged says whether a hash may be reused: never when ModAt is zero, as no file has that time.
func unchanged(file twice.File, info fs.FileInfo) bool {
	return file.Size == info.Size() && !file.ModAt.IsZero() && file.ModAt.Equal(info.ModTime())
}

// hash reads a file from end to end. ModAt is zero where the file is too young for its hash to be reused.
func (f *Files) hash(ctx context.Context, path, abs string, r *twice.Reader) (twice.File, error) {
	in, err := os.Open(abs)
	if err != nil {
		return twice.File{}, missing(path, abs, err)
	}
	defer in.Close()
	before, err := in.Stat()
	if err != nil {
		return twice.File{}, unreadable(path, err)
	}
	began := f.now()
	sum := sha256.New()
	raw := &source{ctx: ctx, r: in, read: f.Read}
	incomplete := read(path, io.TeeReader(raw, sum), r)
	if incomplete == nil && r != nil && formatOf(r, path) == "parquet" && !gzipped(r, path) {
		incomplete = checkParquet(path, in, before.Size())
	}
	if ctx.Err() != nil {
		return twice.File{}, context.Cause(ctx)
	}
	after, err := os.Stat(abs)
	if err != nil || !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) ||
		after.Size() != before.Size() || incomplete == nil && raw.n != before.Size() {
		return twice.File{}, twice.Errorf("input-changed", "%s changed while it was being read", path).
			WithNext("run again once it is complete; publish files under another name and rename them")
	}
	if incomplete != nil {
		return twice.File{}, incomplete
	}
	file := twice.File{Path: path, Size: before.Size(), SHA256: hex.EncodeToString(sum.Sum(nil))}
	if began.Sub(before.ModTime()) > settled {
		file.ModAt = before.ModTime().UTC()
	}
	return file, nil
}

// source counts what is read and ends with the context.
type source struct {
	ctx  context.Context
	r    io.Reader
	read func(bytes int) // may be nil
	n    int64
}

func (s *source) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	n, err := s.r.Read(p)
	s.n += int64(n)
	if s.read != nil {
		s.read(n)
	}
	return n, err
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// drain reads to the end and gives each piece to see.
func drain(r io.Reader, see func([]byte) error) error {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	for {
		n, err := r.Read(*buffer)
		if seen := see((*buffer)[:n]); seen != nil {
			return seen
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// read reads raw to its end and says whether what it holds is complete, as far as that shows without parsing: the
// checksum and length of gzip, and the last line of NDJSON. A half CSV looks like a shorter one.
func read(path string, raw io.Reader, r *twice.Reader) error {
	var line []byte
	ndjson := r != nil && formatOf(r, path) == "ndjson"
	size := 0
	see := func(b []byte) error {
		size += len(b)
		if !ndjson {
			return nil
		}
		if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
			line, b = line[:0], b[i+1:]
		}
		if len(line) <= longestLine {
			line = append(line, b...)
		}
		return nil
	}
	if r == nil || !gzipped(r, path) {
		if err := drain(raw, see); err != nil {
			return unreadable(path, err)
		}
	} else if err := gunzip(path, raw, see); err != nil {
		return err
	}
	if size == 0 {
		return empty(path)
	}
	if line = bytes.TrimSpace(line); len(line) > 0 && len(line) <= longestLine && !json.Valid(line) {
		return truncated(path, "its last line is not a complete JSON value: …"+string(line[max(0, len(line)-40):]))
	}
	return nil
}

func gunzip(path string, raw io.Reader, see func([]byte) error) error {
	zip, err := gzip.NewReader(raw)
	if err == nil {
		err = drain(zip, see)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return truncated(path, "its gzip stream ends before its checksum")
	default:
		return twice.Errorf("damaged-input", "%s cannot be decompressed: %w", path, err).
			WithNext("ask its producer to publish it again, then run again")
	}
}
