package prove

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/twice-data/twice/run"
)

// mostApart is how many partitions are delivered before all others, one after the other.
const mostApart = 4

// growths let streams come in another order: each partition before the others, and in pieces that chance cuts. A run after
// each piece must end in what one run over everything gives.
func (b *bench) growths() []scenario {
	var ss []scenario
	parts := len(b.streams())
	for first := range min(parts, mostApart) {
		if parts == 1 {
			break
		}
		ss = append(ss, scenario{
			name:  fmt.Sprintf("partition %d first", first),
			steps: []string{fmt.Sprintf("run when only partition %d of %d has come", first, parts), "run when the others have come"},
			play: func(ctx context.Context, b *bench) (*Break, error) {
				return grown(ctx, b, func(sizes stage, order []string) []stage {
					return []stage{{order[first%len(order)]: sizes[order[first%len(order)]]}}
				})
			},
		})
	}
	for n := range 3 {
		seed := uint64(b.Seed) + uint64(n)
		ss = append(ss, scenario{
			name:  fmt.Sprintf("in pieces, %d", n+1),
			steps: []string{"run each time that further records have come, a few of any partition"},
			play: func(ctx context.Context, b *bench) (*Break, error) {
				return grown(ctx, b, func(sizes stage, order []string) []stage {
					return pieces(sizes, order, rand.New(rand.NewPCG(seed, 6)))
				})
			},
		})
	}
	return ss
}

// mostPieces is how often a stream stops growing on its way.
const mostPieces = 4

func pieces(sizes stage, order []string, chance *rand.Rand) []stage {
	stages := make([]stage, mostPieces)
	at := stage{}
	for i := range stages {
		stages[i] = stage{}
		for _, name := range order {
			at[name] += chance.IntN(max(1, sizes[name]-at[name]) + 1)
			at[name] = min(at[name], sizes[name])
			stages[i][name] = at[name]
		}
	}
	return stages
}

// everything is more records than any copy of a stream has.
const everything = 1 << 20

// batches read a stream in batches of other sizes.
func batches() []scenario {
	var ss []scenario
	for _, rows := range []int{1, 7, 2, 31, everything} {
		name := fmt.Sprintf("batches of %s", counted(rows, "record"))
		if rows == everything {
			name = "one batch"
		}
		ss = append(ss, scenario{
			name: name, steps: []string{"read the stream from its beginning in " + name},
			play: func(ctx context.Context, b *bench) (*Break, error) {
				return b.onSitting(ctx, b.base, setup{rows: rows}, func(s *sitting) (*Break, error) { return s.together(ctx, run.Options{}) })
			},
		})
	}
	return ss
}

// latecomers says why nothing of the bench's input can come late.
func latecomers(b *bench) string {
	switch {
	case b.isStream():
		return "a stream reads what comes when it comes; the law order lets it come in other orders"
	case len(b.streams()) > 0:
		return ""
	default:
		return unwritable(b)
	}
}

// unordered says why the order of input rows may matter.
func unordered(b *bench) string {
	if b.p.Dedupe != nil {
		return "dedupe: goes by the order of a partition's records; the law order lets partitions come in other orders"
	}
	return ""
}

// recorded says why a manifest is not replayed.
func recorded(b *bench) string {
	if b.isStream() {
		return "a stream is not replayed from a manifest; the law rebuild reads it again from its beginning"
	}
	return ""
}
