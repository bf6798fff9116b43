package diff

import (
	"cmp"
	"slices"
	"strings"

	"github.com/twice-data/twice"
)

// ReceiptChange is a window for which two sets of receipts do not speak of the same rows. A side without a receipt for
// it is nil.
type ReceiptChange struct {
	Left, Right *twice.Receipt
}

// Why says what else differs: "code", "input", "columns" (the fingerprints were computed on other columns), or nothing,
// which means that the same code gave other rows from the same inputs. It is empty where one side has no receipt.
func (c ReceiptChange) Why() []string {
	if c.Left == nil || c.Right == nil {
		return nil
	}
	var why []string
	for _, part := range []struct {
		name    string
		differs bool
	}{
		{"code", c.Left.Code != c.Right.Code},
		{"input", c.Left.Manifest != c.Right.Manifest},
		{"columns", !slices.Equal(c.Left.Columns, c.Right.Columns)},
	} {
		if part.differs {
			why = append(why, part.name)
		}
	}
	return why
}

// Any is a receipt of the window.
func (c ReceiptChange) Any() *twice.Receipt {
	if c.Left != nil {
		return c.Left
	}
	return c.Right
}

// Receipts compares receipts by pipeline and window, and answers with the number of windows whose rows are the same and
// with the others in order. Of several receipts of a window on one side the first counts.
func Receipts(left, right []*twice.Receipt) (same int, changes []ReceiptChange) {
	found := map[string]*ReceiptChange{}
	at := func(r *twice.Receipt) *ReceiptChange {
		key := r.Pipeline + " " + r.Window.Key()
		if found[key] == nil {
			found[key] = new(ReceiptChange)
		}
		return found[key]
	}
	for _, r := range left {
		if c := at(r); c.Left == nil {
			c.Left = r
		}
	}
	for _, r := range right {
		if c := at(r); c.Right == nil {
			c.Right = r
		}
	}
	for _, c := range found {
		if c.Left != nil && c.Right != nil && c.Left.Fingerprint == c.Right.Fingerprint {
			same++
			continue
		}
		changes = append(changes, *c)
	}
	slices.SortFunc(changes, func(a, b ReceiptChange) int {
		x, y := a.Any(), b.Any()
		return cmp.Or(strings.Compare(x.Pipeline, y.Pipeline), x.Window.Start.Compare(y.Window.Start))
	})
	return same, changes
}
