package diff

import (
	"cmp"
	"context"
	"slices"
)

const (
	stepBits  = 10      // a segment is cut into so many times two
	smallRows = 256     // a segment with no more rows is not cut further
	manyParts = 512     // so many differing segments are not cut further: most of the rows differ anyway
	batchRows = 1 << 20 // row hashes that are held in memory at a time
)

// segment is the rows whose key's hash starts with the bits of prefix.
type segment struct {
	prefix int64
	bits   int
	rows   int64 // of both sides
}

// narrow finds the smallest segments that differ.
func (c *comparison) narrow(ctx context.Context) ([]segment, error) {
	var leaves []segment
	open := []segment{{}}
	for bits := stepBits; len(open) > 0; bits += stepBits {
		parts, err := c.differing(ctx, open, bits)
		if err != nil {
			return nil, err
		}
		open = nil
		for _, s := range parts {
			if s.rows > smallRows && len(parts) <= manyParts && bits < hashBits {
				open = append(open, s)
			} else {
				leaves = append(leaves, s)
			}
		}
	}
	return leaves, nil
}

// differing cuts segments into those with so many bits, and keeps the parts whose sums differ.
func (c *comparison) differing(ctx context.Context, open []segment, bits int) ([]segment, error) {
	left, err := c.left.sums(ctx, open, bits)
	if err != nil {
		return nil, err
	}
	right, err := c.right.sums(ctx, open, bits)
	if err != nil {
		return nil, err
	}
	var parts []segment
	for prefix, l := range left {
		if r := right[prefix]; l != r {
			parts = append(parts, segment{prefix, bits, l.Rows + r.Rows})
		}
	}
	for prefix, r := range right {
		if _, ok := left[prefix]; !ok {
			parts = append(parts, segment{prefix, bits, r.Rows})
		}
	}
	if bits == stepBits {
		for _, l := range left {
			c.result.LeftRows += l.Rows
		}
		for _, r := range right {
			c.result.RightRows += r.Rows
		}
	}
	slices.SortFunc(parts, func(a, b segment) int { return cmp.Compare(a.prefix, b.prefix) })
	return parts, nil
}

// batches groups segments of one depth, so that the hashes of a group's rows fit into memory.
func batches(segments []segment) [][]segment {
	var groups [][]segment
	var rows int64
	for _, s := range segments {
		n := len(groups)
		if n == 0 || groups[n-1][0].bits != s.bits || rows+s.rows > batchRows {
			groups, rows = append(groups, nil), 0
			n++
		}
		groups[n-1] = append(groups[n-1], s)
		rows += s.rows
	}
	return groups
}
