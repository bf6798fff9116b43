package prove

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/twice-data/twice"
)

// ndjsonFile is one JSON object a line. Fields that nobody changes keep their bytes.
type ndjsonFile struct {
	textFile
	names []string
}

// mostNaming is how many records are looked at for the names of fields.
const mostNaming = 50

func readNDJSON(path string, r twice.Reader) (*sheet, error) {
	t, text, why, err := readText(path, r)
	if err != nil || why != "" {
		return &sheet{why: why}, err
	}
	f := &ndjsonFile{textFile: t}
	rows := lines(bytes.SplitAfter(text, []byte("\n")))
	for _, r := range rows[:min(len(rows), mostNaming)] {
		for _, m := range members(r.line) {
			if !slices.Contains(f.names, m.key) {
				f.names = append(f.names, m.key)
			}
		}
	}
	return &sheet{format: f, columns: f.names, rows: rows}, nil
}

// member is a field of an object.
type member struct {
	key   string
	value json.RawMessage
}

// members takes an object apart; what is none has no fields.
func members(line []byte) []member {
	d := json.NewDecoder(bytes.NewReader(line))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	var ms []member
	for d.More() {
		t, err := d.Token()
		key, ok := t.(string)
		if err != nil || !ok {
			return nil
		}
		m := member{key: key}
		if err := d.Decode(&m.value); err != nil {
			return nil
		}
		ms = append(ms, m)
	}
	return ms
}

// object puts an object together.
func object(ms []member) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range ms {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(jsonText(m.key))
		b.WriteByte(':')
		b.Write(m.value)
	}
	b.WriteString("}\n")
	return b.Bytes()
}

// jsonText is a text as JSON.
func jsonText(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string into memory
	return string(bytes.TrimSpace(b.Bytes()))
}

// edit changes one field of a row by name; nil leaves it out.
func edit(r row, key string, change func(m member) []member) (row, bool) {
	ms := members(r.line)
	at := slices.IndexFunc(ms, func(m member) bool { return m.key == key })
	if at < 0 {
		return r, false
	}
	return row{line: object(slices.Concat(ms[:at], change(ms[at]), ms[at+1:]))}, true
}

// with takes nothing as a value for: without the field.
func (f *ndjsonFile) with(r row, c int, value string) (row, bool) {
	if c >= len(f.names) {
		return r, false
	}
	same := false
	other, ok := edit(r, f.names[c], func(m member) []member {
		same = string(m.value) == value
		if value == "" {
			return nil
		}
		return []member{{m.key, json.RawMessage(value)}}
	})
	if ms := members(r.line); !ok && ms != nil && value != "" {
		return row{line: object(append(ms, member{f.names[c], json.RawMessage(value)}))}, true
	}
	return other, ok && !same
}

func (f *ndjsonFile) odd(s *sheet, c int) []odd {
	name := s.columns[c]
	var sample json.RawMessage
	for _, r := range s.rows[:min(len(s.rows), mostNaming)] {
		edit(r, name, func(m member) []member {
			if sample == nil && string(m.value) != "null" {
				sample = m.value
			}
			return nil
		})
	}
	if sample == nil {
		sample = json.RawMessage(`""`)
	}
	is := func(value string) odd { return odd{fmt.Sprintf("%s = %s", name, short(value)), value, false} }
	text := ""
	quoted := json.Unmarshal(sample, &text) == nil
	ordinary := is("7")
	if quoted {
		ordinary = is(`"7"`)
	}
	all := []odd{ordinary, {name + " = null", "null", true}, {"no " + name, "", true}}
	switch {
	case quoted:
		if json.Valid([]byte(text)) && text != "" {
			all = append(all, is(text)) // a number, no longer as text
		}
		for _, v := range append([]string{""}, extremes(text)...) {
			all = append(all, is(jsonText(v)))
		}
		all = append(all, is(`"\u0000"`), is(`"\ud800"`), is("true"), is(`{"a": 1}`))
	case sample[0] == '{' || sample[0] == '[':
		all = append(all, is("{}"), is("[]"), is("[null]"), is(`"text"`))
	default:
		all = append(all, is(jsonText(string(sample))))
		for _, v := range extremes(string(sample)) {
			if json.Valid([]byte(v)) {
				all = append(all, is(v))
			}
		}
		all = append(all, is("-0.0"), is("true"), is(`{"a": 1}`), is("[1]"))
	}
	return all
}

func (f *ndjsonFile) rename(s *sheet, c int, name string) bool {
	return f.each(s, c, func(m member) []member { return []member{{name, m.value}} })
}

func (f *ndjsonFile) drop(s *sheet, c int) bool {
	return f.each(s, c, func(member) []member { return nil })
}

// each changes one field of every row that has it.
func (f *ndjsonFile) each(s *sheet, c int, change func(member) []member) bool {
	if c >= len(f.names) {
		return false
	}
	changed := false
	for i, r := range s.rows {
		if other, ok := edit(r, f.names[c], change); ok {
			s.rows[i], changed = other, true
		}
	}
	return changed
}

func (f *ndjsonFile) widen(s *sheet, name string) bool {
	changed := false
	for i, r := range s.rows {
		if ms := members(r.line); ms != nil {
			s.rows[i].line, changed = object(append(ms, member{name, json.RawMessage("1")})), true
		}
	}
	return changed
}

// miscount changes each row's last whole number, but not in the first field, which is a key more often than not.
func (f *ndjsonFile) miscount(s *sheet) bool {
	changed := false
	for i, r := range s.rows {
		ms := members(r.line)
		for c := len(ms) - 1; c > 0; c-- {
			if v, ok := miscounted(string(ms[c].value)); ok && json.Valid([]byte(v)) {
				ms[c].value = json.RawMessage(v)
				s.rows[i].line, changed = object(ms), true
				break
			}
		}
	}
	return changed
}
