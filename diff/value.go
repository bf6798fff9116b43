package diff

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// show turns a canonical text into what people read. A text that is not one of its kind is shown as it is.
func show(kind string, text *string) *string {
	if text == nil {
		return nil
	}
	shown, rest, err := read(kind, *text)
	if err != nil || rest != "" {
		return text
	}
	return &shown
}

var errText = errors.New("not a canonical text")

// read reads a value from the start of text, up to the comma in front of rest or to the end.
func read(kind, text string) (shown, rest string, err error) {
	element, isList := strings.CutPrefix(kind, "[]")
	switch {
	case isList:
		return readList(element, text)
	case kind == "text" || kind == "own":
		digits, after, ok := strings.Cut(text, ":")
		n, err := strconv.Atoi(digits)
		if err != nil || !ok || n < 0 || n > len(after) {
			return "", "", errText
		}
		return after[:n], after[n:], nil
	}
	word, rest := text, ""
	if comma := strings.IndexByte(text, ','); comma >= 0 {
		word, rest = text[:comma], text[comma:]
	}
	return scalar(kind, word), rest, nil
}

func readList(element, text string) (shown, rest string, err error) {
	digits, rest, _ := strings.Cut(text, ":")
	n, err := strconv.Atoi(digits)
	if err != nil {
		return "", "", errText
	}
	var items []string
	for range n {
		var item string
		if after, null := strings.CutPrefix(rest, "-,"); null {
			items, rest = append(items, "NULL"), after
			continue
		}
		if item, rest, err = read(element, rest); err != nil {
			return "", "", err
		}
		if !strings.HasPrefix(rest, ",") {
			return "", "", errText
		}
		items, rest = append(items, item), rest[1:]
	}
	return "[" + strings.Join(items, ", ") + "]", rest, nil
}

func scalar(kind, word string) string {
	n, err := strconv.ParseInt(word, 10, 64)
	switch {
	case kind == "boolean" && word == "t":
		return "true"
	case kind == "boolean":
		return "false"
	case err != nil:
		return word // infinity, nan, nanoseconds, numbers of any width, hexadecimal digits
	}
	switch kind {
	case "float4":
		return strconv.FormatFloat(float64(math.Float32frombits(uint32(n))), 'g', -1, 32)
	case "float8":
		return strconv.FormatFloat(math.Float64frombits(uint64(n)), 'g', -1, 64)
	case "date":
		return time.Unix(0, 0).UTC().AddDate(0, 0, int(n)).Format(time.DateOnly)
	case "time":
		return time.UnixMicro(n).UTC().Format("15:04:05.999999")
	case "timestamp":
		return time.UnixMicro(n).UTC().Format("2006-01-02 15:04:05.999999")
	case "timestamptz":
		return time.UnixMicro(n).UTC().Format("2006-01-02 15:04:05.999999Z07:00")
	default:
		return word
	}
}
