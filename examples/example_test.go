// Package examples_test runs the examples on the real feeds that they are made for, as processes of the program, and
// holds the tables against figures that were computed without it.
package examples_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/twice-data/twice/engine/postgres/pgtest"
)

// What TestMain prepares: the program, and the folder of the feeds.
var program, feeds string

func TestMain(m *testing.M) {
	feeds = os.Getenv("TWICE_TEST_DATA")
	if _, err := os.Stat(feeds); err != nil {
		fmt.Printf("skipped: TWICE_TEST_DATA=%s is not a folder of feeds\n", feeds)
		return
	}
	os.Exit(withProgram(m.Run))
}

func withProgram(run func() int) int {
	dir, err := os.MkdirTemp("", "twice-examples-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "twice")
	if out, err := exec.Command("go", "build", "-o", program, "../cmd/twice").CombinedOutput(); err != nil {
		fmt.Printf("building the program: %v\n%s", err, out)
		return 1
	}
	return run()
}

// expected reads the figures of a feed.
func expected[T any](t *testing.T, feed string) (figures T) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(feeds, feed, "EXPECTED.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &figures); err != nil {
		t.Fatal(err)
	}
	return figures
}

// onTargets runs a test on each target of the examples.
func onTargets(t *testing.T, test func(t *testing.T, target string)) {
	for _, target := range []string{"dev", "prod"} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			test(t, target)
		})
	}
}

// example is a copy of an example with a target of its own.
type example struct {
	*testing.T
	dir    string
	data   string // the folder that TWICE_DATA names
	target string // of twice.yml
	url    string // prod: the database, new and empty
}

func newExample(t *testing.T, name, data, target string) *example {
	t.Helper()
	e := &example{T: t, dir: t.TempDir(), data: data, target: target}
	if target == "prod" {
		e.url = pgtest.Start(t).Database(t)
	}
	e.copy(filepath.Join(name, "twice.yml"), filepath.Join(e.dir, "twice.yml"))
	if err := os.CopyFS(filepath.Join(e.dir, "pipelines"), os.DirFS(filepath.Join(name, "pipelines"))); err != nil {
		t.Fatal(err)
	}
	return e
}

// copy copies a file, over the one that is there.
func (e *example) copy(from, to string) {
	e.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		e.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		e.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o644); err != nil {
		e.Fatal(err)
	}
}

// event is a line of what the program prints about a window.
type event struct {
	Event, Pipeline, Status, Reason string
	Start                           *time.Time
	Rows, Changed                   int64
	Warnings                        []struct{ Check string }
	Error                           struct{ Code, Message, Next string }
}

// outcome is how a process ended.
type outcome struct {
	code    int
	windows []event
}

func (e *example) start(args ...string) (code int, stdout, stderr string) {
	e.Helper()
	c := exec.Command(program, append(args, "--target", e.target)...)
	c.Dir = e.dir
	c.Env = append(os.Environ(), "TWICE_DATA="+e.data, "DATABASE_URL="+e.url)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		e.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

// twice runs a command that tells of windows, and expects it to end with an exit code.
func (e *example) twice(code int, args ...string) outcome {
	e.Helper()
	got, stdout, stderr := e.start(append(args, "--json")...)
	if got != code {
		e.Fatalf("twice %s: exit code %d, not %d\n%s%s", strings.Join(args, " "), got, code, problems(stdout), stderr)
	}
	o := outcome{code: got}
	for line := range strings.Lines(stdout) {
		var w event
		if err := json.Unmarshal([]byte(line), &w); err != nil {
			e.Fatalf("%v in %s", err, line)
		}
		if w.Event == "window" || w.Event == "plan" {
			o.windows = append(o.windows, w)
		}
	}
	return o
}

// problems are the lines that tell of one.
func problems(stdout string) string {
	var bad strings.Builder
	for line := range strings.Lines(stdout) {
		if strings.Contains(line, `"error"`) && !strings.Contains(line, `"waiting"`) {
			bad.WriteString(line)
		}
	}
	return bad.String()
}

// of lists the windows of a pipeline with a status.
func (o outcome) of(pipeline, status string) []event {
	var found []event
	for _, w := range o.windows {
		if w.Pipeline == pipeline && w.Status == status {
			found = append(found, w)
		}
	}
	return found
}

// days are the days on which windows start.
func days(windows []event) []string {
	found := []string{}
	for _, w := range windows {
		found = append(found, w.Start.Format(time.DateOnly))
	}
	slices.Sort(found)
	return found
}

// fingerprint is a table's number of rows and fingerprint; a table that is not there has none.
func (e *example) fingerprint(table string) string {
	e.Helper()
	code, stdout, _ := e.start("fingerprint", table, "--json")
	if code != 0 {
		return ""
	}
	var fp struct {
		Rows        int64
		Fingerprint string
	}
	if err := json.Unmarshal([]byte(stdout), &fp); err != nil {
		e.Fatal(err)
	}
	return fmt.Sprintf("%d rows %s", fp.Rows, fp.Fingerprint)
}

// query is what the target answers, as text; NULL is the empty text.
func (e *example) query(query string) [][]string {
	e.Helper()
	driver, name := "duckdb", filepath.Join(e.dir, "warehouse.duckdb")+"?access_mode=read_only"
	if e.url != "" {
		driver, name = "pgx", e.url
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		e.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		e.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		e.Fatal(err)
	}
	var all [][]string
	for rows.Next() {
		cells, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			e.Fatal(err)
		}
		row := make([]string, len(columns))
		for i, c := range cells {
			row[i] = c.String
		}
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		e.Fatal(err)
	}
	return all
}

// figures is the one row that a query gives.
func (e *example) figures(query string) string {
	e.Helper()
	rows := e.query(query)
	if len(rows) != 1 {
		e.Fatalf("%d rows of %s", len(rows), query)
	}
	return strings.Join(rows[0], " ")
}

func equal[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, expected %v", what, got, want)
	}
}
