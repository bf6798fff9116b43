package diff

import (
	"context"
	"maps"
	"slices"
)

// count counts the differences of the segments by the hashes of their rows, and answers with the hashes of the first
// keys that differ, no more than limit.
func (c *comparison) count(ctx context.Context, leaves []segment, limit int) ([]int64, error) {
	var differing []int64
	for _, group := range batches(leaves) {
		// For each key, for each row: how many more of them the left side has than the right.
		more := map[int64]map[int64]int64{}
		tally := func(sign int64) func(key, row, count int64) {
			return func(key, row, count int64) {
				c.result.Hashes++
				if more[key] == nil {
					more[key] = map[int64]int64{}
				}
				if more[key][row] += sign * count; more[key][row] == 0 {
					delete(more[key], row)
				}
			}
		}
		if err := c.left.pairs(ctx, group, tally(+1)); err != nil {
			return nil, err
		}
		if err := c.right.pairs(ctx, group, tally(-1)); err != nil {
			return nil, err
		}
		for _, key := range slices.Sorted(maps.Keys(more)) {
			var removed, added int64
			for _, n := range more[key] {
				removed += max(n, 0)
				added += max(-n, 0)
			}
			switch {
			case removed+added == 0:
				continue
			case c.keys > 0 && removed == 1 && added == 1:
				c.result.Changed++
			default:
				c.result.Removed += removed
				c.result.Added += added
			}
			if len(differing) < limit {
				differing = append(differing, key)
			}
		}
	}
	return differing, nil
}
