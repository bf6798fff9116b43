package prove

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/twice-data/twice"
)

// sheet is a file of input, taken apart into columns and rows: what the input laws rewrite. Laws bring its rows into another
// order, repeat them and leave them out; what stands in a row only its format knows.
type sheet struct {
	format
	columns []string
	rows    []row
	shape   string // two sheets of one shape may exchange rows
	block   int    // rows that are stored together, in formats that do so; 0: as the format likes
	why     string // it cannot be rewritten, and is left as it is; empty: it can
}

// row is one row of a sheet.
type row struct {
	line []byte // of a text file, with its end

	from string         // of a Parquet file: its path. The file must stay as it is until the row is written.
	n    int64          // its number there, from 1
	put  map[int]string // what is other than there: SQL, by column
}

// format is what kinds of files differ in. A value is a text in the format's own words: a field of CSV, JSON, or SQL.
type format interface {
	// with is a copy of a row with another value in a column; false: it has no such column, or that value already.
	with(r row, column int, value string) (row, bool)
	// odd lists values that may stand in a column one day: an ordinary one first, then what means NULL, then strange ones.
	odd(s *sheet, column int) []odd
	// types lists other types in which a column may come one day. Text files have none.
	types(column int) []string
	// retype gives a column one of its types.
	retype(s *sheet, column int, typ string) bool
	rename(s *sheet, column int, name string) bool
	drop(s *sheet, column int) bool
	widen(s *sheet, name string) bool
	// miscount changes a number in each row; false: there is none.
	miscount(s *sheet) bool
	// write makes the file at path of s. It may be the file that s is of. errDoesNotFit: there can be no such file.
	write(ctx context.Context, s *sheet, path string) error
}

// errDoesNotFit says that a value does not go into its column's new type: a producer could not write that either.
var errDoesNotFit = errors.New("a value does not fit its column")

// odd is a value that may come one day.
type odd struct {
	name  string // "amount = NULL"
	value string
	null  bool // it means that there is no value
}

// readSheet takes the file of a feed in a folder apart.
func (b *bench) readSheet(ctx context.Context, folder string, f feed) (*sheet, error) {
	path := filepath.Join(folder, f.path)
	var s *sheet
	var err error
	if why := b.fixed[f.path]; why != "" {
		return &sheet{why: why}, nil
	}
	switch r := f.reader(); formatOf(path, r) {
	case "parquet":
		s, err = b.readParquet(ctx, path)
	case "ndjson":
		s, err = readNDJSON(path, r)
	default:
		s, err = readCSV(path, r)
	}
	if err != nil {
		return nil, fmt.Errorf("input %s: %w", f.path, err)
	}
	return s, nil
}

func formatOf(path string, r twice.Reader) string {
	if r.Format != "" {
		return r.Format
	}
	switch filepath.Ext(strings.TrimSuffix(strings.ToLower(path), ".gz")) {
	case ".parquet", ".pq":
		return "parquet"
	case ".ndjson", ".jsonl", ".json":
		return "ndjson"
	default:
		return "csv"
	}
}

// change rewrites input files in a folder; change says whether it altered the sheet.
func (b *bench) change(ctx context.Context, folder string, feeds []feed, change func(f feed, s *sheet) bool) (int, error) {
	changed := 0
	for _, f := range feeds {
		s, err := b.readSheet(ctx, folder, f)
		if err != nil {
			return changed, err
		}
		if s.why != "" || !change(f, s) {
			continue
		}
		err = s.write(ctx, s, filepath.Join(folder, f.path))
		if errors.Is(err, errDoesNotFit) {
			continue
		}
		if err != nil {
			return changed, err
		}
		changed++
	}
	return changed, nil
}

// survey finds out which input files cannot be rewritten, and what can be put into the others.
func (b *bench) survey(ctx context.Context) error {
	b.fixed = map[string]string{}
	for _, f := range b.feeds {
		s, err := b.readSheet(ctx, b.folder, f)
		if err != nil {
			return err
		}
		if _, ok := s.format.(*parquetFile); ok {
			if s.why, err = b.faithful(ctx, filepath.Join(b.folder, f.path)); err != nil {
				return err
			}
		}
		if s.why != "" {
			b.fixed[f.path] = s.why
		}
	}
	var err error
	if b.strange, err = b.injections(ctx); err != nil {
		return err
	}
	return b.readQueries(ctx)
}

