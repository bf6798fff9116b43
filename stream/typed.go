package stream

import (
	"bytes"
	"strconv"
	"strings"
	"unsafe"

	"github.com/twice-data/twice/engine"
)

// add adds a field's value to its column. It is false where it is not plain that DuckDB reads the text as the type, and
// as this value: DuckDB then judges.
func add(v *engine.Vector, tok token) bool {
	if tok.kind == 0 || tok.kind == null {
		v.Null()
		return true
	}
	if tok.kind == nested || len(tok.text) == 0 && v.Type != "VARCHAR" {
		return false
	}
	switch v.Form {
	case engine.Integer:
		n, ok := integer(tok.text, limits[v.Type])
		if ok {
			v.Int(n)
		}
		return ok
	case engine.Boolean:
		is := string(tok.text) == "true"
		if !is && string(tok.text) != "false" {
			return false
		}
		n := int64(0)
		if is {
			n = 1
		}
		v.Int(n)
		return true
	case engine.Float:
		size := 64
		if v.Type == "FLOAT" {
			size = 32
		}
		f, ok := float(tok.text, size)
		if ok {
			v.Float(f)
		}
		return ok
	case engine.Days:
		days, ok := date(tok.text)
		if ok {
			v.Int(days)
		}
		return ok
	case engine.Micros:
		micros, ok := instant(tok.text)
		if ok {
			v.Int(micros)
		}
		return ok
	}
	switch v.Type {
	case "VARCHAR":
		if string(tok.text) == "-0" && tok.kind == digits {
			return false
		}
		v.Append(tok.text)
		return true
	case "UUID":
		ok := isUUID(tok.text)
		if ok {
			v.Append(tok.text)
		}
		return ok
	default:
		return decimal(v, tok.text)
	}
}

type limit struct{ lo, hi int64 }

var limits = map[string]limit{
	"TINYINT": {-1 << 7, 1<<7 - 1}, "SMALLINT": {-1 << 15, 1<<15 - 1}, "INTEGER": {-1 << 31, 1<<31 - 1}, "BIGINT": {-1 << 63, 1<<63 - 1},
	"UTINYINT": {0, 1<<8 - 1}, "USMALLINT": {0, 1<<16 - 1}, "UINTEGER": {0, 1<<32 - 1},
}

// integer reads a whole number of up to 18 digits.
func integer(text []byte, in limit) (int64, bool) {
	number, negative := text, false
	if number[0] == '-' {
		number, negative = number[1:], true
	}
	if len(number) == 0 || len(number) > 18 || number[0] == '0' && len(text) > 1 {
		return 0, false
	}
	n := int64(0)
	for _, c := range number {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if negative {
		n = -n
	}
	return n, n >= in.lo && n <= in.hi
}

// float reads what JSON takes for a number.
func float(text []byte, size int) (float64, bool) {
	if c := text[0]; c != '-' && (c < '0' || c > '9') {
		return 0, false
	}
	if _, end := numeral(text, 0); end != len(text) {
		return 0, false
	}
	f, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(text), len(text)), size)
	return f, err == nil && f != 0 || string(text) == "0"
}

// decimal reads a number without an exponent that has no more digits than the type.
func decimal(v *engine.Vector, text []byte) bool {
	width, scale := precision(v.Type)
	number := bytes.TrimPrefix(text, []byte("-"))
	whole, fraction, dot := bytes.Cut(number, []byte("."))
	switch {
	case len(whole) == 0 || len(whole) > 1 && whole[0] == '0' || dot && len(fraction) == 0 || len(fraction) > scale:
		return false
	case len(bytes.TrimLeft(whole, "0")) > width-scale, decimals(whole, 0) < len(whole), decimals(fraction, 0) < len(fraction):
		return false
	case len(number) < len(text) && len(bytes.Trim(number, "0.")) == 0:
		return false
	}
	v.Bytes = append(append(v.Bytes, text[:len(text)-len(number)]...), whole...)
	if scale > 0 {
		v.Bytes = append(append(v.Bytes, '.'), fraction...)
		for range scale - len(fraction) {
			v.Bytes = append(v.Bytes, '0')
		}
	}
	v.Append(nil)
	return true
}

// precision reads a type like DECIMAL(18,2).
func precision(typ string) (width, scale int) {
	w, s, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(typ, "DECIMAL("), ")"), ",")
	width, _ = strconv.Atoi(w)
	scale, _ = strconv.Atoi(s)
	return width, scale
}

func isUUID(text []byte) bool {
	if len(text) != 36 {
		return false
	}
	for i, c := range text {
		hyphen := i == 8 || i == 13 || i == 18 || i == 23
		if hyphen != (c == '-') || !hyphen && (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// date reads 2006-01-02 as days since 1970-01-01.
func date(text []byte) (int64, bool) {
	if len(text) != 10 || text[4] != '-' || text[7] != '-' {
		return 0, false
	}
	year, ok1 := integral(text[:4])
	month, ok2 := integral(text[5:7])
	day, ok3 := integral(text[8:])
	if !ok1 || !ok2 || !ok3 || year == 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return 0, false
	}
	return civil(year, month, day), true
}

func daysIn(year, month int64) int64 {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	default:
		return 31
	}
}

// civil counts the days from 1970-01-01 to a date of the Gregorian calendar in a positive year:
// https://howardhinnant.github.io/date_algorithms.html#days_from_civil
func civil(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	of := year - era*400
	return era*146_097 + of*365 + of/4 - of/100 + (153*(month-3)+2)/5 + day - 1 - 719_468
}

// instant reads 2006-01-02T15:04:05.999999Z as microseconds since 1970; a space for the T, and no Z, will do.
func instant(text []byte) (int64, bool) {
	text = bytes.TrimSuffix(text, []byte("Z"))
	if len(text) < 19 || text[10] != 'T' && text[10] != ' ' || text[13] != ':' || text[16] != ':' {
		return 0, false
	}
	days, ok := date(text[:10])
	hour, ok1 := integral(text[11:13])
	minute, ok2 := integral(text[14:16])
	second, ok3 := integral(text[17:19])
	if !ok || !ok1 || !ok2 || !ok3 || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	micros := (((days*24+hour)*60+minute)*60 + second) * 1_000_000
	if len(text) == 19 {
		return micros, true
	}
	fraction := text[20:]
	part, ok := integral(fraction)
	if text[19] != '.' || !ok || len(fraction) > 6 {
		return 0, false
	}
	for range 6 - len(fraction) {
		part *= 10
	}
	return micros + part, true
}

// integral reads digits, of which there are few.
func integral(text []byte) (n int64, ok bool) {
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(text) > 0
}
