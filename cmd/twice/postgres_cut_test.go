package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/twice-data/twice/engine/postgres/pgtest"
)

// TestPostgresCut drops the connection at every statement of each write: before it reaches the server, after it was sent,
// and when it is done but its reply is not delivered. TWICE_ROUNDS does all of it; otherwise each statement of an overwrite
// gets one of the three in turn, and every tenth of the others.
func TestPostgresCut(t *testing.T) {
	kinds := []struct {
		how string
		cut pgtest.Cut
	}{
		{"before statement", pgtest.Cut{Kind: pgtest.Statement}},
		{"after statement", pgtest.Cut{Kind: pgtest.Statement, After: true}},
		{"before reply", pgtest.Cut{Kind: pgtest.Reply}},
	}
	for write, files := range stories {
		t.Run(write, func(t *testing.T) {
			t.Parallel()
			w := newPostgres(t, files).feed()
			w.must("run", "--jobs", "1")
			clean := w.rows("t")
			p := w.server.Proxy(t)
			w.through(p)
			cuts, own := 0, 0
			for i, kind := range kinds {
				cut, first, step := kind.cut, 1, 10
				switch {
				case os.Getenv("TWICE_ROUNDS") != "":
					step = 1
				case write == "overwrite":
					first, step = 1+i, len(kinds)
				}
				for cut.N = first; ; cut.N += step {
					w.reset()
					fired := p.Fired()
					p.Arm(cut)
					r := w.run("run", "--jobs", "1")
					p.Arm(pgtest.Cut{})
					if p.Fired() == fired {
						break
					}
					how := fmt.Sprintf("cut %s %d", kind.how, cut.N)
					switch r.code {
					case 0:
						own++
					case 1:
					default:
						t.Errorf("%s: exit code %d\n%s%s", how, r.code, r.stdout, r.stderr)
					}
					w.must("run", "--jobs", "1")
					if got := w.rows("t"); got != clean {
						t.Fatalf("%s: after a run again the table has\n%s\nwant\n%s", how, got, clean)
					}
					w.noResidue(how)
					cuts++
				}
			}
			t.Logf("%s: %d cuts, %d of which the run got over by itself; all equal to the clean run after another one", write, cuts, own)
		})
	}
}

// TestPostgresAck loses the reply to each COMMIT of a run, or the COMMIT itself. The run finds out by asking the ledger,
// ends well, and every window is committed once.
func TestPostgresAck(t *testing.T) {
	for write, files := range stories {
		t.Run(write, func(t *testing.T) {
			t.Parallel()
			w := newPostgres(t, files).feed()
			w.must("run", "--jobs", "1")
			clean, windows := w.rows("t"), w.number("SELECT count(*) FROM twice.history")
			p := w.server.Proxy(t)
			w.through(p)
			lost := 0
			for _, cut := range []pgtest.Cut{
				{Kind: pgtest.Reply, Text: "COMMIT"},
				{Kind: pgtest.Statement, Text: "COMMIT"},
				{Kind: pgtest.Statement, Text: "COMMIT", After: true},
			} {
				for cut.N = 1; ; cut.N++ {
					w.reset()
					fired := p.Fired()
					p.Arm(cut)
					r := w.run("run", "--jobs", "1")
					if p.Fired() == fired {
						break
					}
					how := fmt.Sprintf("%s of COMMIT %d lost (after: %v)", cut.Kind, cut.N, cut.After)
					if r.code != 0 {
						t.Errorf("%s: exit code %d\n%s%s", how, r.code, r.stdout, r.stderr)
					}
					if got := w.rows("t"); got != clean {
						t.Errorf("%s: the table has\n%s\nwant\n%s", how, got, clean)
					}
					if got := w.number("SELECT count(*) FROM twice.history"); got != windows {
						t.Errorf("%s: %d commits of %d windows", how, got, windows)
					}
					if got := w.text("SELECT string_agg(status, ' ') FROM twice.runs"); got != "done" {
						t.Errorf("%s: the ledger has these rows of the one run: %s", how, got)
					}
					if !strings.Contains(r.stdout, "committed") {
						t.Errorf("%s: the run does not say that it committed:\n%s", how, r.stdout)
					}
					w.noResidue(how)
					lost++
				}
			}
			t.Logf("%s: %d lost commits and replies, each resolved by the run itself, each window committed once", write, lost)
		})
	}
}
