package prove_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"
)

// formats are the kinds of files besides CSV with a header, each with what DuckDB writes such a file by, and what a header
// says of it.
var formats = []struct{ name, file, copy, header string }{
	{"parquet", "parquet", "FORMAT parquet", ""},
	{"ndjson", "ndjson", "FORMAT json", ", columns: {id: bigint, placed: timestamp, amount: \"decimal(9,2)\", customer: varchar}"},
	{"headless", "csv", "FORMAT csv, HEADER false", ", header: false, columns: {id: bigint, placed: timestamp, amount: \"decimal(9,2)\", customer: varchar}"},
}

// newFormatShop is a project whose files hold the same rows, six a day and a day each, in one of the formats. Rows 3 and 4
// of a day tie on their customer and time.
func newFormatShop(t *testing.T, file, how string) *shop {
	t.Helper()
	s := &shop{t, t.TempDir(), t.TempDir()}
	s.write("twice.yml", "project: shop\ntargets: {dev: "+duckdbFile+"}\n")
	s.write("landing/.keep", "")
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for day := 1; day <= 3; day++ {
		path := filepath.Join(s.dir, fmt.Sprintf("landing/o-2026-01-0%d.%s", day, file))
		query := fmt.Sprintf(`SELECT %d * 10 + i AS id, TIMESTAMP '2026-01-0%[1]d 10:00:00' + INTERVAL 1 HOUR * least(i, 4 - i // 4) AS placed,
			(i * 1.25)::DECIMAL(9,2) AS amount, 'c' || (i %% 4 // 3 + i // 5) AS customer FROM range(1, 7) AS r(i)`, day)
		if _, err := db.ExecContext(t.Context(), "COPY ("+query+") TO '"+path+"' ("+how+")"); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *shop) formatted(file, reader, header, query string) {
	s.write("pipelines/p.sql", fmt.Sprintf("/* @twice\n%s\nwindow: day\nbegin: 2026-01-01\nend: 2026-01-04\n"+
		"inputs:\n  o: {files: \"landing/o-{start:%%Y-%%m-%%d}.%s\"%s}\n*/\n%s\n", header, file, reader, query))
}

// inputLaws are the laws that rewrite the input's rows.
var inputLaws = []string{"shuffle", "duplicate", "late", "replay", "hostile"}

func TestInputLawsHoldInEveryFormat(t *testing.T) {
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			s := newFormatShop(t, f.file, f.copy)
			s.formatted(f.file, f.header, "write: overwrite\ntime_column: day\nchecks: [{unique: [day, id]}]",
				"select distinct $start::date as day, id, placed, amount, customer from o where placed >= $start and placed < $end")
			laws := s.verdicts("--time", "20s", "--windows", "2", "--law", strings.Join(inputLaws, ","))
			for _, name := range inputLaws {
				if l := laws[name]; l.Verdict != "holds" || l.Trials < 1 {
					t.Errorf("%s: %s in %d trials: %s", name, l.Verdict, l.Trials, l.Reason)
				}
			}
			s.left()
		})
	}
}

func TestInputLawsFindWhatBreaksThemInEveryFormat(t *testing.T) {
	for i, test := range []struct{ law, in, header, sql string }{
		{"shuffle", "parquet ndjson headless", "write: overwrite\ntime_column: day\nallow: [{rule: ranking-ties, reason: x}]",
			"select $start::date as day, id, customer, row_number() over (partition by customer order by placed) as n from o"},
		{"shuffle", "ndjson", "write: overwrite\ntime_column: day\nallow: [{rule: order-dependent-aggregate, reason: x}]",
			"select $start::date as day, customer, any_value(id) as id from o group by customer"},
		{"duplicate", "parquet", "write: merge\nunique_key: [day, customer]", "select $start::date as day, customer, sum(amount) as amount from o group by customer"},
		{"late", "headless", "write: merge\nunique_key: [day, customer]", "select $start::date as day, customer, max(id) as id from o where amount < 3 group by customer having count(*) < 2"},
		{"hostile", "parquet ndjson headless", "write: overwrite\ntime_column: day\nallow: [{rule: limit-without-order, reason: x}]",
			"select $start::date as day, id, amount from o order by id limit 1"},
	} {
		for _, f := range formats {
			if !strings.Contains(test.in, f.name) {
				continue
			}
			t.Run(fmt.Sprintf("%s, %s %d", f.name, test.law, i), func(t *testing.T) {
				t.Parallel()
				s := newFormatShop(t, f.file, f.copy)
				s.formatted(f.file, f.header, test.header, test.sql)
				l := s.verdicts("--time", "2m", "--windows", "2", "--law", test.law)[test.law]
				if l.Verdict != "broken" {
					t.Fatalf("%s in %d trials: %s", l.Verdict, l.Trials, l.Reason)
				}
				if e := l.Example; len(e.Windows) != 1 || e.InputRows > 6 || e.File != "pipelines/p.sql" {
					t.Errorf("the example is %+v", e)
				}
			})
		}
	}
}

