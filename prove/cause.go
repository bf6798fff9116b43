package prove

import (
	"context"
	"fmt"
	"slices"

	"github.com/twice-data/twice/lint"
)

// suspects are the lint rules that most often explain a broken law, the likeliest first.
var suspects = map[string][]string{
	"repeat":    {"volatile-function", "self-reference", "sampling", "session-lookup", "limit-without-order", "ranking-ties", "order-dependent-aggregate"},
	"order":     {"batch-dependent", "merge-order", "self-reference", "undeclared-relation", "unused-window"},
	"split":     {"batch-dependent", "ranking-ties", "self-reference", "unused-window"},
	"rebuild":   {"self-reference", "merge-order", "undeclared-relation", "external-read", "unused-window"},
	"shuffle":   {"batch-dependent", "ranking-ties", "limit-without-order", "distinct-on-without-order", "order-dependent-aggregate", "aggregate-ties", "float-sum", "sampling"},
	"duplicate": {"ranking-ties", "merge-order"},
	"late":      {"self-reference", "undeclared-relation", "external-read", "merge-order"},
	"replay":    {"undeclared-relation", "external-read", "self-reference", "volatile-function"},
	"hostile":   {"ranking-ties", "limit-without-order", "distinct-on-without-order", "order-dependent-aggregate", "aggregate-ties"},
	"clock":     {"volatile-function", "session-lookup"},
	"crash":     {"batch-dependent", "self-reference", "volatile-function"},
}

// usual is what breaks a law when lint has nothing to say, and the cure.
var usual = map[string][2]string{
	"repeat":    {"the SELECT gives other rows each time", "take out what depends on when it runs, or on what the table held before"},
	"order":     {"a window's rows depend on what other windows left", "name a version: column, or compute each window from its inputs alone"},
	"split":     {"the SELECT mixes the windows of a batch: a window function, LIMIT or an aggregate spans all of them", "partition by the time column, or set batch_size: 1"},
	"rebuild":   {"what was there when a window ran has changed since, and nothing says that the window must run again", "read through inputs: or a pipeline's windows, or widen lookback:"},
	"shuffle":   {"the result depends on the order in which rows arrive", "make every ORDER BY, LIMIT and aggregate decide ties: add the key"},
	"duplicate": {"equal input rows are counted twice", "select distinct, or group by the key, before anything is counted"},
	"late":      {"rows that come late do not reach the window that they belong to", "let the window's inputs cover the time in which late rows come, or set lookback:"},
	"replay":    {"something that the manifest does not record has changed", "declare it under inputs:"},
	"hostile":   {"the SELECT has no answer to such a row", "filter it, or add a check that refuses it"},
	"clock":     {"the result depends on when or where it is computed", "use $start and $end for the time, and cast with an explicit time zone"},
}

// explain names what most likely broke the law: an error's own place, else a lint finding, waived ones before warnings.
func (b *bench) explain(ctx context.Context, law string, br *Break) {
	if br.Cause != "" {
		return
	}
	if f := b.suspect(ctx, law); f != nil {
		br.Cause, br.File, br.Line, br.Next = f.Message, f.File, f.Line, f.Next
		if f.Waived {
			br.Cause += fmt.Sprintf(" (waived: %s)", f.Reason)
		}
		return
	}
	if br.Err != nil {
		br.Cause, br.File, br.Line, br.Next = br.Err.Code, br.Err.File, br.Err.Line, br.Err.Next
		if br.File == "" {
			br.File, br.Line = b.p.File, b.p.Line
		}
		return
	}
	if u, ok := usual[law]; ok {
		br.Cause, br.Next = u[0], u[1]
	} else {
		br.Cause, br.Next = "twice itself, or its target, did not keep what it promises", "report this with the seed"
	}
	if br.File == "" {
		br.File, br.Line = b.p.File, b.p.Line
	}
}

func (b *bench) suspect(ctx context.Context, law string) *lint.Finding {
	s, err := b.base.sit(ctx, setup{})
	if err != nil {
		return nil
	}
	defer s.close()
	var findings []lint.Finding
	for i := len(b.family) - 1; i >= 0; i-- {
		fs, err := lint.Check(ctx, s.db, b.family[i], b.family)
		if err != nil {
			return nil
		}
		findings = append(findings, fs...)
	}
	for _, waived := range []bool{true, false} {
		for _, rule := range suspects[law] {
			i := slices.IndexFunc(findings, func(f lint.Finding) bool { return f.Rule == rule && f.Waived == waived })
			if i >= 0 {
				return &findings[i]
			}
		}
	}
	i := slices.IndexFunc(findings, func(f lint.Finding) bool { return f.Waived && f.Pipeline == b.p.Name })
	if i >= 0 {
		return &findings[i]
	}
	return nil
}