// unwritable says why no input row can be rewritten.
func unwritable(b *bench) string {
	if len(b.feeds) == 0 {
		return "neither it nor what it reads takes files"
	}
	why := ""
	for _, f := range b.feeds {
		if b.fixed[f.path] == "" {
			return ""
		}
		why = f.path + " is not rewritten: " + b.fixed[f.path]
	}
	return why
}

// leftAlone says which files an input law did not rewrite; empty: none, or l is no such law.
func (b *bench) leftAlone(l Law) string {
	if l.Group != "input" || len(b.fixed) == 0 {
		return ""
	}
	path := slices.Min(slices.Collect(maps.Keys(b.fixed)))
	return fmt.Sprintf("%s left as they are: %s, because %s", counted(len(b.fixed), "file"), path, b.fixed[path])
}

// ownFolder gives the lab a copy of its scratch project, whose inputs may be changed.
func (l *lab) ownFolder() error {
	to := filepath.Join(l.b.root, "project-"+l.b.name())
	if err := os.CopyFS(to, os.DirFS(l.folder)); err != nil {
		return err
	}
	l.folder, l.own = to, true
	return nil
}

// restore puts the bench's own bytes of input files back.
func (l *lab) restore(feeds []feed) error {
	for _, f := range feeds {
		path := filepath.Join(l.folder, f.path)
		if err := copyFile(filepath.Join(l.b.folder, f.path), path+".new"); err != nil {
			return err
		}
		if err := os.Rename(path+".new", path); err != nil {
			return err
		}
	}
	return nil
}

// textFile is what all text files have in common.
type textFile struct {
	zipped bool
	head   []byte // what stands before the rows
}

var byteOrderMark = []byte("\ufeff")

// readText gives a file's text after a byte order mark, which becomes the head; why says that it is no text that can be cut
// at its line ends.
func readText(path string, r twice.Reader) (t textFile, text []byte, why string, err error) {
	t.zipped = r.Compression == "gzip" || r.Compression == "" && strings.HasSuffix(strings.ToLower(path), ".gz")
	f, err := os.Open(path)
	if err != nil {
		return t, nil, "", err
	}
	defer f.Close()
	var in io.Reader = f
	if t.zipped {
		if in, err = gzip.NewReader(f); err != nil {
			return t, nil, "", err
		}
	}
	if text, err = io.ReadAll(in); err != nil {
		return t, nil, "", err
	}
	if bytes.IndexByte(text, 0) >= 0 {
		return t, nil, "characters of two bytes are not taken apart", nil
	}
	if rest, ok := bytes.CutPrefix(text, byteOrderMark); ok {
		t.head, text = byteOrderMark, rest
	}
	return t, text, "", nil
}

// lines are rows of text: none of them empty, each with its end.
func lines(texts [][]byte) []row {
	var rs []row
	for _, l := range texts {
		if len(bytes.TrimSpace(l)) == 0 {
			continue
		}
		if !bytes.HasSuffix(l, []byte("\n")) {
			l = append(l[:len(l):len(l)], '\n')
		}
		rs = append(rs, row{line: l})
	}
	return rs
}

// types of text files are nothing that a producer could change.
func (t *textFile) types(int) []string { return nil }

func (t *textFile) retype(*sheet, int, string) bool { return false }

// write replaces the file at path: its directory entry, not its bytes, which may be another file's too.
func (t *textFile) write(_ context.Context, s *sheet, path string) error {
	var b bytes.Buffer
	var out io.Writer = &b
	var zip *gzip.Writer
	if t.zipped {
		zip = gzip.NewWriter(&b)
		out = zip
	}
	_, err := out.Write(t.head)
	for _, r := range s.rows {
		if err == nil {
			_, err = out.Write(r.line)
		}
	}
	if zip != nil {
		err = errors.Join(err, zip.Close())
	}
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", b.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// miscounted is a whole number with another last digit; false: v is none.
func miscounted(v string) (string, bool) {
	digits := strings.TrimPrefix(v, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return "", false
	}
	last := v[len(v)-1]
	return v[:len(v)-1] + string('0'+(last-'0'+1)%10), true
}
