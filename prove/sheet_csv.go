package prove

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/twice-data/twice"
)

// csvFile is CSV. Fields that nobody changes keep their bytes.
type csvFile struct {
	textFile
	names         []byte // the header, with its end; nil: there is none, and columns go by their place
	comma         string
	quote, escape byte
	nulls         []string // what means NULL, besides nothing
}

func readCSV(path string, r twice.Reader) (*sheet, error) {
	t, text, why, err := readText(path, r)
	if err != nil || why != "" {
		return &sheet{why: why}, err
	}
	f := &csvFile{textFile: t, comma: r.Delimiter, quote: first(r.Quote, '"'), nulls: r.Nulls}
	f.escape = first(r.Escape, f.quote)
	records := f.records(text)
	if len(records) < r.Skip {
		return &sheet{why: "it has fewer lines than are skipped"}, nil
	}
	f.head = append(slices.Clone(f.head), bytes.Join(records[:r.Skip], nil)...)
	records = records[r.Skip:]
	headed := r.Header == nil || *r.Header
	if len(records) == 0 {
		return &sheet{why: "it has no lines"}, nil
	}
	f.comma = delimiter(r, records[0])
	s := &sheet{format: f}
	for i, field := range f.fields(records[0]) {
		name := f.text(field)
		if !headed {
			name = fmt.Sprintf("column %d", i+1)
			if i < len(r.Columns) {
				name = r.Columns[i].Name
			}
		}
		s.columns = append(s.columns, name)
	}
	if headed {
		f.names, records = ended(records[0]), records[1:]
	}
	s.rows = lines(records)
	s.shape = fmt.Sprintf("%s%s%d", f.head, f.names, len(s.columns))
	return s, nil
}

func first(s string, or byte) byte {
	if s == "" {
		return or
	}
	return s[0]
}

func ended(line []byte) []byte {
	if bytes.HasSuffix(line, []byte("\n")) {
		return line
	}
	return append(slices.Clone(line), '\n')
}

// records cuts text after each line end that is not quoted.
func (f *csvFile) records(text []byte) [][]byte {
	var rs [][]byte
	from := 0
	f.scan(text, func(i int, c byte) {
		if c == '\n' {
			rs = append(rs, text[from:i+1])
			from = i + 1
		}
	})
	if from < len(text) {
		rs = append(rs, text[from:])
	}
	return rs
}

// scan calls see for each byte that is not quoted. A quote opens only where a field begins: 5" is an inch.
func (f *csvFile) scan(text []byte, see func(i int, c byte)) {
	quoted := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		again := i+1 < len(text) && text[i+1] == f.quote
		switch {
		case quoted && c == f.escape && (again || f.escape != f.quote):
			i++
		case quoted && c == f.quote:
			quoted = false
		case quoted:
		case c == f.quote && (i == 0 || text[i-1] == '\n' || f.ends(text[i-1])):
			quoted = true
		default:
			see(i, c)
		}
	}
}

// ends says whether c may be the end of a delimiter.
func (f *csvFile) ends(c byte) bool {
	if f.comma == "" { // it is not known yet
		return strings.IndexByte(delimiters, c) >= 0
	}
	return f.comma[len(f.comma)-1] == c
}

// delimiters are those that are looked for.
const delimiters = ",;\t|"

func delimiter(r twice.Reader, line []byte) string {
	if r.Delimiter != "" {
		return r.Delimiter
	}
	best, most := ",", 0
	for _, c := range delimiters {
		if n := bytes.Count(line, []byte(string(c))); n > most {
			best, most = string(c), n
		}
	}
	return best
}

// fields cuts a record at its delimiters: each field as it stands there.
func (f *csvFile) fields(record []byte) [][]byte {
	record = bytes.TrimRight(record, "\r\n")
	var fs [][]byte
	from := 0
	f.scan(record, func(i int, _ byte) {
		if i >= from && bytes.HasPrefix(record[i:], []byte(f.comma)) {
			fs = append(fs, record[from:i])
			from = i + len(f.comma)
		}
	})
	return append(fs, record[from:])
}

