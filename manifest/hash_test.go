package manifest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twice-data/twice"
)

func zipped(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestResolveRefusesIncompleteFiles(t *testing.T) {
	csv := "id,name\n" + strings.Repeat("1,some name\n", 10_000)
	zip := zipped(t, csv)
	flipped := []byte(zip)
	flipped[len(flipped)-6] ^= 1 // in the checksum
	parquet := "PAR1" + strings.Repeat("x", 100) + "\x50\x00\x00\x00PAR1"
	for _, c := range []struct {
		name, content string
		reader        twice.Reader
		code          string
	}{
		{"whole.csv", csv, twice.Reader{}, ""},
		{"header.csv", "id,name\n", twice.Reader{}, ""},
		{"empty.csv", "", twice.Reader{}, "empty-input"},
		{"whole.csv.gz", zip, twice.Reader{}, ""},
		{"two.csv.gz", zip + zip, twice.Reader{}, ""},
		{"half.csv.gz", zip[:len(zip)/2], twice.Reader{}, "truncated-input"},
		{"almost.csv.gz", zip[:len(zip)-1], twice.Reader{}, "truncated-input"},
		{"head.csv.gz", zip[:5], twice.Reader{}, "truncated-input"},
		{"flipped.csv.gz", string(flipped), twice.Reader{}, "damaged-input"},
		{"not.csv.gz", csv, twice.Reader{}, "damaged-input"},
		{"not.csv.gz", csv, twice.Reader{Compression: "none"}, ""},
		{"zipped.csv", zip[:50], twice.Reader{Compression: "gzip"}, "truncated-input"},
		{"nothing.csv.gz", zipped(t, ""), twice.Reader{}, "empty-input"},
		{"whole.parquet", parquet, twice.Reader{}, ""},
		{"cut.parquet", parquet[:len(parquet)-1], twice.Reader{}, "truncated-input"},
		{"middle.parquet", strings.Replace(parquet, "\x50\x00\x00\x00", "\x70\x00\x00\x00", 1), twice.Reader{}, "truncated-input"},
		{"tiny.parquet", "PAR1PAR1", twice.Reader{}, "truncated-input"},
		{"other.parquet", csv, twice.Reader{}, "damaged-input"},
		{"named.dat", csv, twice.Reader{Format: "parquet"}, "damaged-input"},
		{"whole.ndjson", "{\"a\":1}\n{\"a\":2}\n\n", twice.Reader{}, ""},
		{"unended.ndjson", "{\"a\":1}\n{\"a\":2}", twice.Reader{}, ""},
		{"half.ndjson", "{\"a\":1}\n{\"a\":", twice.Reader{}, "truncated-input"},
		{"half.jsonl.gz", zipped(t, strings.Repeat("{\"a\":1}\n", 100_000)+"{\"a"), twice.Reader{}, "truncated-input"},
		{"document.json", "[\n{\"a\":1}\n]", twice.Reader{}, ""},
	} {
		dir := t.TempDir()
		put(t, dir, c.name, c.content)
		in := input(c.name)
		in.Files.Reader = c.reader
		f := &Files{Dir: dir, Source: "p.sql"}
		_, err := f.Resolve(context.Background(), in, []twice.Window{{}})
		if e := wantCode(t, err, c.code); e != nil && (!strings.Contains(e.Message, c.name) || e.Place() != "p.sql:7") {
			t.Errorf("%s: %v", c.name, e)
		}
		if c.code == "empty-input" && !strings.Contains(err.Error(), "0 bytes") {
			t.Error(err)
		}
	}
}

// A clock that is asked when hashing begins is a place to change the file from.
func TestResolveNoticesAChangeWhileHashing(t *testing.T) {
	dir := t.TempDir()
	file := put(t, dir, "a.csv", "id\n1\n")
	for name, change := range map[string]func(){
		"grows": func() {
			f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteString("2\n"); err != nil {
				t.Fatal(err)
			}
		},
		"is replaced": func() {
			if err := os.Rename(put(t, dir, "new.csv", "id\n2\n"), file); err != nil {
				t.Fatal(err)
			}
		},
		"is removed": func() {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		},
	} {
		put(t, dir, "a.csv", "id\n1\n")
		f := &Files{Dir: dir, Now: func() time.Time { change(); return time.Now() }}
		_, err := f.Resolve(context.Background(), input("a.csv"), []twice.Window{{}})
		if e := twice.AsError(err); err == nil || e.Code != "input-changed" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestResolveEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.csv", "id\n")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := (&Files{Dir: dir}).Resolve(ctx, input("a.csv"), []twice.Window{{}})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestCheck(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	file := put(t, dir, "a.csv", "id\n1\n")
	pin, err := resolve(dir, "a.csv")
	if err != nil {
		t.Fatal(err)
	}
	check := func(f *Files) error {
		f.Dir, f.Source = dir, "p.sql"
		return f.Check(ctx, pin)
	}
	wantCode(t, check(&Files{}), "")
	touch(t, file, old.Add(time.Hour))
	wantCode(t, check(&Files{}), "") // other time, same bytes

	put(t, dir, "a.csv", "id\n2\n")
	wantCode(t, check(&Files{}), "") // size and time kept: only Rehash sees it
	wantCode(t, check(&Files{Rehash: true}), "input-changed")
	touch(t, file, old.Add(time.Hour))
	if e := wantCode(t, check(&Files{}), "input-changed"); e.Place() != "p.sql" {
		t.Error(e)
	}
	put(t, dir, "a.csv", "id\n1\n2\n")
	wantCode(t, check(&Files{}), "input-changed")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	wantCode(t, check(&Files{}), "input-missing")
	if err := os.Mkdir(filepath.Join(dir, "a.csv"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := check(&Files{}); err == nil {
		t.Error("a folder passes for a file")
	}
}
