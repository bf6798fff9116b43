package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"testing"
)

const (
	crowd = 10
	days  = 30
)

// crowded is a project of 30 windows each of an overwrite in a schema that does not exist yet, and of a merge.
var crowded = map[string]string{
	"pipelines/mart/t.sql": "/* @twice\nwrite: overwrite\ntime_column: day\nwindow: day\nbegin: 2020-03-01\nend: 2020-03-31\n*/\n" +
		"select $start::date as day, i as id from generate_series(1, 20) as g(i)\n",
	"pipelines/m.sql": "/* @twice\nwrite: merge\nunique_key: [id]\nversion: v\nwindow: day\nbegin: 2020-03-01\nend: 2020-03-31\n*/\n" +
		"select i as id, $start::date as v from generate_series(1, 20) as g(i)\n",
}

// TestPostgresCrowd starts ten programs at once on an empty database. In one round they leave what others hold, and exit
// with 0 or 3; in the next they wait for it, and must all exit with 0.
func TestPostgresCrowd(t *testing.T) {
	w := newPostgres(t, crowded)
	w.must("run")
	cleanT, cleanM := w.rows("mart.t"), w.rows("m")
	codes := map[int]int{}
	n := rounds(3)
	for round := range n {
		w.reset()
		args := []string{"run"}
		if round%2 == 1 {
			args = append(args, "--wait", "2m")
		}
		how := fmt.Sprintf("round %d", round+1)
		for _, r := range w.together(crowd, args...) {
			codes[r.code]++
			if r.code != 0 && (r.code != 3 || len(args) > 1) {
				t.Errorf("%s: exit code %d\n%s%s", how, r.code, r.stdout, r.stderr)
			}
		}
		if gotT, gotM := w.rows("mart.t"), w.rows("m"); gotT != cleanT || gotM != cleanM {
			t.Fatalf("%s: the tables have\n%s\n%s\na run alone\n%s\n%s", how, gotT, gotM, cleanT, cleanM)
		}
		if got := w.number("SELECT count(*) FROM twice.history"); got != 2*days {
			t.Errorf("%s: %d commits of %d windows", how, got, 2*days)
		}
		w.noResidue(how)
		if t.Failed() {
			return
		}
	}
	w.must("verify")
	t.Logf("%d rounds of %d processes on %d windows: every window committed once; exit codes %v, no deadlock, nothing left over",
		n, crowd, 2*days, codes)
}

// together starts n programs at once and waits for all.
func (w *world) together(n int, args ...string) []result {
	w.Helper()
	type started struct {
		*exec.Cmd
		stdout, stderr bytes.Buffer
	}
	all := make([]*started, n)
	for i := range all {
		s := &started{Cmd: w.command(args...)}
		s.Stdout, s.Stderr = &s.stdout, &s.stderr
		all[i] = s
	}
	for _, s := range all {
		if err := s.Start(); err != nil {
			w.Fatal(err)
		}
	}
	var rs []result
	for _, s := range all {
		_ = s.Wait()
		rs = append(rs, result{s.ProcessState.ExitCode(), s.stdout.String(), s.stderr.String()})
	}
	return rs
}
