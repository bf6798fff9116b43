// Package enginetest is the suite that every engine's driver passes: what the three writes promise, on a real target.
//
// A driver wires it up in a few lines:
//
//	func TestConformance(t *testing.T) {
//		enginetest.Run(t, func(t *testing.T, tap engine.Tap) *engine.DB { return … a fresh target … })
//	}
//
// Where engines differ, the suite reads Features; it never asks for a name.
package enginetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
)

// Open gives a fresh, empty target, closed at the end of the test. Every statement to it passes tap, which may be nil.
type Open func(t *testing.T, tap engine.Tap) *engine.DB

// Run runs every case of the suite, each on a target of its own.
func Run(t *testing.T, open Open) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(&bench{T: t, open: open, ctx: t.Context()}) })
	}
}

type testCase struct {
	name string
	run  func(*bench)
}

var cases = []testCase{
	{"session/utc", sessionUTC},
	{"session/error in a transaction leaves nothing", errorLeavesNothing},
	{"describe/agrees with columns", describeAgrees},
	{"attach/exactly the files", attachExactly},
	{"hash/tells rows apart", hashTellsApart},
	{"hash/of windows in one pass", windowFingerprints},
	{"parse/tables", parseTables},
	{"parse/syntax error has a line", parseSyntax},
	{"overwrite/repeat", overwriteRepeat},
	{"overwrite/leaves other windows alone", overwriteOthers},
	{"overwrite/row outside the window", overwriteOutside},
	{"overwrite/empty result", overwriteEmpty},
	{"overwrite/batch", overwriteBatch},
	{"overwrite/date, timestamp and timestamptz", overwriteTimeTypes},
	{"overwrite/whole table", overwriteWhole},
	{"merge/repeat changes nothing", mergeRepeat},
	{"merge/null key", mergeNullKey},
	{"merge/duplicate key", mergeDuplicateKey},
	{"merge/key twice in the table", mergeTwiceInTable},
	{"merge/version decides, not order", mergeVersion},
	{"merge/version tie", mergeTie},
	{"merge/null version", mergeNullVersion},
	{"merge/when_missing delete", mergeMissing},
	{"merge/superseded snapshot", mergeSuperseded},
	{"merge/nulls compare as equal", mergeNulls},
	{"merge/without a key adds", mergeAdds},
	{"merge/a stream's keys come again", mergeFinal},
	{"merge/a stream's versions", mergeFinalVersion},
	{"merge/a stream's checks", mergeFinalChecks},
	{"merge/model", mergeModel},
	{"merge/many rows", mergeMany},
	{"merge/columns named like its own", mergeNames},
	{"publish/repeat", publishRepeat},
	{"publish/failed check leaves production and keeps staging", publishBlocked},
	{"publish/window", publishWindow},
	{"publish/rollback", publishRollback},
	{"write/from an input named like the table", inputNamedLikeTable},
	{"schema/new column", schemaNewColumn},
	{"schema/changed type", schemaChangedType},
	{"schema/missing column", schemaMissingColumn},
	{"schema/contract", schemaContract},
	{"check/each kind", checkKinds},
	{"check/warn", checkWarns},
	{"fence/lost", fenceLost},
	{"fence/two writers of an empty window", fenceTwoWriters},
	{"fault/every statement of overwrite", func(b *bench) { faultEverywhere(b, overwriteStory) }},
	{"fault/every statement of merge", func(b *bench) { faultEverywhere(b, mergeStory) }},
	{"fault/every statement of publish", func(b *bench) { faultEverywhere(b, publishStory) }},
}

// bench is one case's target and the shorthand that the cases share.
type bench struct {
	*testing.T
	open Open
	ctx  context.Context
	db   *engine.DB
	s    *engine.Session
}

// start opens the target and a session on it.
func (b *bench) start(tap engine.Tap) {
	b.Helper()
	b.db = b.open(b.T, tap)
	b.s = b.session()
}

func (b *bench) session() *engine.Session {
	b.Helper()
	s, err := b.db.Session(b.ctx)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}

func (b *bench) exec(query string) {
	b.Helper()
	if _, err := b.s.Exec(b.ctx, "test", query); err != nil {
		b.Fatalf("%s: %v", query, err)
	}
}

