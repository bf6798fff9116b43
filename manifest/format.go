package manifest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/twice-data/twice"
)

// formatOf is the format that a reader says, or else the file's name; empty: unknown. A name that ends in .json does not
// tell lines from one document.
func formatOf(r *twice.Reader, name string) string {
	if r.Format != "" {
		return r.Format
	}
	name = strings.ToLower(name)
	switch path.Ext(strings.TrimSuffix(name, ".gz")) {
	case ".csv", ".tsv", ".txt":
		return "csv"
	case ".parquet", ".pq":
		return "parquet"
	case ".ndjson", ".jsonl":
		return "ndjson"
	default:
		return ""
	}
}

func gzipped(r *twice.Reader, name string) bool {
	if r.Compression != "" {
		return r.Compression == "gzip"
	}
	return strings.HasSuffix(strings.ToLower(name), ".gz")
}

// checkParquet looks at the magic numbers at both ends and at the length of the footer.
func checkParquet(name string, in io.ReaderAt, size int64) error {
	var head [4]byte
	var tail [8]byte
	if size < 12 {
		return truncated(name, fmt.Sprintf("%d bytes are too few for Parquet", size))
	}
	if _, err := in.ReadAt(head[:], 0); err != nil {
		return unreadable(name, err)
	}
	if string(head[:]) != "PAR1" {
		return twice.Errorf("damaged-input", "%s is not a Parquet file: it starts with %q", name, head[:]).
			WithNext("set format: to what it is, or ask its producer to publish it again")
	}
	if _, err := in.ReadAt(tail[:], size-8); err != nil {
		return unreadable(name, err)
	}
	footer := int64(binary.LittleEndian.Uint32(tail[:4]))
	if string(tail[4:]) != "PAR1" || footer > size-12 {
		return truncated(name, "it does not end with the footer of Parquet")
	}
	return nil
}

// usable says whether there can be anything to read.
func usable(name string, info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return twice.Errorf("not-a-file", "%s is a folder", name).WithNext("write %s/*.csv to read the files in it", name)
	case !info.Mode().IsRegular():
		return twice.Errorf("not-a-file", "%s is a %s and not a file", name, kind(info.Mode())).
			WithNext("what can be read only once comes in through command:")
	case info.Size() == 0:
		return empty(name)
	}
	return nil
}

func kind(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeNamedPipe != 0:
		return "pipe"
	case mode&fs.ModeSocket != 0:
		return "socket"
	default:
		return "device"
	}
}

// missing is why a file cannot be looked at: errAbsent if it is just not there.
func missing(name, abs string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return unreadable(name, err)
	}
	if target, err := os.Readlink(abs); err == nil {
		return twice.Errorf("input-unreadable", "%s is a link to %s, which is not there", name, target).
			WithNext("mend or remove the link")
	}
	return errAbsent
}

func unreadable(name string, err error) *twice.Error {
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err // without the path, which stands before it
	}
	e := twice.Errorf("input-unreadable", "%s cannot be read: %w", name, err)
	if errors.Is(err, fs.ErrPermission) {
		return e.WithNext("let this user read it: chmod a+r, and a+x on its folders")
	}
	return e
}

func empty(name string) *twice.Error {
	return twice.Errorf("empty-input", "%s is empty (0 bytes)", name).
		WithNext("ask its producer to publish it again, then run again; nothing was written")
}

func truncated(name, why string) *twice.Error {
	return twice.Errorf("truncated-input", "%s is not complete: %s", name, why).
		WithNext("ask its producer to publish it again, then run again; nothing was written")
}
