package twice

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A token of SQL, as far as DuckDB and PostgreSQL agree on what one is: enough to tell comments, strings and quoted
// identifiers from the rest, which is all that Canonical and Bind need. What the SQL means is asked of the engine's own
// parser.
type token struct {
	kind tokenKind
	text string
	at   int // byte offset
}

type tokenKind int

const (
	tokenSpace  tokenKind = iota // white space and comments
	tokenWord                    // identifiers, keywords, numbers
	tokenQuoted                  // 'strings', "identifiers", $$dollar strings$$
	tokenParam                   // $name
	tokenOther                   // one byte of punctuation
)

func tokens(sql string) []token {
	var ts []token
	for at := 0; at < len(sql); {
		kind, n := scan(sql[at:], at > 0 && isWord(lastRune(sql[:at])))
		ts = append(ts, token{kind, sql[at : at+n], at})
		at += n
	}
	return ts
}

// scan finds the kind and the length of the token at the start of s. inWord says that a word ends right before s, where
// $ is part of an identifier.
func scan(s string, inWord bool) (tokenKind, int) {
	switch c := s[0]; {
	case strings.HasPrefix(s, "--"):
		if n := strings.IndexByte(s, '\n'); n >= 0 {
			return tokenSpace, n
		}
		return tokenSpace, len(s)
	case strings.HasPrefix(s, "/*"):
		return tokenSpace, blockComment(s)
	case c == '\'':
		return tokenQuoted, quoted(s, 0, false)
	case (c == 'E' || c == 'e') && strings.HasPrefix(s[1:], "'"):
		return tokenQuoted, quoted(s, 1, true)
	case c == '"':
		return tokenQuoted, quoted(s, 0, false)
	case c == '$' && !inWord:
		return dollar(s)
	}
	r, n := utf8.DecodeRuneInString(s)
	if unicode.IsSpace(r) {
		return tokenSpace, n
	}
	if !isWord(r) {
		return tokenOther, n
	}
	for n < len(s) {
		r, size := utf8.DecodeRuneInString(s[n:])
		if !isWord(r) {
			break
		}
		n += size
	}
	return tokenWord, n
}

func blockComment(s string) int {
	depth := 0
	for n := 0; n < len(s); {
		switch {
		case strings.HasPrefix(s[n:], "/*"):
			depth++
			n += 2
		case strings.HasPrefix(s[n:], "*/"):
			depth--
			n += 2
			if depth == 0 {
				return n
			}
		default:
			n++
		}
	}
	return len(s)
}

// quoted is the length of a quoted token whose opening quote is at s[open]; a doubled quote stays inside.
func quoted(s string, open int, backslash bool) int {
	q := s[open]
	for n := open + 1; n < len(s); n++ {
		switch {
		case backslash && s[n] == '\\':
			n++
		case s[n] == q && n+1 < len(s) && s[n+1] == q:
			n++
		case s[n] == q:
			return n + 1
		}
	}
	return len(s)
}

// dollar reads $name, or $tag$ … $tag$.
func dollar(s string) (tokenKind, int) {
	n := 1
	for n < len(s) {
		r, size := utf8.DecodeRuneInString(s[n:])
		if !isWord(r) || r == '$' {
			break
		}
		n += size
	}
	if n < len(s) && s[n] == '$' && (n == 1 || !unicode.IsDigit(rune(s[1]))) {
		tag := s[:n+1]
		if end := strings.Index(s[n+1:], tag); end >= 0 {
			return tokenQuoted, n + 1 + end + len(tag)
		}
		return tokenQuoted, len(s)
	}
	if n == 1 {
		return tokenOther, 1
	}
	return tokenParam, n
}

func isWord(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

func lastRune(s string) rune {
	r, _ := utf8.DecodeLastRuneInString(s)
	return r
}

// Canonical is sql without comments, without a final semicolon, and with one space where white space or a comment keeps
// two tokens apart and none elsewhere. Two texts with equal Canonical are the same code.
func Canonical(sql string) string {
	var b strings.Builder
	var last token
	space := false
	for _, t := range tokens(sql) {
		if t.kind == tokenSpace {
			space = b.Len() > 0
			continue
		}
		if space && apart(last, t) {
			b.WriteByte(' ')
		}
		space = false
		b.WriteString(t.text)
		last = t
	}
	return strings.TrimRight(b.String(), "; ")
}

// apart says whether the space between a and b may mean something: in "a b", "- -1", "1 .5" and "u & 'x'" it does, in
// "f ( x )" and "a + 1" it does not.
func apart(a, b token) bool {
	const sticky, alone = ".&$#", "()[],;"
	var punctuation string
	for _, t := range []token{a, b} {
		if t.kind == tokenOther {
			punctuation += t.text
		}
	}
	switch {
	case strings.ContainsAny(punctuation, sticky):
		return true
	case strings.ContainsAny(punctuation, alone):
		return false
	default:
		return (a.kind == tokenOther) == (b.kind == tokenOther)
	}
}

// Param is a $name in SQL.
type Param struct {
	Name string
	At   int // byte offset of the $
}

// Params lists the $names in sql, in order, with repeats.
func Params(sql string) []Param {
	var ps []Param
	for _, t := range tokens(sql) {
		if t.kind == tokenParam {
			ps = append(ps, Param{t.text[1:], t.at})
		}
	}
	return ps
}

// Bind puts the window's bounds where sql says $start and $end, as TIMESTAMP literals in UTC, which mean the same in
// DuckDB and PostgreSQL and may stand where neither takes a parameter. It drops a final semicolon and what follows it,
// so that the result may stand in parentheses. Any other $name, and $start or $end without a window, is an error.
func Bind(sql string, w Window) (string, error) {
	ts := tokens(sql)
	for len(ts) > 0 && (ts[len(ts)-1].kind == tokenSpace || ts[len(ts)-1].text == ";") {
		ts = ts[:len(ts)-1]
	}
	var b strings.Builder
	for _, t := range ts {
		if t.kind != tokenParam {
			b.WriteString(t.text)
			continue
		}
		name := t.text[1:]
		switch {
		case name != "start" && name != "end":
			return "", Errorf("unknown-parameter", "the SQL uses $%s; the only parameters are $start and $end", name)
		case w.IsWhole():
			return "", Errorf("no-window", "the SQL uses $%s, but the pipeline has no window", name).
				WithNext("set window: and time_column: in the header, or take $%s out of the SQL", name)
		case name == "start":
			b.WriteString(TimestampLiteral(w.Start))
		default:
			b.WriteString(TimestampLiteral(w.End))
		}
	}
	return b.String(), nil
}

// TimestampLiteral is t as a TIMESTAMP literal in UTC, with microseconds where there are any.
func TimestampLiteral(t time.Time) string {
	return fmt.Sprintf("TIMESTAMP '%s'", t.UTC().Format("2006-01-02 15:04:05.999999"))
}
