package engine

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/twice-data/twice"
)

// change is what the staged rows do to the table.
type change struct {
	inserts, updates int64
	delta            twice.Fingerprint
}

// weighed applies the staged rows. A join of keys and hashes is cheaper than a table of what it finds: one aggregate over
// it says how many rows are new, differ or tie, and the update and the insert find them again. Where an update costs by the
// columns that it sets, those in which no row differs are left out.
func (w *write) weighed(ctx context.Context) (change, error) {
	groups, err := w.groups(ctx)
	if err != nil {
		return change{}, err
	}
	v, err := w.compare(ctx, groups)
	if err != nil {
		return change{}, err
	}
	switch {
	case v.pairs != w.staged.Rows-v.inserts:
		return change{}, w.twiceInTable()
	case v.ties > 0:
		code, what, next := w.tie()
		return change{}, w.complain(ctx, v.ties, code, fmt.Sprintf("SELECT %s FROM %s AS s JOIN %s AS t ON %s WHERE %s AND %s",
			Idents("s", names(w.columns)), stageTable, w.s.db.Name(w.Pipeline.Table), w.on(), w.unlike(), w.tied()), what, next)
	}
	return v.change, w.put(ctx, v)
}

// verdict is how the staged rows compare with the table's.
type verdict struct {
	change
	pairs int64    // of a staged row and a row of its key
	ties  int64    // pairs that differ, where it cannot be said which is newer
	same  []string // columns that are equal in all pairs of which the staged row is written
}

// Up to fewRows staged rows each column is compared in all of them. Of more, sampleRows tell which columns may be equal,
// and those are compared as one.
const (
	fewRows    = 50_000
	sampleRows = 1000
)

// groups are the columns whose equality is worth knowing, together or apart.
func (w *write) groups(ctx context.Context) ([][]twice.Column, error) {
	var rest []twice.Column
	for _, c := range byName(w.columns) {
		if !w.isKey(c.Name) {
			rest = append(rest, c)
		}
	}
	if len(rest) < 2 || !w.s.db.Features().Columnar {
		return nil, nil
	}
	var each [][]twice.Column
	for _, c := range rest {
		each = append(each, []twice.Column{c})
	}
	if w.staged.Rows <= fewRows {
		return each, nil
	}
	differ := make([]string, len(each))
	unlike := make([]sql.NullBool, len(each))
	dest := make([]any, len(each))
	for i, g := range each {
		differ[i] = fmt.Sprintf("bool_or(%s <> %s)", w.s.db.RowHash("s", g), w.s.db.RowHash("t", g))
		dest[i] = &unlike[i]
	}
	err := w.s.Row(ctx, "sample", fmt.Sprintf("SELECT %s FROM (SELECT * FROM %s LIMIT %d) AS s JOIN %s AS t ON %s",
		strings.Join(differ, ", "), stageTable, sampleRows, w.s.db.Name(w.Pipeline.Table), w.on()), dest...)
	var alike []twice.Column
	for i := range each {
		if unlike[i].Valid && !unlike[i].Bool {
			alike = append(alike, rest[i])
		}
	}
	if len(alike) == 0 || len(alike) == len(rest) {
		return nil, err
	}
	return [][]twice.Column{alike}, err
}

// compare joins the staged rows with the table's. Whether two rows differ is told by their 64-bit hashes, which are needed
// for the fingerprint anyway.
func (w *write) compare(ctx context.Context, groups [][]twice.Column) (v verdict, err error) {
	join, found := "LEFT JOIN", fmt.Sprintf("%d - count(*) FILTER (WHERE twice_absent)", w.staged.Rows)
	if w.countKeys != "" { // whole numbers in a dense range are joined without a hash table, but only by inner joins
		join, found = "JOIN", w.countKeys
	}
	key := Idents("", w.Pipeline.UniqueKey)
	given, pairs := key+", twice_new", Idents("s", w.Pipeline.UniqueKey)
	held := key
	if v := Ident(w.Pipeline.Version); w.Pipeline.Version != "" {
		given += ", " + v
		held += ", " + v
	}
	old, table := w.hash("t"), w.s.db.Name(w.Pipeline.Table)
	if !w.s.db.Features().Columnar { // the join is not to carry whole rows; columns come along when they are wanted
		old, table = "t.twice_old", fmt.Sprintf("(SELECT %s, %s AS twice_old FROM %s AS t%s)", held, w.hash("t"), table, w.onlyStaged())
	}
	list := []string{
		"count(*) FILTER (WHERE NOT twice_absent)", found, "count(*) FILTER (WHERE twice_differs)", "count(*) FILTER (WHERE twice_differs AND twice_tied)",
		"CAST(sum(twice_new) FILTER (WHERE NOT twice_absent AND NOT twice_differs) AS VARCHAR)",
		"CAST(sum(twice_old) FILTER (WHERE twice_differs) AS VARCHAR)",
	}
	var keys int64 // of the staged rows, that the table has
	var kept, removed sql.NullString
	unlike := make([]int64, len(groups))
	dest := []any{&v.pairs, &keys, &v.updates, &v.ties, &kept, &removed}
	for i, g := range groups {
		given += fmt.Sprintf(", %s AS twice_g%d", w.s.db.RowHash("g", g), i)
		pairs += fmt.Sprintf(", s.twice_g%d <> %s AS twice_u%d", i, w.s.db.RowHash("t", g), i)
		list = append(list, fmt.Sprintf("count(*) FILTER (WHERE twice_differs AND twice_u%d)", i))
		dest = append(dest, &unlike[i])
	}
	query := fmt.Sprintf("SELECT %s FROM (SELECT *, NOT twice_absent AND twice_newer AND twice_old <> twice_new AS twice_differs FROM ("+
		"SELECT %s, s.twice_new, %s AS twice_old, t.%s IS NULL AS twice_absent, %s AS twice_newer, %s AS twice_tied "+
		"FROM (SELECT %s FROM %s AS g) AS s %s %s AS t ON %s) AS p) AS s",
		strings.Join(list, ", "), pairs, old, Ident(w.Pipeline.UniqueKey[0]), w.newer(), w.tied(),
		given, stageTable, join, table, w.on())
	if err = w.s.Row(ctx, "weigh", query, dest...); err != nil {
		return v, err
	}
	v.inserts = w.staged.Rows - keys
	same := 0
	for i, g := range groups {
		if unlike[i] == 0 {
			v.same, same = append(v.same, names(g)...), same+1
		}
	}
	if same == len(groups) && w.staged.Rows <= fewRows {
		v.same = nil // only the key differs, in what = does not see: -0.0
	}
	unchanged, err := twice.ParseFingerprint(v.pairs-v.updates, kept.String)
	if err != nil {
		return v, err
	}
	replaced, err := twice.ParseFingerprint(v.updates, removed.String)
	v.delta = w.staged.Sub(unchanged).Sub(replaced)
	return v, err
}

