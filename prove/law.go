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
	{"crash", "crash", "killed before and after every statement, also twice in a row, then re-run: the clean result", always, tryCrash},
	{"crash", "ack", "the commit lands and the reply is lost; the retry changes nothing", always, tryAck},
	{"crash", "residue", "after crash and re-run no staging table, lock or temporary file is left", always, tryResidue},
	{"together", "overlap", "two runs of the same window at once leave the rows of one", always, tryOverlap},
	{"together", "zombie", "a run that was paused, replaced and then wakes cannot commit", always, tryZombie},
	{"together", "reader", "a concurrent reader only ever sees the old rows or the new rows", always, tryReader},
	{"input", "shuffle", "input rows and files in any order, any thread count: same rows", unordered, tryShuffle},
	{"input", "duplicate", "inputs delivered twice change nothing", keyed, tryDuplicate},
	{"input", "late", "late or corrected rows, then a run: the table as if they had been on time", latecomers, tryLate},
	{"input", "replay", "the source has changed since; a pinned re-run gives the first result or says that it cannot", recorded, tryReplay},
	{"input", "hostile", "NULLs, ties, duplicates, extremes, new and renamed columns: no row is silently lost or doubled", strangeable, tryHostile},
	{"world", "clock", "another wall clock, time zone, locale or user: same rows", always, tryClock},
}

// weight is the share of the time that a law may take, against 1 of most others.
var weight = map[string]int{"crash": 8, "order": 3, "hostile": 3}

// least is how many trials of a law come before any law has more.
func least(name string) int {
	switch name {
	case "crash":
		return 12
	case "hostile":
		return 4
	default:
		return 2
	}
}

// lawOrder is the order in which laws are tried. Nothing can be said of a pipeline that is not repeatable, so that repeat
// is first; residue looks at what the kills of crash have left.
var lawOrder = []string{
	"repeat", "crash", "residue", "ack", "order", "split", "rebuild", "shuffle", "duplicate", "late", "replay", "clock", "reader",
	"zombie", "overlap", "hostile",
}

func always(*bench) string { return "" }

func severalWindows(b *bench) string {
	switch {
	case b.isStream():
		return ""
	case !b.p.Windowed():
		return "the pipeline fills its whole table at once: it has one window"
	case len(b.windows) < 2:
		return "there is only one window with inputs"
	default:
		return ""
	}
}
