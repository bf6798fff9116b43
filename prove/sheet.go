package prove

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/twice-data/twice"
)

// sheet is a text file of input, taken apart into what stands before its rows and the rows, each with its end of line.
type sheet struct {
	head   []byte // lines that are skipped, and the header
	names  []string
	rows   [][]byte
	comma  rune // 0: ndjson
	zipped bool
}

// readSheet takes a file apart. Parquet, and CSV without a header, are nil: they are left as they are.
func readSheet(path string, r twice.Reader) (*sheet, error) {
	name := strings.ToLower(path)
	s := &sheet{zipped: strings.HasSuffix(name, ".gz") || r.Compression == "gzip"}
	name = strings.TrimSuffix(name, ".gz")
	format := r.Format
	if format == "" {
		switch filepath.Ext(name) {
		case ".parquet":
			format = "parquet"
		case ".ndjson", ".jsonl", ".json":
			format = "ndjson"
		default:
			format = "csv"
		}
	}
	if format == "parquet" {
		return nil, nil
	}
	text, err := s.read(path)
	if err != nil {
		return nil, err
	}
	if format == "ndjson" {
		s.rows = bytes.SplitAfter(text, []byte("\n"))
	} else {
		quote := byte('"')
		if r.Quote != "" {
			quote = r.Quote[0]
		}
		s.rows = records(text, quote)
		heads := r.Skip + 1
		if r.Header != nil && !*r.Header || len(s.rows) < heads {
			return nil, nil
		}
		s.head, s.rows = bytes.Join(s.rows[:heads], nil), s.rows[heads:]
		s.comma = delimiter(r, s.head)
		s.names = s.fields(lastLine(s.head))
	}
	s.rows = slices.DeleteFunc(s.rows, func(row []byte) bool { return len(bytes.TrimSpace(row)) == 0 })
	for i, row := range s.rows {
		if !bytes.HasSuffix(row, []byte("\n")) {
			s.rows[i] = append(slices.Clone(row), '\n')
		}
	}
	return s, nil
}

func (s *sheet) read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var in io.Reader = f
	if s.zipped {
		if in, err = gzip.NewReader(f); err != nil {
			return nil, err
		}
	}
	return io.ReadAll(in)
}

// records cuts CSV after each line end that is not quoted.
func records(text []byte, quote byte) [][]byte {
	var rs [][]byte
	from, quoted := 0, false
	for i, c := range text {
		switch {
		case c == quote:
			quoted = !quoted
		case c == '\n' && !quoted:
			rs = append(rs, text[from:i+1])
			from = i + 1
		}
	}
	if from < len(text) {
		rs = append(rs, text[from:])
	}
	return rs
}

func lastLine(head []byte) []byte {
	head = bytes.TrimRight(head, "\r\n")
	return head[bytes.LastIndexByte(head, '\n')+1:]
}

func delimiter(r twice.Reader, head []byte) rune {
	if r.Delimiter != "" {
		return []rune(r.Delimiter)[0]
	}
	best, most := ',', 0
	for _, c := range ",;\t|" {
		if n := strings.Count(string(lastLine(head)), string(c)); n > most {
			best, most = c, n
		}
	}
	return best
}

// fields takes a CSV row apart; a row that is not well formed has none.
func (s *sheet) fields(row []byte) []string {
	r := csv.NewReader(bytes.NewReader(row))
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = s.comma, true, -1
	fields, err := r.Read()
	if err != nil {
		return nil
	}
	return fields
}

// row puts a CSV row together.
func (s *sheet) row(fields []string) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Comma = s.comma
	_ = w.Write(fields) // into memory, with a delimiter that was read
	w.Flush()
	return b.Bytes()
}

// write replaces the file at path: its directory entry, not its bytes, which may be another file's too.
func (s *sheet) write(path string) error {
	var b bytes.Buffer
	var out io.Writer = &b
	var zip *gzip.Writer
	if s.zipped {
		zip = gzip.NewWriter(&b)
		out = zip
	}
	_, err := out.Write(s.head)
	for _, row := range s.rows {
		if err == nil {
			_, err = out.Write(row)
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

// change rewrites input files in a folder; change says whether it altered the sheet.
func (b *bench) change(folder string, feeds []feed, change func(f feed, s *sheet) bool) (int, error) {
	changed := 0
	for _, f := range feeds {
		path := filepath.Join(folder, f.path)
		s, err := readSheet(path, f.reader())
		if err != nil {
			return changed, fmt.Errorf("input %s: %w", f.path, err)
		}
		if s == nil || !change(f, s) {
			continue
		}
		changed++
		if err := s.write(path); err != nil {
			return changed, err
		}
	}
	return changed, nil
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