// text is what a field says.
func (f *csvFile) text(field []byte) string {
	q := string(f.quote)
	t := strings.TrimSpace(string(field))
	if len(t) < 2 || t[0] != f.quote || t[len(t)-1] != f.quote {
		return string(field)
	}
	return strings.ReplaceAll(t[1:len(t)-1], string(f.escape)+q, q)
}

// field is a text as it stands between two delimiters.
func (f *csvFile) field(text string) []byte {
	q, e := string(f.quote), string(f.escape)
	plain := !strings.ContainsAny(text, q+"\r\n") && !strings.Contains(text, f.comma)
	if plain && text == strings.TrimSpace(text) {
		return []byte(text)
	}
	if e != q {
		text = strings.ReplaceAll(text, e, e+e)
	}
	return []byte(q + strings.ReplaceAll(text, q, e+q) + q)
}

// record puts fields together; end is a record that ends as it shall.
func (f *csvFile) record(fields [][]byte, end []byte) []byte {
	line := bytes.Join(fields, []byte(f.comma))
	return append(line, end[len(bytes.TrimRight(end, "\r\n")):]...)
}

func (f *csvFile) with(r row, c int, value string) (row, bool) {
	fields := f.fields(r.line)
	if c >= len(fields) || f.text(fields[c]) == value {
		return r, false
	}
	fields[c] = f.field(value)
	return row{line: f.record(fields, r.line)}, true
}

func (f *csvFile) odd(s *sheet, c int) []odd {
	name := s.columns[c]
	all := []odd{{name + " = 7", "7", false}, {"an empty " + name, "", true}}
	for _, n := range f.nulls {
		if n != "" {
			all = append(all, odd{fmt.Sprintf("%s = %q, which means NULL", name, n), n, true})
		}
	}
	if len(s.rows) == 0 {
		return all
	}
	fields := f.fields(s.rows[0].line)
	if c >= len(fields) {
		return nil
	}
	for _, v := range extremes(f.text(fields[c])) {
		all = append(all, odd{fmt.Sprintf("%s = %s", name, shown(v)), v, false})
	}
	return all
}

// edit changes the fields of the header, if there is one, and those of every row.
func (f *csvFile) edit(s *sheet, change func(fields [][]byte, header bool) [][]byte) bool {
	if f.names != nil {
		f.names = f.record(change(f.fields(f.names), true), f.names)
	}
	for i, r := range s.rows {
		s.rows[i].line = f.record(change(f.fields(r.line), false), r.line)
	}
	return true
}

func (f *csvFile) rename(s *sheet, c int, name string) bool {
	if f.names == nil || c >= len(s.columns) {
		return false
	}
	fields := f.fields(f.names)
	fields[c] = f.field(name)
	f.names = f.record(fields, f.names)
	return true
}

func (f *csvFile) drop(s *sheet, c int) bool {
	if c >= len(s.columns) || len(s.columns) == 1 {
		return false
	}
	return f.edit(s, func(fields [][]byte, _ bool) [][]byte {
		if c < len(fields) {
			return slices.Delete(fields, c, c+1)
		}
		return fields
	})
}

func (f *csvFile) widen(s *sheet, name string) bool {
	return f.edit(s, func(fields [][]byte, header bool) [][]byte {
		if header {
			return append(fields, f.field(name))
		}
		return append(fields, []byte("x"))
	})
}

// miscount changes each row's last whole number, but not in the first column, which is a key more often than not.
func (f *csvFile) miscount(s *sheet) bool {
	changed := false
	for i, r := range s.rows {
		fields := f.fields(r.line)
		for c := len(fields) - 1; c > 0; c-- {
			if v, ok := miscounted(f.text(fields[c])); ok {
				s.rows[i], changed = f.mustPut(r, c, v), true
				break
			}
		}
	}
	return changed
}

func (f *csvFile) mustPut(r row, c int, v string) row {
	other, _ := f.with(r, c, v)
	return other
}

func (f *csvFile) write(ctx context.Context, s *sheet, path string) error {
	whole := f.textFile
	whole.head = append(slices.Clone(f.head), f.names...)
	return whole.write(ctx, s, path)
}
