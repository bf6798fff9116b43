package manifest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/text/encoding"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// Relation makes a pin readable: its files, in their order, by absolute paths. Text that is not UTF-8 is replaced by a
// copy in the folder tmp, which is made when it is needed and removed by the caller. Each text is read once in a run to
// know that its bytes are what Reader.Encodings says, because not every engine would refuse others. Bytes that fit no
// encoding are the Error "bad-encoding"; a file that is not what the pin says where a copy is made is "input-changed".
func (f *Files) Relation(ctx context.Context, in *twice.Input, pin twice.Pin, tmp string) (engine.Relation, error) {
	if in.Files == nil {
		return engine.Relation{}, fmt.Errorf("input %s reads no files", in.Name)
	}
	f.once.Do(f.open)
	rel := engine.Relation{
		Name: in.Name, Reader: in.Files.Reader, File: f.Source, Line: in.Line, Files: make([]string, 0, len(pin.Files)),
	}
	for _, file := range pin.Files {
		readable, err := f.readable(ctx, file, &in.Files.Reader, tmp)
		if err != nil {
			return engine.Relation{}, f.place(in, err)
		}
		rel.Files = append(rel.Files, readable)
	}
	return rel, nil
}

// readable is the path of a file's text in UTF-8.
func (f *Files) readable(ctx context.Context, file twice.File, r *twice.Reader, tmp string) (string, error) {
	abs := f.absolute(file.Path)
	if formatOf(r, file.Path) == "parquet" {
		return abs, nil
	}
	names := r.Encodings
	if len(names) == 0 {
		names = []string{utf8Name}
	}
	key := file.SHA256 + strings.Join(names, ",") + " " + formatOf(r, file.Path)
	f.mu.Lock()
	name, ok := f.encodings[key]
	f.mu.Unlock()
	var first *misfit
	for _, candidate := range names {
		if ok && candidate != name {
			continue
		}
		e, err := encodingOf(candidate)
		if err != nil {
			return "", err
		}
		t := reading{ctx: ctx, file: file, abs: abs, reader: r, name: strings.ToLower(candidate), encoding: e}
		as, err := t.in(tmp, ok)
		var m *misfit
		if errors.As(err, &m) {
			if first == nil {
				first = m
			}
			continue
		}
		if err != nil {
			return "", err
		}
		f.mu.Lock()
		f.encodings[key] = candidate
		f.mu.Unlock()
		return as, nil
	}
	return "", badEncoding(file.Path, names, first)
}

// reading is a file taken to be in one encoding.
type reading struct {
	ctx      context.Context
	file     twice.File
	abs      string
	reader   *twice.Reader
	name     string
	encoding encoding.Encoding // nil: UTF-8
}

// in is the path to read the text by: the file itself or a copy in tmp. With known set the encoding is known to fit.
func (t reading) in(tmp string, known bool) (string, error) {
	copied := t.encoding != nil
	if !copied && formatOf(t.reader, t.file.Path) == "ndjson" {
		marked, err := t.marked()
		if err != nil {
			return "", err
		}
		copied = marked // readers of JSON refuse a byte order mark
	}
	if !copied {
		if known {
			return t.abs, nil
		}
		return t.abs, t.decode(io.Discard)
	}
	name := filepath.Join(tmp, t.copyName())
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	return name, t.copy(tmp, name)
}

// copyName has the file's extensions, so that it is read like the file.
func (t reading) copyName() string {
	name := t.file.Path
	ext := path.Ext(name)
	if strings.EqualFold(ext, ".gz") {
		ext = path.Ext(strings.TrimSuffix(name, ext)) + ext
	}
	return t.file.SHA256 + "." + t.name + ext
}

// copy is there under its name completely or not at all.
func (t reading) copy(tmp, name string) (err error) {
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return err
	}
	out, err := os.CreateTemp(tmp, "copy-*")
	if err != nil {
		return err
	}
	defer func() {
		out.Close()
		if err != nil {
			os.Remove(out.Name())
		}
	}()
	var to io.WriteCloser = out
	if gzipped(t.reader, t.file.Path) {
		zip, _ := gzip.NewWriterLevel(out, gzip.BestSpeed)
		to = zip
	}
	if err := t.decode(to); err != nil {
		return err
	}
	if err := to.Close(); err != nil {
		return err
	}
	if to != out {
		if err := out.Close(); err != nil {
			return err
		}
	}
	return os.Rename(out.Name(), name)
}

// decode writes the text to out. What is written anywhere comes from the bytes that the pin names.
func (t reading) decode(out io.Writer) error {
	in, err := os.Open(t.abs)
	if err != nil {
		return unreadable(t.file.Path, err)
	}
	defer in.Close()
	var raw io.Reader = &source{ctx: t.ctx, r: in}
	sum := sha256.New()
	if out != io.Discard {
		raw = io.TeeReader(raw, sum)
	}
	plain := raw
	if gzipped(t.reader, t.file.Path) {
		if plain, err = gzip.NewReader(bufio.NewReader(raw)); err != nil {
			return unreadable(t.file.Path, err)
		}
	}
	var m *misfit
	err = drain(decoded(plain, t.name, t.encoding), func(b []byte) error {
		_, err := out.Write(b)
		return err
	})
	if errors.As(err, &m) {
		return m
	}
	if err != nil {
		return unreadable(t.file.Path, err)
	}
	if out != io.Discard && hex.EncodeToString(sum.Sum(nil)) != t.file.SHA256 {
		return twice.Errorf("input-changed", "%s has other bytes than in the manifest", t.file.Path).
			WithNext("run again to take in what is there now; a replay needs the old bytes back")
	}
	return nil
}

// marked says whether the text starts with a byte order mark.
func (t reading) marked() (bool, error) {
	in, err := os.Open(t.abs)
	if err != nil {
		return false, unreadable(t.file.Path, err)
	}
	defer in.Close()
	var plain io.Reader = in
	if gzipped(t.reader, t.file.Path) {
		if plain, err = gzip.NewReader(in); err != nil {
			return false, unreadable(t.file.Path, err)
		}
	}
	var head [3]byte
	n, _ := io.ReadFull(plain, head[:])
	return bytes.Equal(head[:n], byteOrderMark), nil
}
