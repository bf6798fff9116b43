package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/run"
	"github.com/twice-data/twice/scaffold"
)

// BenchmarkPlan plans 100,000 hourly windows, each with a file of its own and none of them stale. The bar is a second.
func BenchmarkPlan(b *testing.B) {
	const hours = 100_000
	s := open(b, b.TempDir())
	r, ps := s.runner("write: overwrite\ntime_column: ts\nwindow: hour\nbegin: 2010-01-01\nbatch_size: 5000\n", "select ts from feed")
	p := ps[0]
	p.Inputs[0].Files.Path = "in/{start:%Y}/{start:%m%d%H}.csv"
	r.Now = p.Calendar.Begin.Add(hours * time.Hour)
	for i := range hours {
		at := p.Calendar.Begin.Add(time.Duration(i) * time.Hour)
		path := filepath.Join(s.dir, "in", at.Format("2006"), at.Format("010215")+".csv")
		if i == 0 || at.YearDay() == 1 && at.Hour() == 0 {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				b.Fatal(err)
			}
		}
		if err := os.WriteFile(path, []byte("ts\n"+at.Format(time.DateTime)+"\n"), 0o644); err != nil {
			b.Fatal(err)
		}
		old := at.Add(24 * time.Hour)
		if err := os.Chtimes(path, old, old); err != nil { // old enough for its hash to be trusted
			b.Fatal(err)
		}
	}
	s.seed(r, p, hours)
	var took []float64
	for range rounds {
		runtime.GC() // as at the start of a process: what the round before has left is not this one's
		began := time.Now()
		plan, err := r.Plan(context.Background(), ps)
		took = append(took, time.Since(began).Seconds())
		if err != nil {
			b.Fatal(err)
		}
		if len(plan.Steps) != hours || plan.Work() != 0 {
			b.Fatalf("%d windows planned, %d of them stale; want %d, none stale: %v", len(plan.Steps), plan.Work(), hours, plan.Steps[0].Reason)
		}
	}
	b.ReportMetric(median(took), "s")
	b.ReportMetric(0, "ns/op")
	b.Logf("planning %d windows of which none is stale: %.2f s, the first time %.2f (bar: 1 s)", hours, median(took), took[0])
}

// seed puts the receipts and the files' hashes into the ledger that a run of all windows would have left.
func (s *side) seed(r *run.Runner, p *twice.Pipeline, hours int) {
	s.Helper()
	r.End = p.Calendar.Begin.Add(time.Hour)
	s.run(r, []*twice.Pipeline{p}, 0) // makes the ledger
	r.End = time.Time{}
	r.Now = p.Calendar.Begin.Add(time.Duration(hours) * time.Hour)
	plan, err := r.Plan(context.Background(), []*twice.Pipeline{p})
	if err != nil {
		s.Fatal(err)
	}
	s.exec("CREATE TABLE seed (start TIMESTAMPTZ, code VARCHAR, manifest VARCHAR, path VARCHAR, size BIGINT, ns BIGINT, sha VARCHAR)")
	csv := filepath.Join(s.dir, "seed.csv")
	f, err := os.Create(csv)
	if err != nil {
		s.Fatal(err)
	}
	for i := range plan.Steps {
		st := &plan.Steps[i]
		file := st.Manifest.Inputs[0].Files[0]
		fmt.Fprintf(f, "%s,%s,%s,%s,%d,%d,%s\n", st.Window.Start.Format(time.RFC3339), st.Code, st.Manifest.Digest(), file.Path, file.Size,
			file.ModAt.UnixNano(), file.SHA256)
	}
	if err := f.Close(); err != nil {
		s.Fatal(err)
	}
	s.exec("COPY seed FROM '" + csv + "' (HEADER false)")
	s.exec("DELETE FROM twice.receipts")
	s.exec("INSERT INTO twice.receipts SELECT 't', 't', start, start + INTERVAL 1 HOUR, code, manifest, 1, 1, '00000000000000aa', 'ts', " +
		"'duckdb-hash-1.5', 'new', 'seed', start FROM seed")
	s.exec("DELETE FROM twice.files")
	s.exec("INSERT INTO twice.files SELECT path, size, ns, sha FROM seed")
}

// BenchmarkStart times whole processes: the version, and a second run of the demo and of a one-row project, which have
// nothing to do. The bars are 30, 100 and 60 ms.
func BenchmarkStart(b *testing.B) {
	bin := filepath.Join(b.TempDir(), "twice")
	build := exec.Command("go", "build", "-o", bin, "./cmd/twice")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	demo, one := filepath.Join(b.TempDir(), "demo"), b.TempDir()
	if _, err := scaffold.Write(demo, "demo"); err != nil {
		b.Fatal(err)
	}
	s := &side{B: b, dir: one}
	s.project("/* @twice\nwrite: overwrite\n*/\nselect 1 as id\n")
	for _, c := range []struct {
		name string
		dir  string
		bar  float64
		args []string
	}{
		{"version", one, 30, []string{"version"}},
		{"demo, second run", demo, 100, []string{"run"}},
		{"one row, second run", one, 60, []string{"run"}},
	} {
		var ms []float64
		for i := range 12 {
			cmd := exec.Command(bin, c.args...)
			cmd.Dir = c.dir
			began := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("%s: %v\n%s", c.name, err, out)
			}
			if i > 1 {
				ms = append(ms, time.Since(began).Seconds()*1000)
			}
		}
		b.Logf("%s: median %.0f ms (bar: %.0f ms)", c.name, median(ms), c.bar)
	}
	b.ReportMetric(0, "ns/op")
}
