package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/project"
	"github.com/twice-data/twice/run"
)

// rangeFlags are --start and --end of the commands that look at tables.
type rangeFlags struct{ start, end string }

func (f *rangeFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.start, "start", "", "from this `DATE` on: 2020-03-01 or RFC 3339")
	c.Flags().StringVar(&f.end, "end", "", "up to this `DATE`, which is not included")
}

// window is the range as a window; without flags it is the whole table.
func (f *rangeFlags) window() (twice.Window, error) {
	w := twice.Window{}
	if f.start == "" && f.end == "" {
		return w, nil
	}
	w.Start, w.End = time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, b := range []struct {
		flag, text string
		to         *time.Time
	}{{"start", f.start, &w.Start}, {"end", f.end, &w.End}} {
		if b.text == "" {
			continue
		}
		t, err := project.ParseTime(b.text, time.UTC)
		if err != nil {
			return w, usage("--%s: %q is not a date like 2020-03-01 or a time like 2020-03-01T06:00:00Z", b.flag, b.text)
		}
		*b.to = t
	}
	if !w.Start.Before(w.End) {
		return w, usage("--start %s is not before --end %s", f.start, f.end)
	}
	return w, nil
}

type verifyLine struct {
	Event    string     `json:"event"`
	Pipeline string     `json:"pipeline"`
	Start    *time.Time `json:"start"`
	End      *time.Time `json:"end"`
	Same     bool       `json:"same"`
	Receipt  string     `json:"receipt,omitempty"`
	Found    string     `json:"found,omitempty"`
	Rows     int64      `json:"rows"`
	Error    *errorJSON `json:"error,omitempty"`
}

func (a *app) verifyCommand() *cobra.Command {
	var f rangeFlags
	c := &cobra.Command{
		Use:     "verify [PIPELINE ...]",
		Short:   "Compare the tables with their receipts",
		Long:    "Compute the fingerprints of the tables anew and name each window whose rows were changed behind twice's back.",
		Example: "twice verify\ntwice verify mart.daily --start 2020-03-01 --end 2020-04-01",
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			span, err := f.window()
			if err != nil {
				return err
			}
			return a.withLedger(ctx, func(o *opened, s *engine.Session) error {
				pipelines, err := o.Select(args)
				if err != nil {
					return err
				}
				looked, drifted := 0, 0
				inside := func(w twice.Window) bool {
					return span.IsWhole() || w.IsWhole() || (!w.Start.Before(span.Start) && !w.End.After(span.End))
				}
				err = run.Verify(ctx, s, pipelines, inside, func(p *twice.Pipeline, w twice.Window, d *run.Drift) {
					looked++
					if d != nil {
						drifted++
					}
					a.verified(p, w, d)
				})
				if err != nil {
					return err
				}
				if !a.json {
					fmt.Fprintf(a.stdout, "%s verified, %d changed behind twice's back\n", counted(looked, "window"), drifted)
				}
				if drifted > 0 {
					if !a.json {
						fmt.Fprintln(a.stdout, "next: twice run --force with the pipeline and the range writes them again")
					}
					return toldAlready(twice.Errorf("drift", "%d windows changed", drifted))
				}
				return nil
			})
		},
	}
	f.register(c)
	return c
}

func (a *app) verified(p *twice.Pipeline, w twice.Window, d *run.Drift) {
	if a.json {
		l := verifyLine{Event: "verify", Pipeline: p.Name, Same: d == nil}
		l.Start, l.End = bounds(w)
		if d != nil {
			l.Receipt, l.Found, l.Rows, l.Error = d.Receipt.String(), d.Found.String(), d.Found.Rows, jsonOf(d.Err)
		}
		a.line(l)
		return
	}
	switch {
	case d == nil:
	case d.Err != nil:
		fmt.Fprintf(a.stdout, "%s  %s  %s\n    %s\n", paint(a.stdout, red, "changed"), p.Name, w, d.Err.Message)
	default:
		fmt.Fprintf(a.stdout, "%s  %s  %s  receipt: %d rows, %s; table: %d rows, %s\n", paint(a.stdout, red, "changed"), p.Name, w,
			d.Receipt.Rows, d.Receipt, d.Found.Rows, d.Found)
	}
}

type fingerprintLine struct {
	Table       string `json:"table"`
	Rows        int64  `json:"rows"`
	Fingerprint string `json:"fingerprint"`
}

func (a *app) fingerprintCommand() *cobra.Command {
	var f rangeFlags
	c := &cobra.Command{
		Use:     "fingerprint TABLE",
		Short:   "Print the fingerprint of a table's rows",
		Long:    "Print the order-independent fingerprint of a table's rows. With --start or --end the table must be a pipeline's,\nwhose time_column says which rows are meant.",
		Example: "twice fingerprint mart.daily\ntwice fingerprint mart.daily --start 2020-03-01 --end 2020-03-02 --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			w, err := f.window()
			if err != nil {
				return err
			}
			return a.withTarget(ctx, nil, func(o *opened, s *engine.Session) error {
				p, err := o.tableOf(args[0], w)
				if err != nil {
					return err
				}
				cols, err := o.DB.Columns(ctx, s, p.Table)
				if err != nil {
					return err
				}
				if len(cols) == 0 {
					return usage("there is no table %s in target %s", args[0], o.Target.Name).WithNext("twice status lists the pipelines and what they wrote")
				}
				fp, err := s.TableFingerprint(ctx, p, w, nil)
				if err != nil {
					return err
				}
				if a.json {
					a.line(fingerprintLine{args[0], fp.Rows, fp.String()})
					return nil
				}
				fmt.Fprintf(a.stdout, "%s  %s  %s\n", fp, args[0], counted(int(fp.Rows), "row"))
				return nil
			})
		},
	}
	f.register(c)
	return c
}

// tableOf is the pipeline that fills a table; for any other table, as long as no window is asked for, a stand-in.
func (o *opened) tableOf(name string, w twice.Window) (*twice.Pipeline, error) {
	for _, p := range o.Pipelines {
		if p.Name == name || p.Table.String() == name {
			if !w.IsWhole() && p.TimeColumn == "" {
				return nil, usage("%s has no time_column, so --start and --end say nothing about its rows", name)
			}
			return p, nil
		}
	}
	if !w.IsWhole() {
		return nil, usage("no pipeline fills %s, so --start and --end say nothing about its rows", name)
	}
	return &twice.Pipeline{Name: name, Table: project.ParseTable(name)}, nil
}

func (a *app) rollbackCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "rollback PIPELINE",
		Short:   "Bring back what the last publish replaced",
		Long:    "Bring back the rows that the last publish of a pipeline replaced. They stay until the code or an input changes,\nor a run is forced. A second rollback brings the newer rows back.",
		Example: "twice rollback mart.customers",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return a.withPipelines(ctx, nil, args, func(o *opened, ps []*twice.Pipeline) error {
				if len(ps) != 1 {
					return usage("rollback takes one pipeline; %s selects %d", args[0], len(ps))
				}
				return a.withRunner(o, nil, func(r *run.Runner) error {
					receipt, err := r.Rollback(ctx, ps[0])
					if err != nil {
						return err
					}
					if a.json {
						a.receipts([]*twice.Receipt{receipt})
						return nil
					}
					fmt.Fprintf(a.stdout, "%s  %s  is back at %s, %s\n", ps[0].Name, receipt.Window, counted(int(receipt.Fingerprint.Rows), "row"),
						receipt.Fingerprint)
					return nil
				})
			})
		},
	}
}
