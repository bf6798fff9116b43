package eventlog

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestReadGivesEachLineOnce reads a file in pieces of any size, also when a piece ends in the middle of a line, and from
// any line on.
func TestReadGivesEachLineOnce(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOf(rapid.StringMatching(`[ab]{0,9}`)).Draw(t, "lines")
		path := filepath.Join(dir, "0.ndjson")
		whole := strings.Join(append(texts, ""), "\n")
		if err := os.WriteFile(path, []byte(whole+"torn"), 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		ext, err := f.Extent()
		if err != nil || ext.End != int64(len(whole)) {
			t.Fatalf("it ends at %d (%v), want %d", ext.End, err, len(whole))
		}
		var got []string
		for at := int64(0); at < ext.End; {
			lines, next, err := f.Read(at, ext.End, rapid.IntRange(1, 30).Draw(t, "bytes"))
			if err != nil || next <= at {
				t.Fatalf("from %d to %d: %v", at, next, err)
			}
			for _, l := range lines {
				if !strings.HasPrefix(whole[l.Offset:], string(l.Text)+"\n") {
					t.Fatalf("%q is not at %d", l.Text, l.Offset)
				}
				got = append(got, string(l.Text))
			}
			at = next
		}
		want := slices.DeleteFunc(texts, func(s string) bool { return s == "" })
		if !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
		if (ext.ID == "") != (len(want) == 0) {
			t.Fatalf("%d records and the identity %q", len(want), ext.ID)
		}
	})
}

func TestReadRefusesWhereNoLineBegins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.ndjson")
	if err := os.WriteFile(path, []byte("one\ntwo\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, from := range []int64{1, 3, 5, 9} {
		if _, _, err := f.Read(from, 20, 4); !errors.Is(err, ErrRewritten) {
			t.Errorf("from %d: %v", from, err)
		}
	}
}

func TestExtentFollowsTheFirstRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.ndjson")
	look := func(text string) Extent {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		ext, err := f.Extent()
		if err != nil {
			t.Fatal(err)
		}
		return ext
	}
	long := strings.Repeat("x", 3*block)
	if a, b := look("\n"+long+"\n"), look("\n"+long+"\nmore\n"+long); a.ID != b.ID || a.End+5 != b.End {
		t.Errorf("%v grows to %v", a, b)
	}
	if a, b := look("one\ntwo\n"), look("two\none\n"); a.ID == b.ID {
		t.Error("a file that begins with another record is the same")
	}
	if got := look("torn"); got != (Extent{}) {
		t.Errorf("a half line makes %v", got)
	}
}

func TestAppend(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "events")
	for i, want := range []int64{0, 2} {
		if at, err := Append(dir, 3, false, Record{Value: []byte("a")}); err != nil || at != want {
			t.Fatalf("append %d begins at %d (%v), want %d", i, at, err, want)
		}
	}
	path := filepath.Join(dir, "3.ndjson")
	if err := os.WriteFile(path, []byte("a\ntorn"), 0o644); err != nil {
		t.Fatal(err)
	}
	if at, err := Append(dir, 3, false, Record{Value: []byte("b")}); err != nil || at != 2 {
		t.Fatalf("behind a torn line it begins at %d (%v)", at, err)
	}
	if got, _ := os.ReadFile(path); string(got) != "a\nb\n" {
		t.Errorf("the file is %q", got)
	}
	for _, bad := range []string{"", "a\nb"} {
		if _, err := Append(dir, 3, false, Record{Value: []byte(bad)}); err == nil {
			t.Errorf("%q is a line", bad)
		}
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	touch := func(name string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"0.ndjson", "12", ".swp", "_notes"} {
		touch(name)
	}
	got, err := Files(dir)
	if diff := cmp.Diff(map[int32]string{0: filepath.Join(dir, "0.ndjson"), 12: filepath.Join(dir, "12")}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if got, err := Files(filepath.Join(dir, "0.ndjson")); err != nil || len(got) != 1 {
		t.Error(got, err)
	}
	if got, err := Files(filepath.Join(dir, "none")); err != nil || len(got) != 0 {
		t.Error(got, err)
	}
	touch("00.csv")
	if _, err := Files(dir); err == nil {
		t.Error("two files are one partition")
	}
}

func FuzzEnvelope(f *testing.F) {
	f.Add([]byte("key"), []byte("\xff"), int64(1), "h", []byte("v"))
	f.Fuzz(func(t *testing.T, key, value []byte, ms int64, name string, header []byte) {
		r := Record{Key: key, Value: value, Time: time.UnixMilli(ms % 1e14).UTC()}
		if name = strings.ToValidUTF8(name, ""); name != "" {
			r.Headers = []Header{{name, header}}
		}
		line := r.Wrap()
		got, err := Unwrap(line)
		if err != nil || bytes.IndexByte(line, '\n') >= 0 {
			t.Fatalf("%s: %v", line, err)
		}
		if diff := cmp.Diff(r, got, cmp.Comparer(func(a, b []byte) bool { return bytes.Equal(a, b) })); diff != "" {
			t.Fatal(diff)
		}
		if (got.Key == nil) != (key == nil) || (got.Value == nil) != (value == nil) {
			t.Fatalf("%s: none and empty are one", line)
		}
	})
}

func TestUnwrap(t *testing.T) {
	for line, want := range map[string]string{
		`{"value": {"a": 1.50}}`: `{"a": 1.50}`, `{"value": "{\"a\": 1}"}`: `{"a": 1}`, `{"value": null}`: "", `{"key": "k"}`: "",
		`{"value_base64": "/w==", "timestamp": "2026-03-01T10:00:00Z"}`: "\xff",
	} {
		if r, err := Unwrap([]byte(line)); err != nil || string(r.Value) != want {
			t.Errorf("%s: %q, %v", line, r.Value, err)
		}
	}
	for _, line := range []string{`{"id": 1}`, `[]`, `{} {}`, `{"timestamp": "soon"}`, `{"key_base64": "?"}`, ``} {
		if _, err := Unwrap([]byte(line)); err == nil {
			t.Errorf("%s is an envelope", line)
		}
	}
}
