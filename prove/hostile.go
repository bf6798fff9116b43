package prove

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/run"
)

// injection is one thing that a source does to its readers sooner or later.
type injection struct {
	name   string
	change func(*sheet) bool

	put    bool   // it puts one row more into the input
	copy   bool   // that is equal to another one
	column int    // that is other than in that one; -1: it changes what stands there, and puts nothing in
	null   bool   // it is NULL there
	of     string // the column's name
	value  string // the value there
}

// tryHostile injects one thing at a time into the input of one window. The run must refuse it with a documented error and
// leave the table as it was, or take it in so that a second run, and one with the rows in another order, change nothing.
func tryHostile(ctx context.Context, b *bench, t *trials) error {
	if b.isStream() {
		return t.all(ctx, b.poisons(ctx, t))
	}
	var ss []scenario
	for _, in := range b.strange {
		ss = append(ss, scenario{
			name: in.name, steps: []string{"put into the input: " + in.name, "run", "run again, also with the rows in another order"},
			play: func(ctx context.Context, b *bench) (*Break, error) { return injected(ctx, b, t, in) },
		})
	}
	return t.all(ctx, ss)
}

// strangeable says why nothing can be put into the input.
func strangeable(b *bench) string {
	switch why := unwritable(b); {
	case b.isStream() || why != "":
		return why
	case len(b.streams()) > 0 && len(b.strange) == 0:
		return "it reads a stream's table: strange records are tried on the stream itself"
	case len(b.strange) == 0:
		return "no file of the chosen windows that can be rewritten has a row"
	default:
		return ""
	}
}

// injections lists what can be done to the input's columns, what is most likely to hurt first.
func (b *bench) injections(ctx context.Context) ([]injection, error) {
	feeds := b.hostileFeeds()
	if len(feeds) == 0 {
		return nil, nil
	}
	s, err := b.readSheet(ctx, b.folder, feeds[0])
	if err != nil || s.why != "" || len(s.rows) == 0 || len(s.columns) == 0 {
		return nil, err
	}
	keysFirst := make([]int, len(s.columns))
	odds := make([][]odd, len(s.columns))
	for c := range keysFirst {
		keysFirst[c], odds[c] = c, s.odd(s, c)
	}
	slices.SortStableFunc(keysFirst, func(x, y int) int { return keyRank(b, s.columns[x]) - keyRank(b, s.columns[y]) })

	all := []injection{{name: "a row that is there already", change: repeated, put: true, copy: true}}
	for _, c := range slices.Backward(keysFirst) {
		if len(odds[c]) > 0 && !odds[c][0].null {
			all = append(all, varied("the same key with another value ("+s.columns[c]+")", s.columns[c], c, odds[c][0]))
			break
		}
	}
	for _, null := range []bool{true, false} {
		for _, c := range keysFirst {
			for i, o := range odds[c] {
				if o.null == null && (i > 0 || null) {
					all = append(all, varied(o.name, s.columns[c], c, o))
				}
			}
		}
	}
	of := func(name string, change func(*sheet) bool) {
		all = append(all, injection{name: name, change: change, column: -1})
	}
	of("a further column", func(s *sheet) bool { return s.widen(s, "surprise") })
	for _, c := range keysFirst {
		name := s.columns[c]
		of("column "+name+" renamed", func(s *sheet) bool { return s.rename(s, c, name+"_v2") })
	}
	for _, c := range keysFirst {
		for _, typ := range s.types(c) {
			of(fmt.Sprintf("column %s as %s", s.columns[c], typ), func(s *sheet) bool { return s.retype(s, c, typ) })
		}
	}
	for _, c := range keysFirst {
		of("column "+s.columns[c]+" gone", func(s *sheet) bool { return s.drop(s, c) })
	}
	return all, nil
}

// keyRank puts columns first that the header names as a key, a version or the time.
func keyRank(b *bench, name string) int {
	for i, n := range append(slices.Clone(b.p.UniqueKey), b.p.Version, b.p.TimeColumn) {
		if strings.EqualFold(n, name) {
			return i
		}
	}
	return 100
}

func shown(v string) string {
	if len(v) > 40 {
		return fmt.Sprintf("%d bytes of text", len(v))
	}
	return fmt.Sprintf("%q", v)
}

