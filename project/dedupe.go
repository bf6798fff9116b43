package project

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/twice-data/twice"
)

var timed = regexp.MustCompile(`(?i)^(timestamp|date)`)

// dedupe reads which records are left out because they were sent again. It is what a stream has instead of unique_key.
func (b *builder) dedupe() {
	h := b.h.Dedupe
	if h == nil {
		return
	}
	in := b.p.Stream()
	if in == nil || b.h.To != nil {
		b.errorf("dedupe", "contradiction", "it means nothing without a stream that fills a table: what was sent again is told by "+
			"what came before it").WithNext("delete it")
		return
	}
	for _, key := range []string{"unique_key", "version"} {
		if b.has(key) {
			b.errorf("dedupe", "contradiction", "with %s a record that is sent again changes nothing anyway", key).
				WithNext("delete dedupe:, and merge; or delete %s, and only add rows", key)
		}
	}
	b.columnNames("dedupe.key", h.Key)
	b.p.Dedupe = &twice.Dedupe{Key: h.Key, Time: h.Time, Within: time.Duration(h.Within), Line: b.line("dedupe")}
	fields := map[string]string{"_key": "", "_timestamp": "timestamp"}
	names := []string{"_key", "_timestamp"}
	for _, c := range in.Records().Columns {
		fields[strings.ToLower(c.Name)] = c.Type
		names = append(names, c.Name)
	}
	for _, key := range h.Key {
		if _, known := fields[strings.ToLower(key)]; !known && key != "" {
			b.errorf("dedupe.key", "unknown-column", "the records of %s have no field %s%s", in.Name, key, didYouMean(key, names)).
				WithNext("name one of %s", strings.Join(names, ", "))
		}
	}
	if h.Time == "" {
		b.p.Dedupe.Time = b.h.TimeColumn
	}
	at := b.p.Dedupe.Time
	switch kind, known := fields[strings.ToLower(at)]; {
	case !known || at == "":
		b.errorf("dedupe", "missing-key", "which field is an event's time? There is none called %q%s", at, didYouMean(at, names)).
			WithNext("add time: with one of %s", strings.Join(slices.DeleteFunc(names, func(n string) bool {
				return !timed.MatchString(fields[strings.ToLower(n)])
			}), ", "))
	case !timed.MatchString(kind):
		b.errorf("dedupe", "unknown-value", "the field %s is no time: it is %q", at, kind).
			WithNext("give it the type timestamp under columns: of %s", in.Name)
	}
}
