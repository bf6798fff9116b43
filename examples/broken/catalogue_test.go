// Package broken_test holds "twice prove" against the catalogue: each broken pipeline must be found broken by the law that
// its header names, and each sound one must be left in peace.
package broken_test

import (
	"bufio"
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/twice-data/twice/prove"
)

var seeds = flag.String("seeds", "", "prove the catalogue with these `SEEDS`: 1,2,3; takes minutes")

// mostRows is how many rows of input a reproduction may take.
const mostRows = 5

// example is one pipeline of the catalogue.
type example struct {
	name string
	law  string // that must find it; empty: it is sound
}

var (
	incident = regexp.MustCompile(`(?m)^# incident: .+`)
	lawLine  = regexp.MustCompile(`(?m)^# law: (.+)$`)
)

// examples reads the catalogue from the headers. pipelines/raw is what examples read.
func examples(t *testing.T) (list []example) {
	t.Helper()
	for _, kind := range []string{"pipelines/*.sql", "pipelines/sound/*.sql"} {
		files, err := filepath.Glob(kind)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			law := lawLine.FindSubmatch(text)
			if law == nil || !incident.Match(text) {
				t.Errorf("%s: the header has no line \"# incident:\" or \"# law:\"", file)
				continue
			}
			e := example{name: strings.TrimSuffix(filepath.Base(file), ".sql"), law: string(law[1])}
			if strings.Contains(kind, "sound") {
				e.name, e.law = "sound."+e.name, ""
			}
			list = append(list, e)
		}
	}
	return list
}

func TestEveryExampleNamesItsIncidentAndItsLaw(t *testing.T) {
	broken, sound := 0, 0
	for _, e := range examples(t) {
		known := slices.ContainsFunc(prove.Laws, func(l prove.Law) bool { return l.Name == e.law })
		switch {
		case e.law == "":
			sound++
		case known:
			broken++
		default:
			t.Errorf("%s: there is no law %q", e.name, e.law)
		}
	}
	if broken < 30 || sound < 12 {
		t.Errorf("%d broken and %d sound examples; at least 30 and 12 are wanted", broken, sound)
	}
}

// verdict is what one line of "twice prove --json" says.
type verdict struct {
	Event, Law, Verdict, Reason string
	Trials, Untried             int
	Example                     *struct {
		InputRows      int `json:"input_rows"`
		Missing, Extra []struct{ Values []string }
	}
}

// rows is the size of a reproduction.
func (v *verdict) rows() int {
	if v.Example == nil {
		return 0
	}
	return max(v.Example.InputRows, len(v.Example.Missing)+len(v.Example.Extra))
}

func TestCatalogue(t *testing.T) {
	if *seeds == "" {
		t.Skip("make prove-catalogue runs it")
	}
	c := newCatalogue(t)
	for _, e := range examples(t) {
		t.Run(e.name, func(t *testing.T) {
			began := time.Now()
			if e.law == "" {
				c.sound(t, e)
			} else {
				c.broken(t, e)
			}
			t.Logf("%.0f s", time.Since(began).Seconds())
		})
	}
	c.print(t)
}

// catalogue is a copy of the project with its target, and what has been found.
type catalogue struct {
	program, dir string
	lines        []string
	missed       int
	alarms       int
}

func newCatalogue(t *testing.T) *catalogue {
	t.Helper()
	c := &catalogue{program: filepath.Join(t.TempDir(), "twice"), dir: filepath.Join(t.TempDir(), "project")}
	if out, err := exec.Command("go", "build", "-o", c.program, "../../cmd/twice").CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	if err := os.CopyFS(c.dir, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	statements, err := os.ReadFile("target.sql")
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("duckdb", filepath.Join(c.dir, "warehouse.duckdb"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(string(statements)); err != nil {
		t.Fatal(err)
	}
	return c
}

// broken wants the example's law broken with every seed that it matters to, by few rows.
func (c *catalogue) broken(t *testing.T, e example) {
	all := strings.Split(*seeds, ",")
	if !slices.Contains(seeded, e.law) {
		all = all[:1]
	}
	for _, seed := range all {
		vs := c.prove(t, e.name, "--seed", seed, "--law", e.law, "--time", "60s")
		if len(vs) != 1 {
			t.Fatalf("%d verdicts on one law", len(vs))
		}
		v := vs[0]
		found := "found"
		if v.Verdict != string(prove.Broken) {
			found = "MISSED"
			c.missed++
			t.Errorf("seed %s: %s %s %s", seed, v.Law, v.Verdict, v.Reason)
		} else if v.rows() > mostRows {
			t.Errorf("seed %s: the reproduction takes %d rows; at most %d are wanted", seed, v.rows(), mostRows)
		}
		c.add(e, seed, e.law, found, v.rows(), v.Trials)
	}
}

// seeded are the laws whose choices a seed decides.
var seeded = []string{"order", "shuffle", "hostile"}

// sound wants no law broken: all of them with the first seed, those that it matters to with the others.
func (c *catalogue) sound(t *testing.T, e example) {
	for i, seed := range strings.Split(*seeds, ",") {
		args := []string{"--time", "20s"}
		if i > 0 {
			args = []string{"--time", "10s", "--law", strings.Join(seeded, ",")}
		}
		trials, alarms := 0, 0
		for _, v := range c.prove(t, e.name, append(args, "--seed", seed)...) {
			trials += v.Trials
			if v.Verdict == string(prove.Broken) || strings.Contains(v.Reason, "no clean run") || strings.Contains(v.Reason, "could not be tried") {
				alarms++
				c.alarms++
				t.Errorf("seed %s: %s %s %s", seed, v.Law, v.Verdict, v.Reason)
			}
		}
		said := "holds"
		if alarms > 0 {
			said = "FALSE ALARM"
		}
		c.add(e, seed, "-", said, 0, trials)
	}
}

// prove gives the verdicts on one pipeline.
func (c *catalogue) prove(t *testing.T, name string, args ...string) (vs []verdict) {
	t.Helper()
	cmd := exec.Command(c.program, append([]string{"prove", name, "--project", c.dir, "--json"}, args...)...)
	cmd.Env = append(os.Environ(), "USER=ann")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Fatalf("%v\n%s%s", err, out, errs.Bytes())
	}
	scanner := bufio.NewScanner(bytes.NewReader(out))
	scanner.Buffer(nil, 1<<24)
	for scanner.Scan() {
		var v verdict
		if err := json.Unmarshal(scanner.Bytes(), &v); err != nil {
			t.Fatalf("%v: %s", err, scanner.Text())
		}
		if v.Event == "law" {
			vs = append(vs, v)
		}
	}
	if len(vs) == 0 {
		t.Fatalf("no verdicts: %s", errs.Bytes())
	}
	return vs
}

func (c *catalogue) add(e example, seed, law, found string, rows, trials int) {
	size := "-"
	if rows > 0 {
		size = fmt.Sprint(rows)
	}
	c.lines = append(c.lines, fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%d", e.name, law, seed, found, size, trials))
}

// print shows the table.
func (c *catalogue) print(t *testing.T) {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "example\tlaw\tseed\tverdict\trows\ttrials")
	for _, line := range c.lines {
		fmt.Fprintln(w, line)
	}
	_ = w.Flush() // into memory
	t.Logf("\n%s\n%d proofs, %d missed, %d false alarms", b.String(), len(c.lines), c.missed, c.alarms)
}