// newer is the condition that s is not older than t.
func (w *write) newer() string {
	if w.Pipeline.Version == "" {
		return "TRUE"
	}
	v := Ident(w.Pipeline.Version)
	return fmt.Sprintf("(t.%s IS NULL OR s.%s >= t.%s)", v, v, v)
}

// tied is the condition that s, which is unlike t, may not replace it.
func (w *write) tied() string {
	switch v := Ident(w.Pipeline.Version); {
	case w.Pipeline.Version != "":
		return fmt.Sprintf("coalesce(s.%s = t.%s, FALSE)", v, v)
	case w.Final:
		return "TRUE"
	default:
		return "FALSE"
	}
}

func (w *write) unlike() string { return fmt.Sprintf("%s <> s.twice_new", w.hash("t")) }

// put writes what v found.
func (w *write) put(ctx context.Context, v verdict) error {
	table := w.s.db.Name(w.Pipeline.Table)
	if v.updates > 0 {
		where := w.on()
		if v.updates < v.pairs {
			where += " AND " + w.unlike() + " AND " + w.newer()
		}
		n, err := w.s.Exec(ctx, "update", fmt.Sprintf("UPDATE %s AS t SET %s FROM %s AS s WHERE %s", table, w.sets(v.same), stageTable, where))
		if err != nil {
			return err
		}
		if n != v.updates {
			return w.overtaken(v.updates, n)
		}
	}
	if v.inserts == 0 {
		return nil
	}
	where := "TRUE"
	if v.inserts < w.staged.Rows {
		where = fmt.Sprintf("NOT EXISTS (SELECT 1 FROM %s AS t WHERE %s)", table, w.on())
	}
	n, err := w.s.Exec(ctx, "insert", fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s AS s WHERE %s",
		table, Idents("", names(w.columns)), Idents("s", names(w.columns)), stageTable, where))
	if err == nil && n != v.inserts {
		err = w.overtaken(v.inserts, n)
	}
	return err
}

// tie is what is wrong with staged rows that differ from a row which they cannot be said to replace.
func (w *write) tie() (code, what, next string) {
	if w.Pipeline.Version == "" {
		return "key-changed",
			"%d rows of the SELECT differ from the table's row of the same key (" + strings.Join(w.Pipeline.UniqueKey, ", ") + ")",
			"which one stays would depend on the order: name a column that grows with each change in version:"
	}
	return "version-tie",
		"%d rows of the SELECT differ from the table's row of the same key and the same version (" + w.Pipeline.Version + ")",
		"neither is newer, so which one stays would depend on the order: take a finer version, or correct the source"
}

func (w *write) twiceInTable() error {
	return twice.Errorf("duplicate-key-in-table", "%s holds a key of the unique_key (%s) more than once",
		w.Pipeline.Table, strings.Join(w.Pipeline.UniqueKey, ", ")).
		WithNext("twice never adds a second row to a key: remove the rows that came from elsewhere, or twice run --full-refresh")
}

// overtaken is the error of rows that somebody who holds no lease has changed since they were weighed. The fence keeps
// other runs out; against everybody else a new try helps, which weighs again.
func (w *write) overtaken(weighed, found int64) error {
	return twice.Errorf("serialization", "%s was written by somebody else during the merge: %d rows were to change, and %d did",
		w.Pipeline.Table, weighed, found)
}
