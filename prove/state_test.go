package prove

import (
	"testing"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/engine/duckdb"
	"github.com/twice-data/twice/ledger"
)

// What was found true once is not read again, and that must hide no lie: neither of the table, nor of the ledger.
func TestReceiptsThatLieAreToldAfterOnesThatDidNot(t *testing.T) {
	d, err := duckdb.Open(t.Context(), duckdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	db := engine.Open(d, nil)
	t.Cleanup(func() { db.Close() })
	ses, err := db.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ses.Close() })
	if err := ledger.Create(t.Context(), ses); err != nil {
		t.Fatal(err)
	}
	do := func(statements ...string) {
		t.Helper()
		for _, st := range statements {
			if _, err := ses.Exec(t.Context(), "test", st); err != nil {
				t.Fatal(err)
			}
		}
	}
	p := &twice.Pipeline{Name: "t", Table: twice.Table{Name: "t"}, Write: twice.Overwrite, TimeColumn: "day", Calendar: twice.Calendar{Grain: twice.Day}}
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var windows []twice.Window
	for i := range 2 {
		windows = append(windows, twice.Window{Start: day.AddDate(0, 0, i), End: day.AddDate(0, 0, i+1)})
	}
	do("CREATE TABLE t AS SELECT DATE '2026-01-01' + CAST(i % 2 AS INTEGER) AS day, i AS n FROM range(6) AS r(i)")
	fps, err := ses.WindowFingerprints(t.Context(), p, windows, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := twice.Manifest{}
	var receipts []*twice.Receipt
	for _, w := range windows {
		receipts = append(receipts, &twice.Receipt{Pipeline: "t", Table: p.Table, Window: w, Manifest: m.Digest(), Fingerprint: fps[w.Key()],
			Columns: []string{"day", "n"}, CommittedAt: day})
	}
	if err := ledger.Record(t.Context(), ses, "run", "t", windows, m); err != nil {
		t.Fatal(err)
	}
	if err := ledger.Commit(t.Context(), ses, receipts); err != nil {
		t.Fatal(err)
	}
	b := &bench{p: p, windows: windows}
	lies := func() []string {
		t.Helper()
		s := &sitting{lab: &lab{b: b}, db: db}
		st, err := s.audited(t.Context(), ses)
		if err != nil {
			t.Fatal(err)
		}
		return st.lies
	}
	for range 2 {
		if found := lies(); len(found) > 0 {
			t.Fatalf("of what is true: %q", found)
		}
	}
	if len(b.honest) != 1 {
		t.Errorf("%d states are known to be true, instead of one", len(b.honest))
	}
	for _, lie := range []struct{ what, tell, mend string }{
		{"a row more", "INSERT INTO t VALUES ('2026-01-02', 7)", "DELETE FROM t WHERE n = 7"},
		{"another value", "UPDATE t SET n = 8 WHERE n = 5", "UPDATE t SET n = 5 WHERE n = 8"},
		{"a row in another window", "UPDATE t SET day = '2026-01-02' WHERE n = 0", "UPDATE t SET day = '2026-01-01' WHERE n = 0"},
		{"another number of rows", "UPDATE twice.receipts SET rows = rows + 1", "UPDATE twice.receipts SET rows = rows - 1"},
		{"another fingerprint", "UPDATE twice.receipts SET fingerprint = reverse(fingerprint)", "UPDATE twice.receipts SET fingerprint = reverse(fingerprint)"},
		{"other columns", "UPDATE twice.receipts SET columns = 'n'", "UPDATE twice.receipts SET columns = 'day' || chr(10) || 'n'"},
		{"another version of the hash", "UPDATE twice.receipts SET algorithm = algorithm || '2'", "UPDATE twice.receipts SET algorithm = left(algorithm, -1)"},
		{"no manifest", "UPDATE twice.manifests SET digest = digest || '2'", "UPDATE twice.manifests SET digest = left(digest, -1)"},
		{"the manifest of one window", "UPDATE twice.manifests SET window_end = NULL WHERE window_start = '2026-01-01'",
			"UPDATE twice.manifests SET window_end = TIMESTAMPTZ '2026-01-02' WHERE window_start = '2026-01-01'"},
	} {
		do(lie.tell)
		if len(lies()) == 0 {
			t.Errorf("%s is not told", lie.what)
		}
		do(lie.mend)
		if found := lies(); len(found) > 0 {
			t.Fatalf("%s was mended: %q", lie.what, found)
		}
	}
}
