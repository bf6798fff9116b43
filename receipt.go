package twice

import (
	"fmt"
	"math/big"
	"time"
)

// Receipt is the row, committed with the data, that says which window was written, by which code, from what, and what
// the result was.
type Receipt struct {
	Pipeline    string
	Table       Table
	Window      Window
	Code        string      // Pipeline.Digest of the code that wrote it
	Manifest    string      // Manifest.Digest of its inputs
	Changed     int64       // rows inserted, updated or deleted; 0 when the fingerprint is as before
	Fingerprint Fingerprint // of the window's rows; for a merge, of the rows that the SELECT gave
	Columns     []string    // the columns that Fingerprint was computed on, in its order
	Algorithm   string      // name and version of the row hash; fingerprints of different ones are not comparable
	Reason      Reason
	Run         string
	CommittedAt time.Time
}

// Reason says why a window is written.
type Reason string

// The reasons. Lookback is for pipelines that always redo their last windows.
const (
	New      Reason = "new"
	Code     Reason = "code"
	InputNew Reason = "input"
	UpNew    Reason = "upstream"
	Forced   Reason = "forced"
	Lookback Reason = "lookback"
)

// Status is how a window ended.
type Status string

// The statuses, as they are printed.
const (
	Committed Status = "committed"
	Unchanged Status = "unchanged" // up to date: nothing was done
	Failed    Status = "failed"
	Blocked   Status = "blocked" // a check said no
	Waiting   Status = "waiting" // an input is not there yet
	Skipped   Status = "skipped" // an upstream window did not commit
)

// Fingerprint is an order-independent hash of a set of rows: the sum, modulo 2^64, of a 64-bit hash of each row, with
// the number of rows. Equal rows count. Fingerprints of disjoint sets add up to the fingerprint of their union.
type Fingerprint struct {
	Rows int64
	Sum  uint64
}

// Add is the fingerprint of the union of two disjoint sets of rows.
func (f Fingerprint) Add(g Fingerprint) Fingerprint {
	return Fingerprint{Rows: f.Rows + g.Rows, Sum: f.Sum + g.Sum}
}

// Sub is the fingerprint of f's rows without g's, which must be among them.
func (f Fingerprint) Sub(g Fingerprint) Fingerprint {
	return Fingerprint{Rows: f.Rows - g.Rows, Sum: f.Sum - g.Sum}
}

// String is the sum as 16 hexadecimal digits.
func (f Fingerprint) String() string { return fmt.Sprintf("%016x", f.Sum) }

// ParseFingerprint reads a count of rows and the decimal text of a sum of hashes of any size and sign, as a database
// returns it; an empty text, a sum over nothing, is 0.
func ParseFingerprint(rows int64, sum string) (Fingerprint, error) {
	if sum == "" {
		return Fingerprint{Rows: rows}, nil
	}
	n, ok := new(big.Int).SetString(sum, 10)
	if !ok {
		return Fingerprint{}, fmt.Errorf("fingerprint sum %q is not a whole number", sum)
	}
	n.And(n, new(big.Int).SetUint64(1<<64-1)) // two's complement, so negative sums wrap as they should
	return Fingerprint{Rows: rows, Sum: n.Uint64()}, nil
}