// extremes are values of the kind that v is, at the edge of what such a thing can be.
func extremes(v string) []string {
	digits := strings.Trim(v, "0123456789.-+eE") == ""
	switch {
	case v != "" && digits && strings.Count(v, "-") < 2:
		return []string{"9223372036854775807", "-9223372036854775808", "99999999999999999999999", "1e308", "0.1", "NaN", "-0"}
	case len(v) >= 10 && strings.Count(v, "-") >= 2:
		return []string{"0001-01-01", "9999-12-31", "2026-02-29", "infinity", v[:10] + " 23:59:59.999999999"}
	default:
		return []string{"é", "e\u0301", "\u202eabc", "𝕏👩‍👧", "a\"b,c;d\te\nf", "'; DROP TABLE x; --", " x ", "NULL", strings.Repeat("long ", 4000)}
	}
}

func repeated(s *sheet) bool {
	if len(s.rows) == 0 {
		return false
	}
	s.rows = append(slices.Clone(s.rows), s.rows[0])
	return true
}

// varied adds a copy of the first row with another value in column c.
func varied(name, column string, c int, o odd) injection {
	return injection{name: name, put: true, column: c, of: column, value: o.value, null: o.null, change: func(s *sheet) bool {
		if len(s.rows) == 0 {
			return false
		}
		r, ok := s.with(s.rows[0], c, o.value)
		if ok {
			s.rows = append(slices.Clone(s.rows), r)
		}
		return ok
	}}
}

// hostileFeeds are the inputs of one window, those of p before those of what it reads, that can be rewritten.
func (b *bench) hostileFeeds() []feed {
	w := b.full()
	var own, others []feed
	for _, f := range b.feeds {
		switch {
		case b.fixed[f.path] != "" || !slices.ContainsFunc(f.windows, w.Overlaps):
		case f.pipeline == b.p:
			own = append(own, f)
		default:
			others = append(others, f)
		}
	}
	if len(own) > 0 {
		return own[:1]
	}
	return others[:min(len(others), 1)]
}

func injected(ctx context.Context, b *bench, t *trials, in injection) (*Break, error) {
	from := b.done
	if b.p.Write == twice.Merge { // in a table that has the window's rows already, one guard would hide another
		var err error
		if from, err = b.outdated(ctx); err != nil {
			return nil, err
		}
	}
	return b.onInputs(ctx, from, setup{}, func(s *sitting) (*Break, error) {
		feeds := b.hostileFeeds()
		n, err := b.change(ctx, s.folder, feeds, func(_ feed, sh *sheet) bool { return in.change(sh) })
		if err != nil || n == 0 {
			return nil, err
		}
		bad, err := s.all(ctx, run.Options{})
		switch {
		case err != nil:
			return nil, err
		case bad != nil:
			return s.refused(ctx, t, in, feeds, bad)
		default:
			return s.takenIn(ctx, t, in, feeds)
		}
	})
}

// refused is how a run must leave the table that stopped at hostile input: as it was, and well again without it.
func (s *sitting) refused(ctx context.Context, t *trials, in injection, feeds []feed, bad *twice.Error) (*Break, error) {
	if !documented(bad) {
		return failed(bad), nil
	}
	t.account(in, Refused, bad.Code, s.b.clean.Table)
	if s.b.p.Write != twice.Merge {
		if br, err := s.compared(ctx); err != nil || br != nil {
			return stepped(br, "put into the input: "+in.name, "run: it ends in "+bad.Code), err
		}
	}
	if err := s.restore(feeds); err != nil {
		return nil, err
	}
	if again, err := s.all(ctx, run.Options{}); err != nil || again != nil {
		return failed(again), err
	}
	br, err := s.compared(ctx)
	return stepped(br, "put into the input: "+in.name, "run: it ends in "+bad.Code, "put the right input back and run"), err
}

