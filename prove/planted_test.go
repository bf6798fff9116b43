//go:build planted

package prove_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/twice-data/twice/engine/postgres/pgtest"
)

// Pipelines that every law holds of, as long as the engine is whole.
const (
	overwriting = "overwriting"
	merging     = "merging"
	publishing  = "publishing"
	inWindow    = "in_window"
	streaming   = "streaming"
)

// bugs lists the engine's planted bugs, each with a pipeline that meets it and the law that is meant for it.
var bugs = []struct{ bug, pipeline, law string }{
	{"receipt-apart", overwriting, "crash"},
	{"receipt-apart", merging, "crash"},
	{"delete-apart", overwriting, "crash"},
	{"delete-apart", overwriting, "reader"},
	{"manifest-late", merging, "crash"},
	{"drop-before-rename", publishing, "reader"},
	{"drop-before-rename", publishing, "crash"},
	{"offsets-apart", streaming, "crash"},
	{"offsets-unfenced", streaming, "zombie"},
	{"staging-left", publishing, "residue"},
	{"no-fence", overwriting, "zombie"},
	{"no-null-guard", merging, "hostile"},
	{"null-in-part", merging, "hostile"},
	{"no-duplicate-guard", merging, "hostile"},
	{"no-window-guard", inWindow, "hostile"},
	{"equal-rows-lost", overwriting, "hostile"},
}

func TestPlantedBugsAreCaught(t *testing.T) {
	s := newShop(t, duckdbFile)
	s.pipeline(overwriting, "write: overwrite\ntime_column: day", "select $start::date as day, id, customer, amount from o")
	s.pipeline(merging, "write: merge\nunique_key: [id, customer]\nversion: day",
		"select $start::date as day, id, customer, amount from o")
	s.write("pipelines/"+publishing+".sql", "/* @twice\nwrite: publish\ninputs: {o: {files: landing/o-2026-01-01.csv}}\n*/\n"+
		"select id, customer, amount from o\n")
	s.write("pipelines/"+inWindow+".sql", "/* @twice\nwrite: overwrite\ntime_column: day\nwindow: day\nbegin: 2026-01-01\nend: 2026-01-03\n"+
		"inputs: {o: {files: \"landing/d-{start:%Y-%m-%d}.csv\", columns: {day: date, id: varchar}}}\n*/\nselect day, id from o\n")
	for day := 1; day <= 2; day++ {
		s.write(fmt.Sprintf("landing/d-2026-01-0%d.csv", day), fmt.Sprintf("day,id\n2026-01-0%d,a\n2026-01-0%[1]d,b\n", day))
	}
	s.stream(streaming, "unique_key: [id]", "select id, amount from e")
	program = planted(t)

	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "bug\tpipeline\tlaw\twithout it\twith it\ttrials\tseen")
	for _, bug := range bugs {
		t.Run(bug.bug+"/"+bug.pipeline+"/"+bug.law, func(t *testing.T) {
			t.Setenv("TWICE_PLANTED", "")
			whole := s.only(bug.pipeline, bug.law, "15s")
			t.Setenv("TWICE_PLANTED", bug.bug)
			most := "3m" // it ends with the first break
			if bug.law == "residue" {
				most = "40s" // it is told from what crashes left, which do not break
			}
			hurt := s.only(bug.pipeline, bug.law, most)
			if whole.Verdict != "holds" {
				t.Errorf("without the bug: %s %s", whole.Verdict, whole.Reason)
			}
			if hurt.Verdict != "broken" {
				t.Errorf("with the bug: %s %s", hurt.Verdict, hurt.Reason)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", bug.bug, bug.pipeline, bug.law, whole.Verdict, hurt.Verdict, hurt.Trials, hurt.Reason)
		})
	}
	_ = w.Flush() // into memory
	t.Logf("\n%s", b.String())
}

// A run that loses an answer and then does its work again leaves a second receipt. The bug is one of each process's first
// commit, so that only a law that runs processes meets it.
func TestPlantedBlindRetryIsCaughtOnTheWire(t *testing.T) {
	server := pgtest.Start(t)
	s := newShop(t, "{engine: postgres, url: \""+server.Database(t)+"\"}")
	s.pipeline(overwriting, "write: overwrite\ntime_column: day", "select $start::date as day, id, customer, amount from o")
	program = planted(t)
	whole := s.only(overwriting, "ack", "10s")
	t.Setenv("TWICE_PLANTED", "blind-retry")
	hurt := s.only(overwriting, "ack", "1m")
	if whole.Verdict != "holds" || hurt.Verdict != "broken" || !strings.Contains(hurt.Reason, "2 windows committed in one run") {
		t.Errorf("without the bug: %s %s; with it: %s %s", whole.Verdict, whole.Reason, hurt.Verdict, hurt.Reason)
	}
}

// planted builds the program with the bugs in it.
func planted(t *testing.T) func() (string, error) {
	path := filepath.Join(t.TempDir(), "twice")
	if out, err := exec.Command("go", "build", "-tags", "planted", "-o", path, "../cmd/twice").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return func() (string, error) { return path, nil }
}

// only tries one law on one pipeline. Residue is told from what the crash law's trials leave.
func (s *shop) only(pipeline, name, time string) law {
	s.t.Helper()
	laws := name
	if name == "residue" {
		laws = "crash,residue"
	}
	return s.verdicts(pipeline, "--windows", "2", "--time", time, "--law", laws)[name]
}