// A value that a cast makes NULL, a row that WHERE leaves out and one that an aggregate counts are told apart.
func TestStrangeRowsAreAccountedFor(t *testing.T) {
	t.Parallel()
	s := &shop{t, t.TempDir(), t.TempDir()}
	s.write("twice.yml", "project: shop\ntargets: {dev: "+duckdbFile+"}\n")
	s.write("landing/o-2026-01-01.csv", "customer,amount\nc1,1.5\nc1,2.5\nc2,3.5\n")
	s.formatted("csv", ", columns: {customer: varchar, amount: varchar}", "write: overwrite\ntime_column: day",
		"select $start::date as day, customer, count(*) as n, sum(try_cast(amount as decimal(9,2))) as total\nfrom o\nwhere customer <> 'NULL'\ngroup by customer")
	const counted = "n 2 → 3, total 4 → 5.5 (day 2026-01-01, customer c1)"
	const sieves = "what can leave it out: WHERE (pipelines/p.sql:12), an aggregate that it does not change"
	s.accounts(map[string][2]string{
		"a row that is there already":              {"changed", counted},
		"the same key with another value (amount)": {"changed", "n 2 → 3, total 4 → 11 (day 2026-01-01, customer c1)"},
		"an empty amount":                          {"changed", "n 2 → 3 (day 2026-01-01, customer c1, total 4)"},
		`amount = "NaN"`:                           {"null", "n 2 → 3 (day 2026-01-01, customer c1, total 4)"},
		`customer = "\u202eabc"`:                   {"added", `1 row more: customer \u202eabc, total 1.5 (day 2026-01-01, n 1)`},
		"an empty customer":                        {"no_trace", sieves},
		`customer = "NULL"`:                        {"no_trace", sieves},
		"a further column":                         {"no_trace", ""},
		"column customer renamed":                  {"refused", "missing-column"},
		`customer = "é"`:                           {"added", "1 row more: customer é, total 1.5 (day 2026-01-01, n 1)"},
	})
}

// accounts tries the law hostile and looks where some of what it puts into the input goes.
func (s *shop) accounts(want map[string][2]string) {
	s.t.Helper()
	l := s.verdicts("--time", "0", "--law", "hostile")["hostile"]
	if l.Verdict != "holds" {
		s.t.Fatalf("%s: %s", l.Verdict, l.Reason)
	}
	got := map[string][2]string{}
	for _, a := range l.Accounts {
		got[a.Put] = [2]string{a.Fate, a.Detail}
	}
	for put, w := range want {
		if got[put] != w {
			s.t.Errorf("%s: %q, not %q", put, got[put], w)
		}
	}
}

func TestValuesThatAreTakenForOthersAreTold(t *testing.T) {
	t.Parallel()
	s := &shop{t, t.TempDir(), t.TempDir()}
	s.write("twice.yml", "project: shop\ntargets: {dev: "+duckdbFile+"}\n")
	s.write("landing/o-2026-01-01.csv", "id,placed\n5,2026-01-01 10:00:00\n")
	s.formatted("csv", ", columns: {id: bigint, placed: timestamp}", "write: overwrite\ntime_column: day",
		"select $start::date as day, id, placed from o")
	s.accounts(map[string][2]string{
		`id = "0.1"`:                 {"altered", "1 row more: id 0 (day 2026-01-01, placed 2026-01-01 10:00:00)"},
		`id = "9223372036854775807"`: {"added", "1 row more: id 9223372036854775807 (day 2026-01-01, placed 2026-01-01 10:00:00)"},
		`id = "-0"`:                  {"added", "1 row more: id 0 (day 2026-01-01, placed 2026-01-01 10:00:00)"},
		`placed = "2026-01-01 23:59:59.999999999"`: {"altered", "1 row more: placed 2026-01-01 23:59:59.999999 (day 2026-01-01, id 5)"},
		`placed = "9999-12-31"`:                    {"added", "1 row more: placed 9999-12-31 (day 2026-01-01, id 5)"},
	})
}
