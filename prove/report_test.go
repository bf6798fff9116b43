package prove

import (
	"encoding/xml"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twice-data/twice"
)

func TestEveryOrderOfUpToFourWindows(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	for n, want := range map[int]int{2: 1, 3: 5, 4: 23, 6: mostPermutations} {
		all := orders(n, chance)
		if len(all) != want {
			t.Errorf("%d orders of %d", len(all), n)
		}
		for _, o := range all {
			if slices.IsSorted(o) && n <= 4 {
				t.Errorf("%v is the clean run's order", o)
			}
		}
	}
}

func TestMovedClocks(t *testing.T) {
	sql := "select current_date as d, now() as n, 'now()' as text from t"
	at := []int{strings.Index(sql, "current_date"), strings.Index(sql, "now()")}
	got := moveClock(sql, at, time.Date(2031, 2, 28, 1, 2, 3, 0, time.UTC))
	want := "select (DATE '2031-02-28') as d, (TIMESTAMPTZ '2031-02-28 01:02:03+00') as n, 'now()' as text from t"
	if got != want {
		t.Error(got)
	}
}

func table(rs ...string) *state {
	st := &state{rows: &rows{columns: []string{"a", "b"}, count: map[string]int{}}}
	for _, r := range rs {
		st.rows.count[strings.ReplaceAll(r, ",", separator)]++
		st.Table.Rows++
		st.Table.Sum += uint64(len(r))
	}
	return st
}

func TestDifferences(t *testing.T) {
	d := difference(table("1,x", "2,y"), table("1,x", "1,x", "3,z"))
	if d.Lost != 1 || d.Added != 2 || d.Doubled != 1 || d.LastBits {
		t.Errorf("%+v", d)
	}
	if d.String() != "1 row missing, 1 row extra, 1 row doubled" {
		t.Error(d)
	}
	for _, pair := range [][2]string{{"0.30000000000000004", "0.3"}, {"18.479999999999997", "18.480000000000004"}} {
		if d := difference(table("1,"+pair[0]), table("1,"+pair[1])); !d.LastBits {
			t.Errorf("%s and %s differ in more than their last digits", pair[0], pair[1])
		}
	}
	if d := difference(table("1,0.30000000000000004"), table("1,0.31")); d.LastBits {
		t.Error("0.31 is not 0.3")
	}
}

func TestScratchOfDeadProcessesGoes(t *testing.T) {
	dir := t.TempDir()
	dead, alive, other := filepath.Join(dir, scratchPrefix+"999999999-x"), filepath.Join(dir, scratchPrefix+"1-x"), filepath.Join(dir, "else")
	for _, d := range []string{dead, alive, other} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	sweepFolders(dir)
	if exists(dead) || !exists(alive) || !exists(other) {
		t.Errorf("dead %v, alive %v, other %v", exists(dead), exists(alive), exists(other))
	}
}

func report() *Report {
	broken := Verdict{
		Pipeline: "daily", Law: Laws[0], Outcome: Broken, Trials: 3, Reason: "1 row <extra>",
		Break: &Break{
			Steps: []string{"run", "run again"}, Inputs: 2, Windows: []twice.Window{{}}, File: "pipelines/daily.sql", Line: 3,
			Cause: "now()", Next: "use $start", Diff: &Diff{Columns: []string{"id"}, Extra: []Row{{[]string{"<7>"}, 2}}, Added: 2},
		},
	}
	holds := Verdict{Pipeline: "daily", Law: Laws[5], Outcome: Holds, Trials: 90}
	return &Report{Project: "shop", Engine: "duckdb", Seed: 7, Subjects: []Subject{{
		Pipeline: &twice.Pipeline{Name: "daily", Write: twice.Overwrite, Table: twice.Table{Name: "daily"}},
		Windows:  []twice.Window{{}}, Walk: []string{"ledger", "insert", "commit"}, Verdicts: []Verdict{broken, holds},
	}}}
}

func TestThePageIsWholeAndEscaped(t *testing.T) {
	b, err := HTML(report())
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, want := range []string{"1 law broken", "&lt;7&gt;", "pipelines/daily.sql:3", "--seed 7", "prefers-color-scheme: dark", "width=device-width"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	for _, bad := range []string{"<7>", "http://", "https://", "<script", "ZgotmplZ"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
}

func TestJUnitCounts(t *testing.T) {
	b, err := JUnit(report())
	if err != nil {
		t.Fatal(err)
	}
	var got junitSuites
	if err := xml.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	s := got.Suites[0]
	if s.Tests != 2 || s.Failures != 1 || s.Cases[0].Failure == nil || !strings.Contains(s.Cases[0].Failure.Text, "run again") {
		t.Errorf("%s", b)
	}
}

func TestTheLawsAreAllTriedOnce(t *testing.T) {
	var names []string
	for _, l := range Laws {
		names = append(names, l.Name)
	}
	tried := slices.Clone(lawOrder)
	slices.Sort(names)
	slices.Sort(tried)
	if !slices.Equal(names, tried) {
		t.Errorf("laws %v, tried %v", names, tried)
	}
}
