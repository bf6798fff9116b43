package eventlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// File is a partition. Close it.
type File struct{ f *os.File }

// Extent is what there is of a file.
type Extent struct {
	ID  string // a hash of its first record; empty: it has none
	End int64  // where the last whole line ends, in bytes
}

// Line is a record as it stands in its file.
type Line struct {
	Offset int64 // the byte at which it begins
	Text   []byte
}

// ErrRewritten says that no line begins at an offset at which one did.
var ErrRewritten = errors.New("no line begins there")

var numbered = regexp.MustCompile(`^([0-9]{1,9})(\.[^.].*)?$`)

// Files lists a log's files by partition; path is its folder, or its only file. What does not exist yet has none. A file
// whose name begins with a dot or with _ is passed over; one that is not named after a number is an error, since it may
// be someone's events.
func Files(path string) (map[int32]string, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.IsDir():
		return map[int32]string{0: path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	files := map[int32]string{}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || strings.HasPrefix(e.Name(), "_") {
			continue
		}
		m := numbered.FindStringSubmatch(e.Name())
		if m == nil {
			return nil, fmt.Errorf("%s is not named after the number of its partition, like 0.ndjson", e.Name())
		}
		n, err := strconv.ParseInt(m[1], 10, 32)
		if err != nil {
			return nil, err
		}
		if other := files[int32(n)]; other != "" {
			return nil, fmt.Errorf("%s and %s are both named after the partition %d", filepath.Base(other), e.Name(), n)
		}
		files[int32(n)] = filepath.Join(path, e.Name())
	}
	return files, nil
}

// Open opens a file for reading.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &File{f}, nil
}

// Close closes the file.
func (f *File) Close() error { return f.f.Close() }

// Extent looks at the file's ends.
func (f *File) Extent() (Extent, error) {
	end, err := f.end()
	if err != nil || end == 0 {
		return Extent{}, err
	}
	lines, _, err := f.Read(0, end, 1)
	if err != nil || len(lines) == 0 {
		return Extent{End: end}, err
	}
	sum := sha256.Sum256(lines[0].Text)
	return Extent{ID: hex.EncodeToString(sum[:16]), End: end}, nil
}

const block = 64 << 10 // bytes

// end finds the last line feed from behind.
func (f *File) end() (int64, error) {
	info, err := f.f.Stat()
	if err != nil {
		return 0, err
	}
	buf := make([]byte, block)
	for end := info.Size(); end > 0; end -= block {
		from := max(0, end-block)
		part := buf[:end-from]
		if _, err := f.f.ReadAt(part, from); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			return from + int64(i) + 1, nil
		}
	}
	return 0, nil
}

// Read gives the whole lines among the bytes [from, until), of about the first n of them and at least one, and the offset
// behind them. until is the end of a line. Empty lines are passed over; if there is nothing else, it gives none.
func (f *File) Read(from, until int64, n int) (lines []Line, next int64, err error) {
	if err := f.begins(from); err != nil {
		return nil, from, err
	}
	var buf []byte
	for len(lines) == 0 && from < until {
		if n = min(n, int(until-from)); len(buf) < n {
			buf = make([]byte, n)
		}
		if _, err := f.f.ReadAt(buf[:n], from); err != nil {
			if errors.Is(err, io.EOF) {
				err = ErrRewritten
			}
			return nil, from, err
		}
		whole := bytes.LastIndexByte(buf[:n], '\n') + 1
		if whole == 0 { // of a line that is longer
			if int64(n) == until-from {
				return nil, from, ErrRewritten
			}
			n = max(2*n, block)
			continue
		}
		lines = split(buf[:whole], from)
		from += int64(whole)
	}
	return lines, from, nil
}

// begins says whether a line may begin at an offset.
func (f *File) begins(at int64) error {
	if at == 0 {
		return nil
	}
	var before [1]byte
	if _, err := f.f.ReadAt(before[:], at-1); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if before[0] != '\n' {
		return ErrRewritten
	}
	return nil
}

// split gives the lines of text, which begins at an offset and ends with a line feed.
func split(text []byte, at int64) []Line {
	lines := make([]Line, 0, bytes.Count(text, []byte{'\n'}))
	for len(text) > 0 {
		n := bytes.IndexByte(text, '\n')
		line := text[:n:n]
		if n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
		if len(line) > 0 {
			lines = append(lines, Line{at, line})
		}
		at += int64(n) + 1
		text = text[n+1:]
	}
	return lines
}