// takenIn holds hostile rows that were taken in to a second run, and to one with the rows in another order.
func (s *sitting) takenIn(ctx context.Context, t *trials, in injection, feeds []feed) (*Break, error) {
	first, err := s.full(ctx)
	if err != nil {
		return nil, err
	}
	if len(first.lies) > 0 {
		return &Break{Inputs: -1, Found: first.lies[0]}, nil
	}
	doubtful, err := s.doubtfulKeys(ctx)
	if err != nil || doubtful != "" {
		return stepped(found(doubtful), "put into the input: "+in.name, "run"), err
	}
	if lost := s.b.lostRow(in, feeds, first); lost != "" {
		return stepped(found(lost), "put into the input: "+in.name, "run"), nil
	}
	fate, detail := s.fate(in, first)
	t.account(in, fate, detail, first.Table)
	again := func(step string) (*Break, error) {
		if bad, err := s.all(ctx, run.Options{Force: true}); err != nil || bad != nil {
			return failed(bad), err
		}
		now, err := s.full(ctx)
		if err != nil {
			return nil, err
		}
		return stepped(compare(first, now), "put into the input: "+in.name, "run", step), nil
	}
	if br, err := again("run again with --force"); err != nil || br != nil {
		return br, err
	}
	chance := rand.New(rand.NewPCG(uint64(s.b.Seed), 5))
	_, err = s.b.change(ctx, s.folder, feeds, func(_ feed, sh *sheet) bool {
		slices.Reverse(sh.rows)
		half := sh.rows[len(sh.rows)/2:]
		chance.Shuffle(len(half), func(i, j int) { half[i], half[j] = half[j], half[i] })
		return true
	})
	if err != nil {
		return nil, err
	}
	if br, err := again("bring the rows into another order and run again"); err != nil || br != nil {
		return br, err
	}
	if s.b.p.Write == twice.Merge {
		return nil, nil // it rightly keeps rows that the source takes back
	}
	for _, p := range s.b.family {
		if p.Write == twice.Merge {
			return nil, nil
		}
	}
	if err := s.restore(feeds); err != nil {
		return nil, err
	}
	if bad, err := s.all(ctx, run.Options{}); err != nil || bad != nil {
		return failed(bad), err
	}
	br, err := s.compared(ctx)
	return stepped(br, "put into the input: "+in.name, "run", "put the right input back and run"), err
}

// lostRow says that a row is missing which nothing in the SELECT can leave out.
func (b *bench) lostRow(in injection, feeds []feed, st *state) string {
	more := st.Table.Rows - b.clean.Table.Rows
	if !in.put || !b.rowByRow || len(feeds[0].windows) != 1 || more > 0 {
		return ""
	}
	return fmt.Sprintf("the input has one row more, nothing in the SELECT leaves a row out, and the table has %s instead of %d",
		counted(int(st.Table.Rows), "row"), b.clean.Table.Rows+1)
}

func found(what string) *Break {
	if what == "" {
		return nil
	}
	return &Break{Inputs: -1, Found: what}
}

// doubtfulKeys says which of a merge's rows have no key of their own: no later run can find them by it.
func (s *sitting) doubtfulKeys(ctx context.Context) (string, error) {
	if len(s.b.p.UniqueKey) == 0 {
		return "", nil
	}
	ses, err := s.db.Session(ctx)
	if err != nil {
		return "", err
	}
	defer ses.Close()
	var null []string
	for _, k := range s.b.p.UniqueKey {
		null = append(null, engine.Ident(k)+" IS NULL")
	}
	key, table := engine.Idents("", s.b.p.UniqueKey), s.db.Name(s.b.p.Table)
	var nulls, doubles int64
	err = ses.Row(ctx, "keys", fmt.Sprintf("SELECT (SELECT count(*) FROM %s WHERE %s), (SELECT count(*) FROM (SELECT %s FROM %s GROUP BY %s HAVING count(*) > 1) AS d)",
		table, strings.Join(null, " OR "), key, table, key), &nulls, &doubles)
	switch {
	case err != nil:
		return "", err
	case nulls > 0:
		return fmt.Sprintf("the table holds %s with NULL in the unique_key", counted(int(nulls), "row")), nil
	case doubles > 0:
		return fmt.Sprintf("the table holds more than one row of %s", counted(int(doubles), "key")), nil
	default:
		return "", nil
	}
}

// full is the table's state with its rows.
func (s *sitting) full(ctx context.Context) (*state, error) {
	st, err := s.state(ctx)
	if err != nil || st.rows != nil || st.Table.Rows > mostRows {
		return st, err
	}
	ses, err := s.db.Session(ctx)
	if err != nil {
		return nil, err
	}
	defer ses.Close()
	st.rows, err = readRows(ctx, ses, s.b.p.Table)
	return st, err
}
