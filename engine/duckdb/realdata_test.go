package duckdb

import (
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// The folder of real feeds, where there is one.
const dataEnv = "TWICE_TEST_DATA"

func realFiles(t *testing.T, patterns ...string) []string {
	t.Helper()
	dir := os.Getenv(dataEnv)
	if dir == "" {
		t.Skip(dataEnv + " is not set")
	}
	var files []string
	for _, p := range patterns {
		found, err := filepath.Glob(filepath.Join(dir, p))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v, %v", p, found, err)
		}
		for _, f := range found {
			if text, err := os.ReadFile(f); err != nil || len(text) == 0 || filepath.Ext(f) == ".csv" && !utf8.Valid(text) {
				continue // transcoded, or refused, before it comes here
			}
			files = append(files, f)
		}
	}
	return files
}

// Every version of a feed that was renamed, extended, re-delimited and cut short over the months reads as one relation.
func TestRealItalianRegions(t *testing.T) {
	files := realFiles(t, "A_covid_italy/regioni/landing/*.csv", "A_covid_italy/regioni/revisions/*/*.csv")
	s, err := attached(t, twice.Reader{Columns: []twice.ReaderColumn{
		{Name: "codice_regione", Type: "varchar"},
		{Name: "lat", Type: "double", Aliases: []string{"latitudine"}},
		{Name: "long", Type: "double", Aliases: []string{"longitudine"}},
		{Name: "totale_positivi", Type: "bigint", Aliases: []string{"totale_attualmente_positivi"}},
		{Name: "nuovi_positivi", Type: "bigint", Optional: true},
		{Name: "totale_casi", Type: "bigint"},
		{Name: "casi_testati", Type: "bigint", Optional: true},
	}}, files...)
	if err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, s, `SELECT count(*) FROM "in"`); n != 21*len(files) {
		t.Errorf("%d rows in %d files of 21", n, len(files))
	}
	if n := one[int](t, s, `SELECT count(*) FROM "in" WHERE totale_casi IS NULL OR codice_regione IS NULL`); n != 0 {
		t.Errorf("%d rows lack a value", n)
	}
}

func TestRealLandingSum(t *testing.T) {
	s, err := attached(t, twice.Reader{Columns: []twice.ReaderColumn{{Name: "totale_casi", Type: "bigint"}}},
		realFiles(t, "A_covid_italy/regioni/landing/*.csv")...)
	if err != nil {
		t.Fatal(err)
	}
	if got := one[int](t, s, `SELECT CAST(sum(totale_casi) AS BIGINT) FROM "in"`); got != 13010887 {
		t.Errorf("the sum over all days is %d", got)
	}
}

func TestRealFilesOneByOne(t *testing.T) {
	d := openTest(t, Options{})
	s := session(t, d)
	for _, f := range realFiles(t, "A_covid_italy/province/landing/*.csv", "A_covid_italy/province/revisions/*/*.csv",
		"B_kev/versions/*.csv", "B_ourairports/*/versions/*.csv*", "B_ourairports/*/changes/*.gz") {
		if err := d.Attach(t.Context(), s, engine.Relation{Name: "in", Files: []string{f}}); err != nil {
			t.Fatal(err)
		}
		cols := one[int](t, s, `SELECT count(*) FROM (DESCRIBE "in")`)
		if n := one[int](t, s, `SELECT count(*) FROM "in"`); n < 100 || cols < 6 {
			t.Errorf("%s: %d rows of %d columns", f, n, cols)
		}
	}
}
