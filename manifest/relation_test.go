package manifest

import (
	"compress/gzip"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/twice-data/twice"
)

func encoded(t *testing.T, name, s string) string {
	t.Helper()
	e, err := encodingOf(name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.NewEncoder().String(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// relation resolves one file and gives the path that it is read by.
func relation(t *testing.T, dir, tmp, name string, r twice.Reader) (string, error) {
	t.Helper()
	ctx := context.Background()
	in := input(name)
	in.Files.Reader = r
	f := &Files{Dir: dir, Source: "p.sql"}
	pin, err := f.Resolve(ctx, in, []twice.Window{{}})
	if err != nil {
		t.Fatal(err)
	}
	rel, err := f.Relation(ctx, in, pin, tmp)
	if err != nil {
		return "", err
	}
	again, err := f.Relation(ctx, in, pin, tmp)
	if err != nil || again.Files[0] != rel.Files[0] {
		t.Errorf("a second time: %v, %v", again, err)
	}
	if rel.Name != "reports" || rel.File != "p.sql" || rel.Line != 7 || len(rel.Files) != 1 {
		t.Errorf("%+v", rel)
	}
	return rel.Files[0], nil
}

func TestRelationTakesTheFirstEncodingThatFits(t *testing.T) {
	text := "id,name\n" + strings.Repeat("1,Forlì-Cesena\n", 50_000)
	all := []string{"utf-8", "latin-1", "mac-roman"}
	utf16, err := unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, content string
		encodings     []string
		want          string // the encoding in the name of the copy; empty: the file itself
	}{
		{"a.csv", text, nil, ""},
		{"a.csv", "\ufeff" + text, nil, ""},
		{"a.csv", text, all, ""},
		{"a.csv", encoded(t, "latin-1", text), all, "latin-1"},
		{"a.csv", encoded(t, "mac-roman", text), all, "mac-roman"},
		{"a.csv", encoded(t, "windows-1252", text), []string{"UTF-8", "Windows-1252"}, "windows-1252"},
		{"a.csv", utf16, []string{"utf-8", "utf-16"}, "utf-16"},
		{"a.csv", encoded(t, "utf-16le", text), []string{"utf-16le"}, "utf-16le"},
		{"a.csv.gz", zipped(t, encoded(t, "latin-1", text)), all, "latin-1"},
		{"a.ndjson", "\ufeff{\"name\": \"Forlì\"}\n", nil, "utf-8"},
		{"a.ndjson", "{\"name\": \"Forlì\"}\n", nil, ""},
	} {
		dir, tmp := t.TempDir(), filepath.Join(t.TempDir(), "made")
		file := put(t, dir, c.name, c.content)
		got, err := relation(t, dir, tmp, c.name, twice.Reader{Encodings: c.encodings})
		if err != nil {
			t.Errorf("%s %v: %v", c.name, c.encodings, err)
			continue
		}
		if c.want == "" {
			if got != file {
				t.Errorf("%s %v: read by %s", c.name, c.encodings, got)
			}
			continue
		}
		ext := strings.TrimPrefix(c.name, "a")
		if filepath.Dir(got) != tmp || !strings.HasSuffix(got, "."+c.want+ext) {
			t.Errorf("%s %v: read by %s", c.name, c.encodings, got)
		}
		want := text
		if strings.HasSuffix(c.name, ".ndjson") {
			want = strings.TrimPrefix(c.content, "\ufeff")
		}
		if slurp(t, got) != want {
			t.Errorf("%s %v: other text in the copy", c.name, c.encodings)
		}
		if left, _ := filepath.Glob(tmp + "/copy-*"); len(left) > 0 {
			t.Errorf("left over: %v", left)
		}
	}
}

func slurp(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(file, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRelationRefusesBytesThatDoNotFit(t *testing.T) {
	for _, c := range []struct {
		content   string
		encodings []string
		message   string
		next      string
	}{
		{"id\n1\nForl\xec\n", nil, "byte 0xec does not fit utf-8 at offset 9, line 3", "[utf-8, windows-1252]"},
		{"id\n\xc3", nil, "byte 0xc3 does not fit utf-8 at offset 3, line 2", "[utf-8, windows-1252]"},
		{"id\na\x00b\n", nil, "byte 0x00 does not fit utf-8 at offset 4, line 2", ""},
		{"id\n\x81\n", []string{"utf-8", "windows-1252"}, "fits none of utf-8, windows-1252", "[utf-8, windows-1252, mac-roman]"},
		{"id\n\x93\n", []string{"latin-1"}, "a character in line 2 does not fit latin-1", "[latin-1, windows-1252]"},
		{"\xff\xfea\x00b", []string{"utf-16"}, "does not fit utf-16", ""},
	} {
		dir := t.TempDir()
		tmp := t.TempDir()
		put(t, dir, "a.csv", c.content)
		_, err := relation(t, dir, tmp, "a.csv", twice.Reader{Encodings: c.encodings})
		e := wantCode(t, err, "bad-encoding")
		if !strings.Contains(e.Message, c.message) || !strings.Contains(e.Next, c.next) || e.Place() != "p.sql:7" {
			t.Errorf("%q: %v; %s", c.content, e, e.Next)
		}
		if left, _ := os.ReadDir(tmp); len(left) > 0 {
			t.Errorf("%q left %v", c.content, left)
		}
	}
}

// A character that lies across two pieces that are read must not be taken for two halves.
func TestRelationAcrossPieces(t *testing.T) {
	for shift := range 4 {
		dir := t.TempDir()
		put(t, dir, "a.csv", strings.Repeat("x", 256<<10-4+shift)+"€𝄞\n"+strings.Repeat("ì", 300<<10))
		if _, err := relation(t, dir, t.TempDir(), "a.csv", twice.Reader{}); err != nil {
			t.Error(shift, err)
		}
	}
}

func TestRelationCopiesOnlyThePinnedBytes(t *testing.T) {
	ctx := context.Background()
	dir, tmp := t.TempDir(), t.TempDir()
	put(t, dir, "a.csv", "Forl\xec\n")
	in := input("a.csv")
	in.Files.Encodings = []string{"latin-1"}
	f := &Files{Dir: dir}
	pin, err := f.Resolve(ctx, in, []twice.Window{{}})
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "a.csv", "Forl\xed\n")
	_, err = f.Relation(ctx, in, pin, tmp)
	wantCode(t, err, "input-changed")
	if left, _ := os.ReadDir(tmp); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestEncodingNames(t *testing.T) {
	for _, name := range []string{"utf-8", "UTF8", "latin-1", "iso-8859-1", "ISO-8859-15", "windows-1252", "mac-roman", "shift_jis"} {
		if err := CheckEncoding(name); err != nil {
			t.Error(err)
		}
	}
	if e, _ := encodingOf("iso-8859-1"); e != charmap.ISO8859_1 {
		t.Errorf("iso-8859-1 is %v", e)
	}
	if e := wantCode(t, CheckEncoding("klingon"), "unknown-encoding"); e.Exit != twice.ExitProject {
		t.Error(e)
	}
}

// TestRealFiles reads the daily files of a real feed that were published in three encodings.
func TestRealFiles(t *testing.T) {
	data := os.Getenv("TWICE_TEST_DATA")
	if data == "" {
		t.Skip("set TWICE_TEST_DATA to the folder of public feeds")
	}
	dir := filepath.Join(data, "A_covid_italy/province/landing")
	ctx := context.Background()
	in := input("*.csv")
	in.Files.Encodings = []string{"utf-8", "latin-1", "mac-roman"}
	f := &Files{Dir: dir}
	pin, err := f.Resolve(ctx, in, []twice.Window{{}})
	if err != nil || len(pin.Files) != 92 {
		t.Fatalf("%d files, %v", len(pin.Files), err)
	}
	rel, err := f.Relation(ctx, in, pin, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	copies := 0
	for i, file := range rel.Files {
		if filepath.Dir(file) == dir {
			continue // UTF-8 already, though some publish what another program had read wrongly
		}
		copies++
		if !strings.Contains(slurp(t, file), "Forlì-Cesena") {
			t.Errorf("%s has no Forlì", pin.Files[i].Path)
		}
	}
	if copies != 17 {
		t.Errorf("%d files were not UTF-8; want 17", copies)
	}
}
