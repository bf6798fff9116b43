package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/stream"
)

// relays opens the engine in which the project's relays run, if it has any.
func (o *opened) relays(ctx context.Context) (err error) {
	if slices.ContainsFunc(o.Pipelines, func(p *twice.Pipeline) bool { return p.To != nil }) {
		o.memory, err = emptyTarget(ctx)
	}
	return err
}

// engineOf is where a pipeline's SQL runs.
func (o *opened) engineOf(p *twice.Pipeline) *engine.DB {
	if p.To != nil {
		return o.memory
	}
	return o.DB
}

// alone lists the relays that args name, or all of a project that has nothing else; nil where a target is needed.
func alone(all []*twice.Pipeline, args []string) []*twice.Pipeline {
	some := all
	if len(args) > 0 {
		some = slices.DeleteFunc(slices.Clone(all), func(p *twice.Pipeline) bool { return !slices.Contains(args, p.Name) })
		if len(some) != len(args) {
			return nil
		}
	}
	if tables, relays := parted(some); len(tables) == 0 && len(relays) > 0 {
		return relays
	}
	return nil
}

// parted tells pipelines that fill tables from relays.
func parted(all []*twice.Pipeline) (tables, relays []*twice.Pipeline) {
	for _, p := range all {
		if p.To != nil {
			relays = append(relays, p)
		} else {
			tables = append(tables, p)
		}
	}
	return tables, relays
}

type relayLine struct {
	Event     string `json:"event"`
	Pipeline  string `json:"pipeline"`
	Topic     string `json:"topic"`
	To        string `json:"to"`
	Partition int32  `json:"partition"`
	stream.Mark
	Next int64 `json:"next"`
	End  int64 `json:"end"`
}

// relayStatus asks Kafka how far relays are, as it alone knows.
func (a *app) relayStatus(ctx context.Context, o *opened, relays []*twice.Pipeline) error {
	t := newTable("RELAY", "FROM", "TO", "PARTITION", "NEXT", "END", "BEHIND", "ROWS", "LAST COMMIT")
	for _, p := range relays {
		log, marks, err := marksOf(ctx, o, p)
		if err != nil {
			return err
		}
		for _, part := range log.Partitions() {
			m, end := marks[part], log.Parts[part].End
			if a.json {
				a.line(relayLine{"relay", p.Name, p.Stream().Records().Topic, p.To.Topic, part, m, m.Next, end})
				continue
			}
			t.add(p.Name, p.Stream().Records().Topic, p.To.Topic, fmt.Sprint(part), fmt.Sprint(m.Next), fmt.Sprint(end),
				fmt.Sprint(max(0, end-max(m.Next, log.Parts[part].Start))), fmt.Sprint(m.Made), moment(m.At))
		}
	}
	if !a.json {
		t.print(a.stdout)
	}
	return nil
}

func marksOf(ctx context.Context, o *opened, p *twice.Pipeline) (stream.Log, map[int32]stream.Mark, error) {
	src, err := stream.Open(p, p.Stream(), o.Dir)
	if err != nil {
		return stream.Log{}, nil, err
	}
	defer src.Close()
	log, err := src.Log(ctx)
	if err != nil {
		return log, nil, err
	}
	marks, err := src.Marks(ctx, false)
	return log, marks, err
}

// relayHistory shows the last batch of each partition: Kafka keeps no more.
func (a *app) relayHistory(ctx context.Context, o *opened, p *twice.Pipeline) error {
	_, marks, err := marksOf(ctx, o, p)
	if err != nil {
		return err
	}
	var rs []*twice.Receipt
	for _, m := range marks {
		if r := stream.Receipt(p, map[int32]stream.Mark{0: m}); r != nil {
			rs = append(rs, r)
		}
	}
	slices.SortFunc(rs, func(x, y *twice.Receipt) int {
		if !x.CommittedAt.Equal(y.CommittedAt) {
			return y.CommittedAt.Compare(x.CommittedAt)
		}
		return strings.Compare(x.Manifest, y.Manifest)
	})
	rs = slices.CompactFunc(rs, func(x, y *twice.Receipt) bool { return x.Manifest == y.Manifest && x.Run == y.Run })
	a.receipts(rs)
	return nil
}
