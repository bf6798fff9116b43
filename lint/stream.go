package lint

import (
	"strings"

	"github.com/twice-data/twice/engine"
)

// stream checks that what a stream's SELECT gives for a record does not depend on which records are in its batch.
func (c *checker) stream() {
	in := c.pl.Stream()
	if in == nil {
		return
	}
	union := false
	for _, sel := range c.query.Selects {
		switch {
		case ofOneRecord(sel):
		case sel.Aggregated || len(sel.Group) > 0:
			c.report("batch-dependent", sel.Place, "an aggregate sees the records of one batch")
		case sel.Limit != nil && !sel.Exists:
			c.report("batch-dependent", engine.Place{At: sel.Limit.At, Via: sel.Via}, "LIMIT takes rows of one batch")
		case len(sel.DistinctOn) > 0:
			c.report("batch-dependent", sel.Place, "DISTINCT ON sees the records of one batch")
		}
		union = union || strings.HasPrefix(sel.Op, "union")
	}
	for _, call := range c.query.Calls {
		if call.Over != nil {
			c.report("batch-dependent", call.Place, "%s over a window sees the records of one batch", call.Name)
		}
	}
	n := 0
	for _, ref := range c.query.Tables {
		if ref.Table.Schema == "" && strings.EqualFold(ref.Table.Name, in.Name) {
			if n++; n == 2 && !union {
				c.report("batch-dependent", engine.Place{At: ref.At, Via: ref.Via}, "%s is joined with itself: records of one batch would meet", in.Name)
			}
		}
	}
}

// ofOneRecord says whether a SELECT reads nothing but what a function makes of one record, such as the items of a list.
func ofOneRecord(sel *engine.Select) bool {
	for _, s := range sel.From {
		if s.Call == nil {
			return false
		}
	}
	return len(sel.From) > 0
}
