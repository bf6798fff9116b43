package postgres

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"

	duck "github.com/duckdb/duckdb-go/v2"
)

// encoder appends a value, not NULL, as PostgreSQL's binary format has it: what the type's receive function reads.
type encoder func(buf []byte, v any) ([]byte, error)

var be = binary.BigEndian

var null = []byte{0xff, 0xff, 0xff, 0xff} // the length of NULL

// sized appends v's length and v.
func sized(buf []byte, v any, encode encoder) ([]byte, error) {
	if v == nil {
		return append(buf, null...), nil
	}
	at := len(buf)
	buf, err := encode(append(buf, 0, 0, 0, 0), v)
	if err != nil {
		return nil, err
	}
	be.PutUint32(buf[at:], uint32(len(buf)-at-4))
	return buf, nil
}

func boolean(buf []byte, v any) ([]byte, error) {
	if v.(bool) {
		return append(buf, 1), nil
	}
	return append(buf, 0), nil
}

func integer2(buf []byte, v any) ([]byte, error) { return be.AppendUint16(buf, uint16(v.(int16))), nil }
func integer4(buf []byte, v any) ([]byte, error) { return be.AppendUint32(buf, uint32(v.(int32))), nil }
func integer8(buf []byte, v any) ([]byte, error) { return be.AppendUint64(buf, uint64(v.(int64))), nil }

func float4(buf []byte, v any) ([]byte, error) {
	return be.AppendUint32(buf, math.Float32bits(v.(float32))), nil
}

func float8(buf []byte, v any) ([]byte, error) {
	return be.AppendUint64(buf, math.Float64bits(v.(float64))), nil
}

func text(buf []byte, v any) ([]byte, error) {
	s := v.(string)
	if strings.IndexByte(s, 0) >= 0 {
		return nil, refuse("text with a NUL character in it: %q", s)
	}
	return append(buf, s...), nil
}

func blob(buf []byte, v any) ([]byte, error) { return append(buf, v.([]byte)...), nil }

func uuid(buf []byte, v any) ([]byte, error) { return append(buf, v.([]byte)...), nil }

// bits takes a string of 0 and 1.
func bits(buf []byte, v any) ([]byte, error) {
	s := v.(string)
	buf = be.AppendUint32(buf, uint32(len(s)))
	for ; len(s) > 0; s = s[min(8, len(s)):] {
		var b byte
		for i := range min(8, len(s)) {
			b |= (s[i] - '0') << (7 - i)
		}
		buf = append(buf, b)
	}
	return buf, nil
}

// date takes days since 2000-01-01.
func date(buf []byte, v any) ([]byte, error) {
	days := v.(int64)
	switch {
	case days == math.MaxInt64:
		days = math.MaxInt32
	case days == math.MinInt64:
		days = math.MinInt32
	case days >= math.MaxInt32 || days <= math.MinInt32:
		return nil, refuse("a date %d days from the year 2000, beyond PostgreSQL's", days)
	}
	return be.AppendUint32(buf, uint32(int32(days))), nil
}

// year2000 is PostgreSQL's epoch in microseconds since 1970.
const year2000 = 946_684_800_000_000

// timestamp takes microseconds since 1970.
func timestamp(buf []byte, v any) ([]byte, error) {
	micros := v.(int64)
	switch {
	case micros == math.MaxInt64 || micros == math.MinInt64:
	case micros < math.MinInt64+year2000+1:
		return nil, refuse("a timestamp before PostgreSQL's first, 4713 BC")
	default:
		micros -= year2000
	}
	return be.AppendUint64(buf, uint64(micros)), nil
}

// wholeMicros takes nanoseconds and refuses those that PostgreSQL would have to drop.
func wholeMicros(encode encoder) encoder {
	return func(buf []byte, v any) ([]byte, error) {
		nanos := v.(int64)
		switch {
		case nanos == math.MaxInt64 || nanos == math.MinInt64:
			return encode(buf, nanos)
		case nanos%1000 != 0:
			return nil, refuse("%s, finer than PostgreSQL's microseconds", time.Unix(0, nanos).UTC().Format("2006-01-02 15:04:05.999999999"))
		}
		return encode(buf, nanos/1000)
	}
}

func timeTZ(buf []byte, v any) ([]byte, error) {
	t := v.(time.Time)
	_, east := t.Zone()
	micros := int64(t.Hour())*3_600_000_000 + int64(t.Minute())*60_000_000 + int64(t.Second())*1_000_000 + int64(t.Nanosecond())/1000
	return be.AppendUint32(be.AppendUint64(buf, uint64(micros)), uint32(int32(-east))), nil
}

func interval(buf []byte, v any) ([]byte, error) {
	i := v.(duck.Interval)
	buf = be.AppendUint64(buf, uint64(i.Micros))
	buf = be.AppendUint32(buf, uint32(i.Days))
	return be.AppendUint32(buf, uint32(i.Months)), nil
}

// numeric takes decimal text: "-123.4500". PostgreSQL keeps groups of four digits, the weight of the first one in powers
// of 10000, and the number of digits to show after the point.
func numeric(buf []byte, v any) ([]byte, error) {
	s := v.(string)
	sign := uint16(0)
	if strings.HasPrefix(s, "-") {
		sign, s = 0x4000, s[1:]
	}
	whole, fraction, _ := strings.Cut(s, ".")
	scale := len(fraction)
	whole = strings.TrimLeft(whole, "0")
	const pad = "000"
	digits := make([]byte, 0, len(whole)+len(fraction)+6)
	digits = append(digits, pad[:(4-len(whole)%4)%4]...)
	digits = append(digits, whole...)
	weight := len(digits)/4 - 1
	digits = append(digits, fraction...)
	digits = append(digits, pad[:(4-len(digits)%4)%4]...)
	for len(digits) > 0 && string(digits[:4]) == "0000" {
		digits, weight = digits[4:], weight-1
	}
	for len(digits) > 0 && string(digits[len(digits)-4:]) == "0000" {
		digits = digits[:len(digits)-4]
	}
	if len(digits) == 0 {
		sign, weight = 0, 0
	}
	buf = be.AppendUint16(buf, uint16(len(digits)/4))
	buf = be.AppendUint16(buf, uint16(int16(weight)))
	buf = be.AppendUint16(buf, sign)
	buf = be.AppendUint16(buf, uint16(scale))
	for i := 0; i < len(digits); i += 4 {
		group := uint16(0)
		for _, c := range digits[i : i+4] {
			if c < '0' || c > '9' {
				return nil, fmt.Errorf("%q is not a decimal number", s)
			}
			group = group*10 + uint16(c-'0')
		}
		buf = be.AppendUint16(buf, group)
	}
	return buf, nil
}

// arrayOf takes the list of what element's expression gives.
func arrayOf(element route) encoder {
	return func(buf []byte, v any) ([]byte, error) {
		list := v.([]any)
		dimensions, nulls := uint32(1), uint32(0)
		for _, e := range list {
			if e == nil {
				nulls = 1
			}
		}
		if len(list) == 0 {
			dimensions = 0
		}
		buf = be.AppendUint32(buf, dimensions)
		buf = be.AppendUint32(buf, nulls)
		buf = be.AppendUint32(buf, element.oid)
		if len(list) == 0 {
			return buf, nil
		}
		buf = be.AppendUint32(buf, uint32(len(list)))
		buf = be.AppendUint32(buf, 1) // indexes count from 1
		for _, e := range list {
			var err error
			if buf, err = sized(buf, e, element.encode); err != nil {
				return nil, err
			}
		}
		return buf, nil
	}
}
