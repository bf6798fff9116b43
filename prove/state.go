package prove

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/ledger"
	"github.com/twice-data/twice/run"
)

// mostRows is how many rows of a table are kept to show differences. Of larger tables only fingerprints are compared.
const mostRows = 200_000

// state is what a pipeline's table holds.
type state struct {
	Table   twice.Fingerprint
	Windows map[string]twice.Fingerprint // by Window.Key; none for tables without a time column
	offsets string                       // of a stream, up to which it was read: "0:1520 1:1480"
	rows    *rows                        // nil: too many
	lies    []string                     // receipts that say something else than the table
}

// rows is a table's rows as text, each with how often it is there.
type rows struct {
	columns []string
	count   map[string]int
}

const separator = "\x1f"

// state is what the table of the bench's pipeline holds and what its receipts say of it, with its rows where they are not
// those of the clean run.
func (s *sitting) state(ctx context.Context) (*state, error) {
	ses, err := s.db.Session(ctx)
	if err != nil {
		return nil, err
	}
	defer ses.Close()
	st, err := s.audited(ctx, ses)
	if err != nil || s.b.clean != nil && st.equal(s.b.clean) {
		return st, err
	}
	if st.Table.Rows <= mostRows {
		st.rows, err = readRows(ctx, ses, s.b.p.Table)
	}
	return st, err
}

// audited is a state without its rows.
func (s *sitting) audited(ctx context.Context, ses *engine.Session) (*state, error) {
	st, err := s.fingerprints(ctx, ses)
	if err != nil {
		return nil, err
	}
	if ok, err := ledger.Exists(ctx, ses); err != nil || !ok {
		return st, err
	}
	lost, err := ledger.Unrecorded(ctx, ses, s.b.p.Name)
	for _, w := range lost { // what it was made from
		st.lies = append(st.lies, fmt.Sprintf("the receipt of %s names a manifest that was never recorded", w))
	}
	if err == nil && s.b.isStream() {
		err = s.rejects(ctx, ses, st)
	}
	if err == nil {
		err = s.verify(ctx, ses, st)
	}
	return st, err
}

// verify holds the receipts against the table. Where they say of the same rows what they said when that was found true,
// it is true again: most trials end like this, and fingerprints are half of what looking at one costs.
func (s *sitting) verify(ctx context.Context, ses *engine.Session, st *state) error {
	said, err := s.said(ctx, ses, st)
	if err != nil || s.b.isTrue(said) {
		return err
	}
	honest := true
	everything := func(twice.Window) bool { return true }
	err = run.Verify(ctx, ses, []*twice.Pipeline{s.b.p}, everything, func(p *twice.Pipeline, w twice.Window, d *run.Drift) {
		if d != nil {
			honest = false
			st.lies = append(st.lies, fmt.Sprintf("the receipt of %s says %d rows, %s; the table holds %d rows, %s",
				w, d.Receipt.Rows, d.Receipt, d.Found.Rows, d.Found))
		}
	})
	if err == nil && honest {
		s.b.hold(said)
	}
	return err
}

// said is all that a verification depends on: the rows, by their fingerprints, and what the ledger says of them.
func (s *sitting) said(ctx context.Context, ses *engine.Session, st *state) (string, error) {
	receipts, err := ledger.Load(ctx, ses, []string{s.b.p.Name})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%#v %#v\n", st.Table, st.Windows)
	of := receipts[s.b.p.Name]
	for _, key := range slices.Sorted(maps.Keys(of)) {
		r := of[key]
		fmt.Fprintf(&b, "%s %d %s %s %q\n", key, r.Fingerprint.Rows, r.Fingerprint, r.Algorithm, r.Columns)
	}
	total, err := ledger.TotalOf(ctx, ses, s.b.p.Table)
	if total != nil {
		fmt.Fprintf(&b, "%d %s %q\n", total.Fingerprint.Rows, total.Fingerprint, total.Columns)
	}
	return b.String(), err
}

func (b *bench) isTrue(said string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.honest[said]
}

func (b *bench) hold(said string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.honest == nil {
		b.honest = map[string]bool{}
	}
	b.honest[said] = true
}

// rejects notes records that are in quarantine more than once.
func (s *sitting) rejects(ctx context.Context, ses *engine.Session, st *state) error {
	var n int64
	err := ses.Row(ctx, "quarantine", "SELECT count(*) FROM (SELECT part, record_offset FROM twice.quarantine WHERE pipeline = "+
		engine.Literal(s.b.p.Name)+" GROUP BY part, record_offset HAVING count(*) > 1) AS d", &n)
	if n > 0 {
		st.lies = append(st.lies, counted(int(n), "record")+" stand in twice.quarantine more than once")
	}
	return err
}

func (s *sitting) fingerprints(ctx context.Context, ses *engine.Session) (*state, error) {
	st := &state{}
	var err error
	if st.Table, err = ses.TableFingerprint(ctx, s.b.p, twice.Window{}, nil); err != nil {
		return nil, err
	}
	if s.b.isStream() {
		if st.offsets, err = s.offsets(ctx, ses); err != nil {
			return nil, err
		}
	}
	if s.b.p.Windowed() && s.b.p.TimeColumn != "" {
		st.Windows, err = ses.WindowFingerprints(ctx, s.b.p, s.b.windows, nil)
	}
	return st, err
}

// offsets are where each partition goes on that was read at all.
func (s *sitting) offsets(ctx context.Context, ses *engine.Session) (string, error) {
	if ok, err := ledger.Exists(ctx, ses); err != nil || !ok {
		return "", err
	}
	at, err := ledger.Positions(ctx, ses, s.b.p.Name)
	if err != nil {
		return "", err
	}
	var texts []string
	for _, part := range slices.Sorted(maps.Keys(at)) {
		if p := at[part]; p.Next > p.First {
			texts = append(texts, fmt.Sprintf("%d:%d", part, p.Next))
		}
	}
	return strings.Join(texts, " "), nil
}

func (st *state) equal(other *state) bool {
	if st.Table != other.Table || len(st.Windows) != len(other.Windows) {
		return false
	}
	for key, fp := range st.Windows {
		if other.Windows[key] != fp {
			return false
		}
	}
	return true
}

func readRows(ctx context.Context, s *engine.Session, t twice.Table) (*rows, error) {
	r := &rows{count: map[string]int{}}
	cols, err := s.DB().Columns(ctx, s, t)
	if err != nil || len(cols) == 0 {
		return r, err
	}
	err = s.Query(ctx, "rows", "SELECT * FROM "+s.DB().Name(t), func(found *sql.Rows) error {
		if r.columns == nil {
			var err error
			if r.columns, err = found.Columns(); err != nil {
				return err
			}
		}
		values := make([]any, len(r.columns))
		for i := range values {
			values[i] = new(any)
		}
		if err := found.Scan(values...); err != nil {
			return err
		}
		texts := make([]string, len(values))
		for i, v := range values {
			texts[i] = text(*v.(*any))
		}
		r.count[strings.Join(texts, separator)]++
		return nil
	})
	return r, err
}

func text(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case []byte:
		return string(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case float32:
		return strconv.FormatFloat(float64(v), 'g', -1, 32)
	case time.Time:
		if v.Equal(v.Truncate(24 * time.Hour)) {
			return v.UTC().Format(time.DateOnly)
		}
		return v.UTC().Format("2006-01-02 15:04:05.999999999")
	default:
		return fmt.Sprint(v)
	}
}
