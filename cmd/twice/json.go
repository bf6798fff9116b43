package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/run"
)

// line prints one JSON object on a line of its own.
func (a *app) line(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // the types of this package always marshal
	}
	fmt.Fprintf(a.stdout, "%s\n", b)
}

type errorJSON struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Next    string `json:"next,omitempty"`
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
}

type errorLine struct {
	Event string `json:"event"`
	errorJSON
}

func jsonOf(e *twice.Error) *errorJSON {
	if e == nil {
		return nil
	}
	return &errorJSON{Code: e.Code, Message: e.Message, Next: e.Next, File: e.File, Line: e.Line}
}

// windowLine is one window of run, plan and status.
type windowLine struct {
	Event       string             `json:"event"`
	Pipeline    string             `json:"pipeline"`
	Start       *time.Time         `json:"start"` // null: the whole table
	End         *time.Time         `json:"end"`
	Status      twice.Status       `json:"status"`
	Reason      twice.Reason       `json:"reason,omitempty"`
	Rows        int64              `json:"rows"`
	Changed     int64              `json:"changed"`
	Fingerprint string             `json:"fingerprint,omitempty"`
	Run         string             `json:"run,omitempty"`
	Seconds     float64            `json:"seconds"`
	Offsets     []twice.OffsetSpan `json:"offsets,omitempty"` // of a stream
	Poison      int                `json:"poison,omitempty"`
	Late        int                `json:"late,omitempty"`
	Repeated    int                `json:"repeated,omitempty"`
	Warnings    []warningJSON      `json:"warnings,omitempty"`
	Error       *errorJSON         `json:"error,omitempty"`
}

type warningJSON struct {
	Check    string `json:"check"`
	Rows     int64  `json:"rows"`
	Examples string `json:"examples"`
}

func eventLine(e run.Event, id string) windowLine {
	l := windowLine{
		Event: "window", Pipeline: e.Pipeline.Name, Status: e.Status, Reason: e.Reason, Rows: e.Rows, Changed: e.Changed,
		Run: id, Seconds: seconds(e.Took), Error: jsonOf(e.Err), Offsets: e.Offsets, Poison: e.Poison,
		Late: e.Late, Repeated: e.Repeated,
	}
	l.Start, l.End = bounds(e.Window)
	if e.Status == twice.Committed || e.Status == twice.Unchanged {
		l.Fingerprint = e.Fingerprint.String()
	}
	for _, w := range e.Warnings {
		l.Warnings = append(l.Warnings, warningJSON{w.Check.Name, w.Rows, w.Examples})
	}
	return l
}

func bounds(w twice.Window) (start, end *time.Time) {
	if w.IsWhole() {
		return nil, nil
	}
	s, e := w.Start.UTC(), w.End.UTC()
	return &s, &e
}

type summaryLine struct {
	Event     string  `json:"event"`
	Committed int     `json:"committed"`
	Unchanged int     `json:"unchanged"`
	Failed    int     `json:"failed"`
	Blocked   int     `json:"blocked"`
	Waiting   int     `json:"waiting"`
	Skipped   int     `json:"skipped"`
	Seconds   float64 `json:"seconds"`
}

func summaryOf(s *run.Summary) summaryLine {
	return summaryLine{
		Event: "summary", Committed: s.Counts[twice.Committed], Unchanged: s.Counts[twice.Unchanged],
		Failed: s.Counts[twice.Failed], Blocked: s.Counts[twice.Blocked], Waiting: s.Counts[twice.Waiting],
		Skipped: s.Counts[twice.Skipped], Seconds: seconds(s.Took),
	}
}

func seconds(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Second)
}