// rows reads a query's rows as text: cells joined by "|", in the query's order, NULL as "-".
func (b *bench) rows(query string) []string {
	b.Helper()
	var out []string
	err := b.s.Query(b.ctx, "test", query, func(rows *sql.Rows) error {
		cols, err := rows.Columns()
		if err != nil {
			return err
		}
		cells := make([]sql.NullString, len(cols))
		dest := make([]any, len(cols))
		for i := range cells {
			dest[i] = &cells[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		texts := make([]string, len(cols))
		for i, c := range cells {
			if texts[i] = "-"; c.Valid {
				texts[i] = c.String
			}
		}
		out = append(out, strings.Join(texts, "|"))
		return nil
	})
	if err != nil {
		b.Fatalf("%s: %v", query, err)
	}
	return out
}

func (b *bench) want(query string, want ...string) {
	b.Helper()
	if got := b.rows(query); strings.Join(got, "\n") != strings.Join(want, "\n") {
		b.Fatalf("%s\n got: %v\nwant: %v", query, got, want)
	}
}

// write carries a job out that must go well.
func (b *bench) write(p *twice.Pipeline, ws ...twice.Window) *engine.Outcome {
	b.Helper()
	o, err := b.try(p, ws...)
	if err != nil {
		b.Fatalf("write %s %v: %v", p.Name, ws, err)
	}
	return o
}

func (b *bench) try(p *twice.Pipeline, ws ...twice.Window) (*engine.Outcome, error) {
	return b.s.Write(b.ctx, job(p, ws...))
}

// refused carries a job out that must fail with the given code, and checks that the table is as it was.
func (b *bench) refused(code string, p *twice.Pipeline, ws ...twice.Window) *twice.Error {
	b.Helper()
	before := b.fingerprint(p)
	_, err := b.try(p, ws...)
	var e *twice.Error
	if !errors.As(err, &e) || e.Code != code {
		b.Fatalf("error is %v, want one with code %s", err, code)
	}
	if e.Next == "" {
		b.Errorf("error %s does not say what to do next", code)
	}
	if after := b.fingerprint(p); after != before {
		b.Errorf("the refused write changed the table from %v to %v", before, after)
	}
	return e
}

func (b *bench) fingerprint(p *twice.Pipeline) twice.Fingerprint {
	b.Helper()
	fp, err := b.s.TableFingerprint(b.ctx, &twice.Pipeline{Table: p.Table}, twice.Window{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	return fp
}

func job(p *twice.Pipeline, ws ...twice.Window) *engine.Job {
	if len(ws) == 0 {
		ws = []twice.Window{{}}
	}
	return &engine.Job{
		Pipeline: p, Windows: ws,
		Fence:   func(context.Context, *engine.Session) error { return nil },
		Receipt: func(context.Context, *engine.Session, *engine.Outcome) error { return nil },
	}
}

var day1 = time.Date(2020, 3, 1, 0, 0, 0, 0, time.UTC)

// day is the n-th day of March 2020 as a window.
func day(n int) twice.Window {
	start := day1.AddDate(0, 0, n-1)
	return twice.Window{Start: start, End: start.AddDate(0, 0, 1)}
}

// pipeline makes a pipeline; daily ones have the time column "ts".
func pipeline(write twice.Write, query string, more ...func(*twice.Pipeline)) *twice.Pipeline {
	p := &twice.Pipeline{
		Name: "t", File: "pipelines/t.sql", Line: 1, SQL: query, Table: twice.Table{Name: "t"}, Write: write, BatchSize: 1,
		Calendar: twice.Calendar{Grain: twice.None}, OnSchemaChange: "fail",
	}
	for _, m := range more {
		m(p)
	}
	return p
}

func daily(p *twice.Pipeline) {
	p.Calendar = twice.Calendar{Grain: twice.Day, Begin: day1}
	p.TimeColumn = "ts"
}

func keyed(p *twice.Pipeline) { p.UniqueKey = []string{"id"} }

func versioned(p *twice.Pipeline) { p.Version = "v" }

func values(cols string, rows ...string) string {
	if len(rows) == 0 {
		rows = []string{"(NULL)"}
	}
	return fmt.Sprintf("SELECT * FROM (VALUES %s) AS x(%s)", strings.Join(rows, ", "), cols)
}
