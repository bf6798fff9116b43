package prove

import "context"

// Outcome is what became of a law.
type Outcome string

// The outcomes, as they are printed.
const (
	Holds         Outcome = "holds"
	Broken        Outcome = "broken"
	NotApplicable Outcome = "not_applicable"
	Untried       Outcome = "untried"
)

// Law is one promise of idempotency.
type Law struct {
	Group   string
	Name    string
	Promise string // "the same window run three times leaves the rows of one run"

	// unless says why the law cannot apply to the bench's pipeline; empty: it applies.
	unless func(*bench) string
	// try plays the law's scenarios through t and stops at the first break.
	try func(ctx context.Context, b *bench, t *trials) error
}

// Laws lists every law, in the order in which reports show them.
var Laws = []Law{
	{"again", "repeat", "the same window run three times leaves the rows of one run", always, tryRepeat},
	{"again", "order", "windows run in any order, and redone in any order, leave the same table", severalWindows, tryOrder},
	{"again", "split", "windows run one by one or many at once leave the same table", severalWindows, trySplit},
	{"again", "rebuild", "what incremental runs built equals a full rebuild", always, tryRebuild},
}

// lawOrder is the order in which laws are tried: the quick ones first, so that a short budget reaches most of them.
var lawOrder = []string{
	"repeat", "order", "split", "rebuild", "shuffle", "duplicate", "late", "replay", "hostile", "clock", "reader", "ack",
	"zombie", "overlap", "crash", "residue",
}

func always(*bench) string { return "" }

func severalWindows(b *bench) string {
	switch {
	case !b.p.Windowed():
		return "the pipeline fills its whole table at once: it has one window"
	case len(b.windows) < 2:
		return "there is only one window with inputs"
	default:
		return ""
	}
}
