package stream

import (
	"context"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
)

// decoded gives records whose values are text: of a format with schemas, JSON objects in place of what is not. Poison has
// the bytes as they were.
func (s *reading) decoded(ctx context.Context, b *Batch) ([]*kgo.Record, []Poison, error) {
	if s.schemas == nil {
		return b.records, nil, nil
	}
	var poison []Poison
	texts := make([]*kgo.Record, 0, len(b.records))
	used := map[int]bool{}
	for _, r := range b.records {
		if r.Value == nil {
			poison = append(poison, poisoned(r, "it has no value (a tombstone)"))
			continue
		}
		doc, why, err := s.schemas.decode(ctx, r.Value)
		if err != nil {
			return nil, nil, err
		}
		if why == "" && !utf8.Valid(doc) {
			why = "it has text that is not UTF-8"
		}
		if why != "" {
			poison = append(poison, poisoned(r, why))
			continue
		}
		id, _ := idOf(r.Value)
		used[int(id)] = true
		text := *r
		text.Value = doc
		texts = append(texts, &text)
	}
	b.Schemas = slices.Sorted(maps.Keys(used))
	return texts, poison, nil
}

// asTheyCame gives poison the bytes that records had before they were decoded.
func (s *reading) asTheyCame(b *Batch, poison []Poison) {
	if s.schemas == nil || len(poison) == 0 {
		return
	}
	type place struct {
		part   int32
		offset int64
	}
	values := map[place][]byte{}
	for _, r := range b.records {
		values[place{r.Partition, r.Offset}] = r.Value
	}
	for i, p := range poison {
		poison[i].Bytes = values[place{p.Partition, p.Offset}]
	}
}
