package stream

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
)

// literal is a value as it stands in JSON.
type literal string

// appendJSON writes a value that was decoded: its numbers have all their digits, and what JSON has no number for is text.
func appendJSON(doc []byte, value any) []byte {
	switch v := value.(type) {
	case nil:
		return append(doc, "null"...)
	case literal:
		return append(doc, v...)
	case bool:
		return strconv.AppendBool(doc, v)
	case string:
		return appendText(doc, v)
	case int32:
		return strconv.AppendInt(doc, int64(v), 10)
	case int64:
		return strconv.AppendInt(doc, v, 10)
	case uint32:
		return strconv.AppendUint(doc, uint64(v), 10)
	case uint64:
		return strconv.AppendUint(doc, v, 10)
	case float32:
		return appendFloat(doc, float64(v), 32)
	case float64:
		return appendFloat(doc, v, 64)
	case []any:
		doc = append(doc, '[')
		for i, item := range v {
			if i > 0 {
				doc = append(doc, ',')
			}
			doc = appendJSON(doc, item)
		}
		return append(doc, ']')
	case map[string]any:
		doc = append(doc, '{')
		for i, key := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				doc = append(doc, ',')
			}
			doc = appendJSON(append(appendText(doc, key), ':'), v[key])
		}
		return append(doc, '}')
	default:
		panic(fmt.Sprintf("a decoder gave a %T", value))
	}
}

// appendFloat writes the shortest number that reads back as the same.
func appendFloat(doc []byte, f float64, size int) []byte {
	switch {
	case math.IsNaN(f):
		return append(doc, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(doc, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(doc, `"-Infinity"`...)
	}
	return strconv.AppendFloat(doc, f, 'g', -1, size)
}

func appendText(doc []byte, text string) []byte {
	doc = append(doc, '"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			doc = append(doc, '\\', c)
		case c < ' ':
			doc = fmt.Appendf(doc, `\u%04x`, c)
		default:
			doc = append(doc, c)
		}
	}
	return append(doc, '"')
}

// blob is bytes as DuckDB's BLOB reads them.
func blob(b []byte) string {
	text := make([]byte, 0, 4*len(b))
	for _, c := range b {
		text = fmt.Appendf(text, `\x%02X`, c)
	}
	return string(text)
}
