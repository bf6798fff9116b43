package lint_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/lint"
)

var update = flag.Bool("update", false, "write the golden files anew")

const page = "../docs/lint.md"

func TestPageOfRules(t *testing.T) {
	want := pageOfRules()
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is not what the rules say; go test ./lint -update writes it anew\n(-want +got)\n%s", page, diff)
	}
}

func pageOfRules() string {
	var b strings.Builder
	b.WriteString(`# Lint rules

*This page is generated from the rules in the program: ` + "`go test ./lint -update`" + `.*

A run may be repeated at any time, by anyone, on any machine, and must give the same rows. So before anything runs, twice
looks for what could give other rows: it asks the engine's own parser what the SQL says, and the engine's own catalogue
which functions are volatile. It looks into CTEs, subqueries, set operations, views and macros. ` + "`twice check`" + ` lists
the findings; an error stops a run, a warning does not.

## When is an order total?

LIMIT, DISTINCT ON and functions such as ` + "`row_number`" + ` are safe when ORDER BY leaves no two different rows in an order
of their own. twice works that out from

- the ` + "`unique_key`" + ` and the blocking ` + "`unique`" + ` checks of the pipelines that are read, and the columns of their contracts,
- GROUP BY, DISTINCT, and ` + "`row_number() ... = 1`" + ` in the SELECT itself,
- equalities in joins and in WHERE: ` + "`join customers c on c.id = o.customer`" + ` adds no row to an order,
- the pipeline's own ` + "`unique_key`" + ` and ` + "`unique`" + ` checks: ORDER BY one of their columns says that it breaks ties.

## Waivers

A rule is waived for one pipeline, with a reason that ` + "`twice check`" + ` shows:

` + "```yaml" + `
allow:
  - {rule: volatile-function, reason: "loaded_at is for people; nothing reads it"}
` + "```" + `

A waiver that names no rule is an error, one that is of no use any more a warning.

## Rules

`)
	for _, r := range lint.Rules {
		fmt.Fprintf(&b, "### %s\n\n*%s.* %s\n\n", r.Name, r.Severity, r.About)
		if _, ofHeader := headers[r.Name]; !ofHeader {
			fmt.Fprintf(&b, "```sql\n%s\n```\n\n", r.Bad)
		}
		fmt.Fprintf(&b, "Cure: %s.\n\n", r.Cure)
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// headers are the rules whose example is the header, not the SQL.
var headers = map[string]func(*twice.Pipeline){
	"unused-window":   func(pl *twice.Pipeline) { pl.Inputs, pl.Calendar.Grain = pl.Inputs[:1], twice.Day },
	"merge-order":     windowed(twice.Merge),
	"batch-dependent": streaming("orders"),
	"unknown-rule":    allow("no-such-rule"),
	"unused-waiver":   allow("sampling"),
}

func TestEveryRuleFindsItsExample(t *testing.T) {
	d := target(t)
	for _, r := range lint.Rules {
		pl := pipeline(r.Bad)
		if set := headers[r.Name]; set != nil {
			set(pl)
		}
		findings, err := lint.Check(context.Background(), d, pl, append(project, pl))
		if err != nil {
			t.Errorf("%s: %v", r.Name, err)
			continue
		}
		found := slices.ContainsFunc(findings, func(f lint.Finding) bool { return f.Rule == r.Name && f.Severity == r.Severity })
		if len(findings) != 1 || !found {
			t.Errorf("%s: %q gives %+v", r.Name, r.Bad, findings)
		}
	}
}

// FuzzCheck says that no text makes lint panic, and that a finding is always on a line of the file.
func FuzzCheck(f *testing.F) {
	d := target(f)
	for _, r := range lint.Rules {
		f.Add(r.Bad)
	}
	for _, sql := range []string{
		"", ";", "select", "select 1; select 2", "insert into t values (1)", "pivot orders on c", "show tables", "call f()",
		"with recursive a as (select 1 union all select * from a) select * from a order by 9 limit 1",
		"select * exclude (a) replace (b as c), columns('x') from orders group by all order by all limit 10%",
		"select $start, $1, ? from orders where ('\u00e9\u00e9', x) = \n(select 1, now())",
		"from orders asof join items using (id) natural join facts limit 1",
		"summarize orders", "select #1 from orders order by #1 limit 1", "select x'", "select 'a\x00b'",
	} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		pl := pipeline(sql)
		findings, err := lint.Check(context.Background(), d, pl, append(project, pl))
		if err != nil {
			return
		}
		for _, found := range findings {
			if found.Line < 1 || found.Line > 1+strings.Count(sql, "\n") {
				t.Errorf("line %d of a text with %d lines: %+v", found.Line, 1+strings.Count(sql, "\n"), found)
			}
		}
	})
}
