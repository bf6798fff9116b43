package diff_test

import (
	"slices"
	"testing"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/diff"
)

func TestReceiptsAreComparedByWindow(t *testing.T) {
	day := func(n int) twice.Window {
		start := time.Date(2020, 3, n, 0, 0, 0, 0, time.UTC)
		return twice.Window{Start: start, End: start.AddDate(0, 0, 1)}
	}
	receipt := func(n int, sum uint64, code, manifest string) *twice.Receipt {
		return &twice.Receipt{Pipeline: "daily", Window: day(n), Code: code, Manifest: manifest, Fingerprint: twice.Fingerprint{Rows: 1, Sum: sum}}
	}
	same, changes := diff.Receipts(
		[]*twice.Receipt{receipt(5, 9, "c", "m"), receipt(1, 1, "c", "m"), receipt(2, 1, "c", "m"), receipt(3, 1, "c", "m"), receipt(1, 7, "old", "m")},
		[]*twice.Receipt{receipt(1, 1, "d", "n"), receipt(2, 2, "d", "n"), receipt(3, 2, "c", "m"), receipt(4, 1, "c", "m")})
	if same != 1 || len(changes) != 4 {
		t.Fatalf("%d the same, %d changes", same, len(changes))
	}
	for i, want := range []struct {
		day         int
		left, right bool
		why         []string
	}{
		{2, true, true, []string{"code", "input"}},
		{3, true, true, nil}, // other rows from the same code and inputs
		{4, false, true, nil},
		{5, true, false, nil},
	} {
		c := changes[i]
		if c.Any().Window != day(want.day) || (c.Left != nil) != want.left || (c.Right != nil) != want.right || !slices.Equal(c.Why(), want.why) {
			t.Errorf("change %d: %v left %v right %v why %v", i, c.Any().Window, c.Left, c.Right, c.Why())
		}
	}
}
