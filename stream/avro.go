package stream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/twmb/avro"
)

// ofAvro reads records with the schema that they were written with. Their fields are found by name, as those of JSON are.
func ofAvro(_ context.Context, text string, parts []part) (decoder, error) {
	var cache avro.SchemaCache
	for _, p := range parts {
		if _, err := cache.Parse(p.text, logical...); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	written, err := cache.Parse(text, logical...)
	if err != nil {
		return nil, err
	}
	if written.Root().Type != "record" {
		return nil, errors.New("it is no record, which has fields")
	}
	return func(value []byte) ([]byte, string) {
		var record any
		rest, err := written.Decode(value, &record)
		if err != nil {
			return nil, "it is not of its schema: " + err.Error()
		}
		if len(rest) > 0 {
			return nil, fmt.Sprintf("it has %d bytes more than its schema says", len(rest))
		}
		return appendJSON(nil, record), ""
	}, nil
}

// logical makes of Avro's logical types, and of bytes, what JSON has for them.
var logical = func() []avro.SchemaOpt {
	var opts []avro.SchemaOpt
	on := func(avroType, logicalType string, f func(v any, s *avro.SchemaNode) any) {
		decode := func(v any, s *avro.SchemaNode) (any, error) { return f(v, s), nil }
		opts = append(opts, avro.CustomType{AvroType: avroType, LogicalType: logicalType, Decode: decode})
	}
	for _, t := range []string{"bytes", "fixed"} {
		on(t, "decimal", func(v any, s *avro.SchemaNode) any { return exactly(v.([]byte), s.Scale) })
	}
	on("fixed", "uuid", func(v any, _ *avro.SchemaNode) any {
		b := v.([]byte)
		return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	})
	on("fixed", "duration", func(v any, _ *avro.SchemaNode) any {
		b := v.([]byte)
		part := func(i int) uint32 { return binary.LittleEndian.Uint32(b[i:]) }
		return fmt.Sprintf("%d months %d days %d milliseconds", part(0), part(4), part(8))
	})
	on("int", "date", func(v any, _ *avro.SchemaNode) any {
		return time.Unix(int64(v.(int32))*86_400, 0).UTC().Format(time.DateOnly)
	})
	on("int", "time-millis", func(v any, _ *avro.SchemaNode) any { return moment(int64(v.(int32))*1_000_000, "15:04:05.999") })
	on("long", "time-micros", func(v any, _ *avro.SchemaNode) any { return moment(v.(int64)*1000, "15:04:05.999999") })
	for unit, of := range map[string]func(int64) time.Time{
		"millis": time.UnixMilli, "micros": time.UnixMicro, "nanos": func(n int64) time.Time { return time.Unix(0, n) },
	} {
		on("long", "timestamp-"+unit, func(v any, _ *avro.SchemaNode) any {
			return of(v.(int64)).UTC().Format("2006-01-02T15:04:05.999999999Z")
		})
		on("long", "local-timestamp-"+unit, func(v any, _ *avro.SchemaNode) any {
			return of(v.(int64)).UTC().Format("2006-01-02T15:04:05.999999999")
		})
	}
	for _, t := range []string{"bytes", "fixed"} {
		on(t, "", func(v any, _ *avro.SchemaNode) any { return blob(v.([]byte)) })
	}
	return opts
}()

func moment(nanos int64, layout string) string { return time.Unix(0, nanos).UTC().Format(layout) }

// exactly is a decimal number by its digits, big-endian in two's complement, and how many of them are behind the point.
func exactly(b []byte, scale int) literal {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	text, sign := n.String(), ""
	if n.Sign() < 0 {
		text, sign = text[1:], "-"
	}
	if scale == 0 {
		return literal(sign + text)
	}
	if len(text) <= scale {
		text = strings.Repeat("0", scale-len(text)+1) + text
	}
	return literal(sign + text[:len(text)-scale] + "." + text[len(text)-scale:])
}
