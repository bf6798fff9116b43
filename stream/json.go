package stream

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/bits"
)

// token is a field's value as it stands in a record.
type token struct {
	kind byte   // one of the kinds; 0: the record does not have the field
	text []byte // of a word or a number as it stands, of a string what it means
}

// The kinds of tokens.
const (
	null   = 'n'
	word   = 'w' // true or false
	digits = 'd' // a whole number of up to 15 digits
	number = '.' // any other number
	str    = 's'
	nested = '{' // an object or an array
)

// scanner finds the fields of JSON objects in one pass over their bytes. It is strict, and gives up on what is rare: what
// it cannot read need not be wrong.
type scanner struct {
	index  map[string]int // by the fields' names and aliases
	tokens []token        // by field, of the last record
	buf    []byte         // holds strings that have escapes
}

// scan reads a record, which is valid UTF-8. It is false where the record is no JSON object, or one that must be looked
// at more closely.
func (s *scanner) scan(doc []byte) bool {
	clear(s.tokens)
	s.buf = s.buf[:0]
	i := space(doc, 0)
	if i >= len(doc) || doc[i] != '{' {
		return false
	}
	i = space(doc, i+1)
	if i < len(doc) && doc[i] == '}' {
		return space(doc, i+1) == len(doc)
	}
	for {
		if i >= len(doc) || doc[i] != '"' {
			return false
		}
		key, next, plain := quoted(doc, i+1)
		if next < 0 || !plain {
			return false
		}
		i = space(doc, next)
		if i >= len(doc) || doc[i] != ':' {
			return false
		}
		tok, next := s.value(doc, space(doc, i+1))
		if next < 0 {
			return false
		}
		if field, ok := s.index[string(key)]; ok {
			if s.tokens[field].kind != 0 {
				return false // there twice, or under two of its names
			}
			s.tokens[field] = tok
		}
		i = space(doc, next)
		if i >= len(doc) {
			return false
		}
		switch doc[i] {
		case '}':
			return space(doc, i+1) == len(doc)
		case ',':
			i = space(doc, i+1)
		default:
			return false
		}
	}
}

func space(doc []byte, i int) int {
	for i < len(doc) && (doc[i] == ' ' || doc[i] == '\t' || doc[i] == '\n' || doc[i] == '\r') {
		i++
	}
	return i
}

// quoted reads a string whose quote is before i: its bytes, where it is over, or -1, and whether it has no escapes.
func quoted(doc []byte, i int) (text []byte, next int, plain bool) {
	from := i
	plain = true
	for {
		i += special(doc[i:])
		switch {
		case i >= len(doc) || doc[i] < ' ':
			return nil, -1, false
		case doc[i] == '"':
			return doc[from:i], i + 1, plain
		default:
			plain = false
			i += 2
			if i > len(doc) {
				return nil, -1, false
			}
		}
	}
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special is the number of bytes before the first quote, backslash or control character. It looks at eight bytes at a
// time: https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord
func special(b []byte) int {
	n := 0
	for ; len(b)-n >= 8; n += 8 {
		x := binary.LittleEndian.Uint64(b[n:])
		quote, slash := x^(ones*'"'), x^(ones*'\\')
		found := (quote-ones)&^quote | (slash-ones)&^slash | (x-ones*' ')&^x
		if found &= highs; found != 0 {
			return n + bits.TrailingZeros64(found)/8
		}
	}
	for ; n < len(b) && b[n] != '"' && b[n] != '\\' && b[n] >= ' '; n++ {
	}
	return n
}

// value reads a value at i, and says where it is over, or -1.
func (s *scanner) value(doc []byte, i int) (token, int) {
	if i >= len(doc) {
		return token{}, -1
	}
	switch c := doc[i]; {
	case c == '"':
		text, next, plain := quoted(doc, i+1)
		if next >= 0 && !plain {
			if text = s.unescape(text); text == nil {
				next = -1
			}
		}
		return token{str, text}, next
	case c == '-' || c >= '0' && c <= '9':
		return numeral(doc, i)
	case c == '{' || c == '[':
		next := skip(doc, i)
		if next < 0 || !json.Valid(doc[i:next]) {
			return token{}, -1
		}
		return token{nested, doc[i:next]}, next
	}
	for _, w := range []struct {
		text string
		kind byte
	}{{"true", word}, {"false", word}, {"null", null}} {
		if bytes.HasPrefix(doc[i:], []byte(w.text)) {
			next := i + len(w.text)
			return token{w.kind, doc[i:next]}, next
		}
	}
	return token{}, -1
}

// numeral reads a number. It ends where no byte of a number follows.
func numeral(doc []byte, i int) (token, int) {
	from, kind := i, byte(digits)
	if doc[i] == '-' {
		i++
	}
	whole := i
	i = decimals(doc, i)
	if i == whole || doc[whole] == '0' && i > whole+1 {
		return token{}, -1
	}
	if i < len(doc) && doc[i] == '.' {
		kind = number
		fraction := i + 1
		if i = decimals(doc, fraction); i == fraction {
			return token{}, -1
		}
	}
	if i < len(doc) && doc[i]|0x20 == 'e' {
		kind = number
		i++
		if i < len(doc) && (doc[i] == '+' || doc[i] == '-') {
			i++
		}
		power := i
		if i = decimals(doc, i); i == power {
			return token{}, -1
		}
	}
	if i-from > 15 {
		kind = number
	}
	return token{kind, doc[from:i]}, i
}

func decimals(doc []byte, i int) int {
	for i < len(doc) && doc[i] >= '0' && doc[i] <= '9' {
		i++
	}
	return i
}

// skip finds the end of an object or array, which need not be right in itself. It is -1 where DuckDB may refuse what Go
// does not: half of a surrogate pair, and a number too large for floating point.
func skip(doc []byte, i int) int {
	const many = 300
	figures := 0
	for depth := 0; i < len(doc); i++ {
		c := doc[i]
		if c >= '0' && c <= '9' {
			figures++
			continue
		}
		if figures > many || figures > 0 && c|0x20 == 'e' {
			return -1
		}
		figures = 0
		switch c {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"':
			text, next, plain := quoted(doc, i+1)
			if next < 0 || !plain && bytes.Contains(text, []byte(`\u`)) {
				return -1
			}
			i = next - 1
		}
	}
	return -1
}

var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unescape is what a string with escapes means, or nil where it has one by a number.
func (s *scanner) unescape(text []byte) []byte {
	from := len(s.buf)
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\\' {
			i++
			if c = escapes[text[i]]; c == 0 {
				return nil
			}
		}
		s.buf = append(s.buf, c)
	}
	return s.buf[from:]
}
