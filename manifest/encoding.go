package manifest

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"github.com/twice-data/twice"
)

const utf8Name = "utf-8"

// spellings are names that people write and the register of IANA does not have, or has for something else.
var spellings = map[string]encoding.Encoding{
	"latin-1":   charmap.ISO8859_1,
	"mac-roman": charmap.Macintosh,
	"macroman":  charmap.Macintosh,
	"cp1252":    charmap.Windows1252,
	"utf-16":    unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
	"utf-16le":  unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
	"utf-16be":  unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
}

// CheckEncoding says whether a name is that of an encoding that files can be read in.
func CheckEncoding(name string) error {
	_, err := encodingOf(name)
	return err
}

// encodingOf finds an encoding by name; UTF-8 is nil.
func encodingOf(name string) (encoding.Encoding, error) {
	lower := strings.ToLower(name)
	if lower == utf8Name || lower == "utf8" {
		return nil, nil
	}
	if e, ok := spellings[lower]; ok {
		return e, nil
	}
	if e, err := ianaindex.IANA.Encoding(lower); err == nil && e != nil {
		return e, nil
	}
	return nil, twice.Errorf("unknown-encoding", "there is no encoding %q", name).
		WithNext("use a name such as utf-8, latin-1, windows-1252, mac-roman or utf-16").WithExit(twice.ExitProject)
}

// misfit says where bytes are not what an encoding allows.
type misfit struct {
	name   string
	what   string // "byte 0xec", "a character"
	offset int64  // in bytes; -1: unknown
	line   int
}

func (m *misfit) Error() string {
	if m.offset < 0 {
		return fmt.Sprintf("%s in line %d does not fit %s", m.what, m.line, m.name)
	}
	return fmt.Sprintf("%s does not fit %s at offset %d, line %d", m.what, m.name, m.offset, m.line)
}

// decoded is the UTF-8 text of r, in the named encoding. No bytes are ever replaced: those that do not fit give a
// *misfit. Besides what an encoding itself forbids these do not fit: NUL, which no text has, and the controls from U+0080
// to U+009F, which no text has either. Without the second rule every file would fit latin-1, and no encoding after it in
// a list would ever be tried. A byte order mark is left out.
func decoded(r io.Reader, name string, e encoding.Encoding) io.Reader {
	t := &text{r: r, name: name}
	if e != nil {
		t.r = transform.NewReader(r, e.NewDecoder())
		t.strict = true
	}
	return t
}

// text checks UTF-8 on its way.
type text struct {
	r      io.Reader
	name   string
	strict bool // decoded from another encoding: replacement characters and controls do not fit
	offset int64
	line   int // newlines so far
	rest   []byte
	failed error
}

// Read gives text that has been checked, a character never cut in two. p must hold at least a character.
func (t *text) Read(p []byte) (int, error) {
	if t.failed != nil {
		return 0, t.failed
	}
	kept := copy(p, t.rest)
	n, err := t.r.Read(p[kept:])
	b := p[:kept+n]
	whole := len(b)
	if err != io.EOF {
		whole -= cut(b)
	}
	t.rest = append(t.rest[:0], b[whole:]...)
	b = b[:whole]
	if at := t.bad(b); at >= 0 {
		t.failed = t.misfit(b, at)
		return 0, t.failed
	}
	t.failed = err
	skip := 0
	if t.offset == 0 && bytes.HasPrefix(b, byteOrderMark) {
		skip = copy(p, b[len(byteOrderMark):])
		skip = len(b) - skip
	}
	t.offset += int64(len(b))
	t.line += bytes.Count(b, newline)
	return len(b) - skip, err
}

var (
	byteOrderMark = []byte("\ufeff")
	newline       = []byte{'\n'}
)

// cut is the length of a character that is begun at the end of b and not complete.
func cut(b []byte) int {
	for n := 1; n <= min(utf8.UTFMax-1, len(b)); n++ {
		if c := b[len(b)-n]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune(b[len(b)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}

// bad is where the first thing that does not fit is, or -1.
func (t *text) bad(b []byte) int {
	if !t.strict {
		if bytes.IndexByte(b, 0) < 0 && utf8.Valid(b) {
			return -1
		}
	}
	for i := 0; i < len(b); {
		c, n := rune(b[i]), 1
		if c >= utf8.RuneSelf {
			c, n = utf8.DecodeRune(b[i:])
		}
		switch {
		case c == 0, c == utf8.RuneError && (n == 1 || t.strict), t.strict && 0x80 <= c && c < 0xa0:
			return i
		}
		i += n
	}
	return -1
}

func (t *text) misfit(b []byte, at int) *misfit {
	line := t.line + bytes.Count(b[:at], newline) + 1
	if t.strict {
		return &misfit{name: t.name, what: "a character", offset: -1, line: line}
	}
	return &misfit{name: t.name, what: fmt.Sprintf("byte 0x%02x", b[at]), offset: t.offset + int64(at), line: line}
}

// badEncoding says that a file's bytes fit none of the encodings; first is where the first of them failed.
func badEncoding(path string, tried []string, first *misfit) *twice.Error {
	e := twice.Errorf("bad-encoding", "%s: %v", path, first)
	if len(tried) > 1 {
		e = twice.Errorf("bad-encoding", "%s fits none of %s: %v", path, strings.Join(tried, ", "), first)
	}
	more := slices.Clone(tried)
	for _, name := range []string{"windows-1252", "mac-roman"} {
		if !slices.Contains(more, name) {
			more = append(more, name)
			break
		}
	}
	return e.WithNext("if the file is whole, say how it is encoded: encoding: [%s]", strings.Join(more, ", "))
}
