package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/lint"
)

func (a *app) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "check [PIPELINE ...]",
		Short:   "Look for SQL whose result is not determined by its inputs",
		Long:    "Read the project and look for SQL whose result is not determined by its inputs: clocks, chance, ties,\nrelations that are not declared. Waived findings are listed with their reasons.",
		Example: "twice check\ntwice check mart.daily --json",
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return a.withPipelines(ctx, nil, args, func(o *opened, pipelines []*twice.Pipeline) error {
				findings, err := o.lint(ctx, pipelines)
				if err != nil {
					return err
				}
				a.findings(findings)
				bad := lint.Errors(findings)
				if !a.json {
					fmt.Fprintf(a.stdout, "%s checked, %s\n", counted(len(pipelines), "pipeline"), counted(len(bad), "error"))
				}
				if len(bad) > 0 {
					return toldAlready(usage("%d lint errors", len(bad)))
				}
				return nil
			})
		},
	}
}

// lint examines the pipelines.
func (o *opened) lint(ctx context.Context, pipelines []*twice.Pipeline) ([]lint.Finding, error) {
	var all []lint.Finding
	for _, p := range pipelines {
		if o.memo.Clean[p.Name] {
			continue
		}
		fs, err := lint.Check(ctx, o.engineOf(p), p, o.Pipelines)
		if err != nil {
			return nil, err
		}
		if len(fs) == 0 {
			o.memo.Clean[p.Name] = true
		}
		all = append(all, fs...)
	}
	return all, nil
}

type findingLine struct {
	Event    string `json:"event"`
	Pipeline string `json:"pipeline"`
	File     string `json:"file"`
	Line     int    `json:"line"`
	Rule     string `json:"rule"`
	Severity string `json:"severity"`
	Waived   bool   `json:"waived"`
	Reason   string `json:"reason,omitempty"`
	Message  string `json:"message"`
	Next     string `json:"next"`
}

func (a *app) findings(fs []lint.Finding) {
	for _, f := range fs {
		if a.json {
			a.line(findingLine{
				Event: "finding", Pipeline: f.Pipeline, File: f.File, Line: f.Line, Rule: f.Rule,
				Severity: string(f.Severity), Waived: f.Waived, Reason: f.Reason, Message: f.Message, Next: f.Next,
			})
			continue
		}
		severity, colour := string(f.Severity), yellow
		switch {
		case f.Waived:
			severity, colour = "waived", dim
		case f.Severity == lint.Error:
			colour = red
		}
		fmt.Fprintf(a.stdout, "%s:%d: %s: %s [%s]\n", f.File, f.Line, paint(a.stdout, colour, severity), f.Message, f.Rule)
		if f.Waived {
			fmt.Fprintf(a.stdout, "    reason: %s\n", f.Reason)
		} else if f.Next != "" {
			fmt.Fprintf(a.stdout, "    next: %s\n", f.Next)
		}
	}
}
