package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/ledger"
	"github.com/twice-data/twice/project"
)

// fresh captures are left alone: a run may have put them and not have recorded them yet.
const fresh = 24 * time.Hour

type gcLine struct {
	Event  string    `json:"event"`
	SHA256 string    `json:"sha256"`
	Size   int64     `json:"size"`
	PutAt  time.Time `json:"put_at"`
}

type gcSummary struct {
	Event   string `json:"event"`
	Unused  int    `json:"unused"`
	Bytes   int64  `json:"bytes"`
	Kept    int    `json:"kept"`
	Removed bool   `json:"removed"`
}

func (a *app) gcCommand() *cobra.Command {
	var yes bool
	var keep time.Duration
	c := &cobra.Command{
		Use:   "gc",
		Short: "Remove captures that no kept receipt refers to",
		Long: "List the captures of inputs that cannot be read twice which nothing needs any more, and remove them with --yes.\n" +
			"What the present receipts of any target refer to is kept, and so is what was recorded within --keep, belongs\n" +
			"to a run that did not end, or was captured within a day (or within --keep, if that is shorter).",
		Example: "twice gc\ntwice gc --keep 168h --yes",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if keep < 0 {
				return usage("--keep %s is negative", keep)
			}
			return a.gc(c.Context(), keep, yes)
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "remove what is listed")
	c.Flags().DurationVar(&keep, "keep", 30*24*time.Hour, "keep what was recorded within this `DURATION`")
	return c
}

func (a *app) gc(ctx context.Context, keep time.Duration, yes bool) error {
	p, err := project.Load(a.dir, a.env)
	if err != nil {
		return err
	}
	store, err := a.store(p)
	if err != nil {
		return err
	}
	all, err := store.List(ctx)
	if err != nil {
		return err
	}
	used, err := a.used(ctx, p, a.now().Add(-keep))
	if err != nil {
		return err
	}
	sum := gcSummary{Event: "summary", Removed: yes}
	t := newTable("CAPTURE", "BYTES", "CAPTURED")
	for _, f := range all {
		if used[f.SHA256] || a.now().Sub(f.ModAt) < min(fresh, keep) {
			sum.Kept++
			continue
		}
		sum.Unused++
		sum.Bytes += f.Size
		t.add(f.SHA256[:12], fmt.Sprint(f.Size), f.ModAt.Format(time.DateTime))
		if a.json {
			a.line(gcLine{"capture", f.SHA256, f.Size, f.ModAt})
		}
		if yes {
			if err := store.Delete(ctx, f.SHA256); err != nil {
				return err
			}
		}
	}
	if a.json {
		a.line(sum)
		return nil
	}
	if sum.Unused > 0 {
		t.print(a.stdout)
		fmt.Fprintln(a.stdout)
	}
	verb := "would be removed; add --yes"
	if yes {
		verb = "removed"
	}
	fmt.Fprintf(a.stdout, "%s of %d bytes %s; %d kept\n", counted(sum.Unused, "capture"), sum.Bytes, verb, sum.Kept)
	return nil
}

// used lists the captures that some target's ledger needs. All targets are asked, as they share the store: one that does
// not answer stops it all.
func (a *app) used(ctx context.Context, p *project.Project, since time.Time) (map[string]bool, error) {
	used := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(p.Targets)) {
		found, err := a.usedBy(ctx, p, name, since)
		if err != nil {
			var many twice.Errors
			if errors.As(err, &many) && len(many) > 0 {
				err = many[0]
			}
			e := *twice.AsError(err)
			e.Message = fmt.Sprintf("target %s may refer to captures, and cannot be asked: %s", name, e.Message)
			return nil, &e
		}
		maps.Copy(used, found)
	}
	return used, nil
}

func (a *app) usedBy(ctx context.Context, p *project.Project, name string, since time.Time) (map[string]bool, error) {
	t, err := p.Target(name)
	if err != nil {
		return nil, err
	}
	if t.Engine == "duckdb" { // opening it would make it
		if _, err := os.Stat(t.Path); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
	}
	db, err := a.openTarget(ctx, t)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	s, err := db.Session(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if ok, err := ledger.Exists(ctx, s); err != nil || !ok {
		return nil, err
	}
	return ledger.Captured(ctx, s, since)
}
