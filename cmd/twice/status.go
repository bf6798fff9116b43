package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/ledger"
)

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "status [PIPELINE ...]",
		Short:   "Show what is committed, and who is at work",
		Example: "twice status\ntwice status mart.daily --json",
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return a.withTarget(ctx, args, func(o *opened, s *engine.Session) error {
				pipelines, err := o.Select(args)
				if err != nil {
					return err
				}
				return a.statusOf(ctx, o, s, pipelines)
			})
		},
	}
}

func (a *app) statusOf(ctx context.Context, o *opened, s *engine.Session, pipelines []*twice.Pipeline) error {
	tables, relays := parted(pipelines)
	if len(tables) > 0 || len(relays) == 0 {
		err := a.ledgerOf(ctx, o, s, func(o *opened, s *engine.Session) error {
			state, err := ledger.Load(ctx, s, nil)
			if err != nil {
				return err
			}
			leases, err := ledger.Holders(ctx, s)
			if err != nil {
				return err
			}
			merged, err := mergedRows(ctx, s, tables)
			if err != nil {
				return err
			}
			a.status(tables, state, merged, leases)
			return nil
		})
		if err != nil {
			return err
		}
		if len(relays) > 0 && !a.json {
			fmt.Fprintln(a.stdout)
		}
	}
	if len(relays) == 0 {
		return nil
	}
	return a.relayStatus(ctx, o, relays)
}

type statusLine struct {
	Event     string     `json:"event"`
	Pipeline  string     `json:"pipeline"`
	Write     string     `json:"write"`
	Windows   int        `json:"windows"`
	Rows      int64      `json:"rows"`
	First     *time.Time `json:"first"`
	Last      *time.Time `json:"last"`
	Committed *time.Time `json:"committed_at"`
}

type leaseLine struct {
	Event   string    `json:"event"`
	Scope   string    `json:"scope"`
	Run     string    `json:"run"`
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
	Expired bool      `json:"expired"`
}

// mergedRows counts the rows of the tables that are merged into: their receipts only tell what the SELECT gave.
func mergedRows(ctx context.Context, s *engine.Session, pipelines []*twice.Pipeline) (map[string]int64, error) {
	rows := map[string]int64{}
	for _, p := range pipelines {
		if p.Write != twice.Merge {
			continue
		}
		total, err := ledger.TotalOf(ctx, s, p.Table)
		if err != nil {
			return nil, err
		}
		if total != nil {
			rows[p.Name] = total.Fingerprint.Rows
		}
	}
	return rows, nil
}

func (a *app) status(pipelines []*twice.Pipeline, state ledger.State, merged map[string]int64, leases []ledger.Holder) {
	t := newTable("PIPELINE", "WRITE", "WINDOWS", "FROM", "TO", "ROWS", "LAST COMMIT")
	for _, p := range pipelines {
		l := statusLine{Event: "status", Pipeline: p.Name, Write: string(p.Write)}
		var first, last, committed time.Time
		for _, r := range state[p.Name] {
			l.Windows++
			l.Rows += r.Fingerprint.Rows
			if first.IsZero() || r.Window.Start.Before(first) {
				first = r.Window.Start
			}
			if r.Window.End.After(last) {
				last = r.Window.End
			}
			if r.CommittedAt.After(committed) {
				committed = r.CommittedAt
			}
		}
		if rows, ok := merged[p.Name]; ok {
			l.Rows = rows
		}
		if a.json {
			l.First, l.Last, l.Committed = some(first), some(last), some(committed)
			a.line(l)
			continue
		}
		t.add(p.Name, l.Write, fmt.Sprint(l.Windows), edge(first), edge(last), fmt.Sprint(l.Rows), moment(committed))
	}
	if a.json {
		for _, h := range leases {
			a.line(leaseLine{"lease", h.Scope, h.Run, h.Host, h.PID, h.AcquiredAt, h.ExpiresAt, h.Expired})
		}
		return
	}
	t.print(a.stdout)
	if len(leases) == 0 {
		return
	}
	fmt.Fprintln(a.stdout)
	held := newTable("HELD", "BY RUN", "ON", "PROCESS", "SINCE", "UNTIL")
	for _, h := range leases {
		until := moment(h.ExpiresAt)
		if h.Expired {
			until += " (expired: the next run takes it over)"
		}
		held.add(h.Scope, h.Run, h.Host, fmt.Sprint(h.PID), moment(h.AcquiredAt), until)
	}
	held.print(a.stdout)
}

func some(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

func (a *app) historyCommand() *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use:     "history [PIPELINE]",
		Short:   "Show the runs, or what was ever committed for a pipeline",
		Example: "twice history\ntwice history mart.daily --limit 20",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return a.withTarget(ctx, args, func(o *opened, s *engine.Session) error { return a.history(ctx, o, s, args, limit) })
		},
	}
	c.Flags().IntVar(&limit, "limit", 50, "how many to show, newest first; 0: all")
	return c
}

func (a *app) history(ctx context.Context, o *opened, s *engine.Session, args []string, limit int) error {
	if len(args) == 0 {
		return a.ledgerOf(ctx, o, s, func(_ *opened, s *engine.Session) error {
			runs, err := ledger.Runs(ctx, s, limit)
			if err == nil {
				a.runs(runs)
			}
			return err
		})
	}
	ps, err := o.Select(args)
	if err != nil {
		return err
	}
	if ps[0].To != nil {
		return a.relayHistory(ctx, o, ps[0])
	}
	return a.ledgerOf(ctx, o, s, func(_ *opened, s *engine.Session) error {
		rs, err := ledger.History(ctx, s, ps[0].Name, "", limit)
		if err == nil {
			a.receipts(rs)
		}
		return err
	})
}

