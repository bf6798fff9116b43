package diff

import (
	"context"
	"slices"
	"strings"
)

// row is a row of one side that the other side has fewer of.
type row struct {
	texts []*string
	count int64
}

// show fetches the rows of the differing keys and says how they differ, sorted by key.
func (c *comparison) show(ctx context.Context, keys []int64, limit int) error {
	type both struct{ left, right map[string]row }
	found := map[string]*both{}
	take := func(side func(*both) map[string]row) func([]*string, int64) {
		return func(texts []*string, count int64) {
			c.result.Rows++
			key := join0(c.keyOf(texts))
			if found[key] == nil {
				found[key] = &both{map[string]row{}, map[string]row{}}
			}
			side(found[key])[join0(texts)] = row{texts, count}
		}
	}
	if err := c.left.rows(ctx, keys, take(func(b *both) map[string]row { return b.left })); err != nil {
		return err
	}
	if err := c.right.rows(ctx, keys, take(func(b *both) map[string]row { return b.right })); err != nil {
		return err
	}
	for _, b := range found {
		left, right := less(b.left, b.right), less(b.right, b.left)
		if c.keys > 0 && len(left) == 1 && len(right) == 1 && left[0].count == 1 && right[0].count == 1 {
			c.result.Shown = append(c.result.Shown, c.changed(left[0], right[0]))
			continue
		}
		for _, r := range left {
			c.result.Shown = append(c.result.Shown, c.alone(Removed, r))
		}
		for _, r := range right {
			c.result.Shown = append(c.result.Shown, c.alone(Added, r))
		}
	}
	slices.SortFunc(c.result.Shown, byKey)
	if len(c.result.Shown) > limit {
		c.result.Shown = c.result.Shown[:limit]
	}
	return nil
}

// less lists the rows of one side of which the other has fewer, with how many fewer.
func less(these, those map[string]row) []row {
	var rs []row
	for text, r := range these {
		if r.count -= those[text].count; r.count > 0 {
			rs = append(rs, r)
		}
	}
	slices.SortFunc(rs, func(a, b row) int { return strings.Compare(join0(a.texts), join0(b.texts)) })
	return rs
}

func (c *comparison) keyOf(texts []*string) []*string {
	if c.keys == 0 {
		return texts
	}
	return texts[:c.keys]
}

// join0 makes one text of several. NULL is told from every text: no canonical text starts with a zero byte.
func join0(texts []*string) string {
	var b strings.Builder
	for _, t := range texts {
		if t == nil {
			b.WriteString("\x00N")
		} else {
			b.WriteString("\x00V" + *t)
		}
	}
	return b.String()
}

func (c *comparison) changed(l, r row) Difference {
	d := Difference{Change: Changed, Key: c.key(l), Count: 1}
	for i := c.keys; i < len(c.fields); i++ {
		if join0(l.texts[i:i+1]) != join0(r.texts[i:i+1]) {
			f := c.fields[i]
			d.Cells = append(d.Cells, Cell{f.name, show(f.kind, l.texts[i]), show(f.kind, r.texts[i])})
		}
	}
	return d
}

// alone is a row that one side has no counterpart for.
func (c *comparison) alone(change Change, r row) Difference {
	d := Difference{Change: change, Key: c.key(r), Count: r.count}
	for i := len(c.keyOf(r.texts)); i < len(c.fields); i++ {
		f := c.fields[i]
		cell := Cell{Column: f.name, Left: show(f.kind, r.texts[i])}
		if change == Added {
			cell.Left, cell.Right = nil, cell.Left
		}
		d.Cells = append(d.Cells, cell)
	}
	return d
}

func (c *comparison) key(r row) []Value {
	var vs []Value
	for i, t := range c.keyOf(r.texts) {
		vs = append(vs, Value{c.fields[i].name, show(c.fields[i].kind, t)})
	}
	return vs
}

// byKey sorts differences by their keys: by length first, as numbers are.
func byKey(a, b Difference) int {
	for i := range a.Key {
		x, y := a.Key[i].Text, b.Key[i].Text
		switch {
		case x == nil && y == nil:
		case x == nil:
			return 1
		case y == nil:
			return -1
		case *x != *y && len(*x) != len(*y):
			return len(*x) - len(*y)
		case *x != *y:
			return strings.Compare(*x, *y)
		}
	}
	return strings.Compare(string(b.Change), string(a.Change)) // "removed" before "added"
}