type runLine struct {
	Event     string     `json:"event"`
	Run       string     `json:"run"`
	Command   string     `json:"command"`
	Status    string     `json:"status"`
	Started   time.Time  `json:"started_at"`
	Finished  *time.Time `json:"finished_at"`
	Committed int64      `json:"committed"`
	Failed    int64      `json:"failed"`
	Host      string     `json:"host"`
	PID       int        `json:"pid"`
	Version   string     `json:"version"`
}

func (a *app) runs(rs []ledger.Run) {
	t := newTable("RUN", "STARTED", "STATUS", "COMMITTED", "FAILED", "COMMAND")
	for _, r := range rs {
		if a.json {
			a.line(runLine{
				"run", r.ID, r.Command, r.Status, r.StartedAt, some(r.FinishedAt), r.Committed, r.Failed, r.Host, r.PID, r.Version,
			})
			continue
		}
		t.add(r.ID, moment(r.StartedAt), r.Status, fmt.Sprint(r.Committed), fmt.Sprint(r.Failed), r.Command)
	}
	if !a.json {
		t.print(a.stdout)
	}
}

type receiptLine struct {
	Event       string     `json:"event"`
	Pipeline    string     `json:"pipeline"`
	Start       *time.Time `json:"start"`
	End         *time.Time `json:"end"`
	Reason      string     `json:"reason"`
	Rows        int64      `json:"rows"`
	Changed     int64      `json:"changed"`
	Fingerprint string     `json:"fingerprint"`
	Code        string     `json:"code"`
	Manifest    string     `json:"manifest"`
	Run         string     `json:"run"`
	Committed   time.Time  `json:"committed_at"`
}

func (a *app) receipts(rs []*twice.Receipt) {
	t := newTable("COMMITTED", "PIPELINE", "WINDOW", "WHY", "ROWS", "CHANGED", "FINGERPRINT", "RUN")
	for _, r := range rs {
		if a.json {
			start, end := bounds(r.Window)
			a.line(receiptLine{
				"receipt", r.Pipeline, start, end, string(r.Reason), r.Fingerprint.Rows, r.Changed, r.Fingerprint.String(),
				r.Code, r.Manifest, r.Run, r.CommittedAt,
			})
			continue
		}
		t.add(moment(r.CommittedAt), r.Pipeline, r.Window.String(), string(r.Reason), fmt.Sprint(r.Fingerprint.Rows),
			fmt.Sprint(r.Changed), r.Fingerprint.String(), r.Run)
	}
	if !a.json {
		t.print(a.stdout)
	}
}

func (a *app) showCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show RUN",
		Short:   "Show one run: what it committed, and from which inputs",
		Example: "twice show 20200301T120000-4f1c09ab",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return a.withLedger(ctx, func(_ *opened, s *engine.Session) error { return a.show(ctx, s, args[0]) })
		},
	}
}

func (a *app) show(ctx context.Context, s *engine.Session, id string) error {
	runs, err := ledger.Runs(ctx, s, 0)
	if err != nil {
		return err
	}
	for _, r := range runs {
		if r.ID != id {
			continue
		}
		a.runs([]ledger.Run{r})
		receipts, err := ledger.History(ctx, s, "", id, 0)
		if err != nil {
			return err
		}
		if !a.json {
			fmt.Fprintln(a.stdout)
		}
		a.receipts(receipts)
		return a.inputs(ctx, s, receipts)
	}
	return usage("there is no run %s in the ledger", id).WithNext("twice history lists the runs")
}

type manifestLine struct {
	Event    string     `json:"event"`
	Pipeline string     `json:"pipeline"`
	Start    *time.Time `json:"start"`
	End      *time.Time `json:"end"`
	twice.Manifest
}

// inputs prints what the receipts' windows were written from.
func (a *app) inputs(ctx context.Context, s *engine.Session, rs []*twice.Receipt) error {
	t := newTable("PIPELINE", "WINDOW", "INPUT", "WHAT")
	for _, r := range rs {
		m, err := ledger.Manifest(ctx, s, r.Pipeline, r.Window, r.Manifest)
		if err != nil {
			return err
		}
		if m == nil {
			continue
		}
		if a.json {
			start, end := bounds(r.Window)
			a.line(manifestLine{"manifest", r.Pipeline, start, end, *m})
			continue
		}
		for _, pin := range m.Inputs {
			for _, what := range described(pin) {
				t.add(r.Pipeline, r.Window.String(), pin.Name, what)
			}
		}
	}
	if !a.json {
		fmt.Fprintln(a.stdout)
		t.print(a.stdout)
	}
	return nil
}

// described says what a pin holds, a line each.
func described(pin twice.Pin) []string {
	var lines []string
	for _, f := range pin.Files {
		lines = append(lines, fmt.Sprintf("%s  %d bytes  sha256 %.12s", f.Path, f.Size, f.SHA256))
	}
	for _, u := range pin.Upstreams {
		lines = append(lines, fmt.Sprintf("%s  %d rows  fingerprint %s", u.Pipeline, u.Rows, u.Fingerprint))
	}
	if pin.Capture != nil {
		lines = append(lines, fmt.Sprintf("captured  %d bytes  sha256 %.12s", pin.Capture.Size, pin.Capture.SHA256))
	}
	if len(lines) == 0 {
		b, err := json.Marshal(pin)
		if err != nil {
			panic(err) // plain strings and numbers always marshal
		}
		lines = append(lines, string(b))
	}
	return lines
}
