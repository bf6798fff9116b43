package twice

import (
	"testing"
	"time"
)

func digestible() *Pipeline {
	return &Pipeline{
		Name: "mart.daily", File: "pipelines/mart/daily.sql", Line: 9, SQL: "select a, $start from reports",
		Table: Table{"mart", "daily"}, Write: Merge, TimeColumn: "day",
		Calendar:  Calendar{Grain: Day, Begin: instant("2020-01-01T00:00:00Z")},
		UniqueKey: []string{"a"}, OnSchemaChange: "fail", BatchSize: 1,
		Columns: []Column{{Name: "a", Type: "bigint", Line: 3}},
		Inputs: []Input{
			{Name: "answers", HTTP: &HTTPInput{URL: "https://x.org", Headers: map[string]string{"Authorization": "a"}}},
			{Name: "orders", Database: &DatabaseInput{Engine: "postgres", URL: "postgres://u:p@h/d", Query: "select 1"}},
			{Name: "reports", Line: 4, Files: &FilesInput{Path: "in/{start:%Y}.csv", Reader: Reader{Nulls: []string{"NA"}}}},
		},
	}
}

// A digest that changes makes every window of every user stale: change this text only on purpose.
func TestDigestIsStable(t *testing.T) {
	if got := digestible().Digest(); got != "e2111967abf19f331be0c51d60cd47cc" {
		t.Errorf("digest is %s", got)
	}
}

func TestDigestIgnores(t *testing.T) {
	base := digestible().Digest()
	for what, change := range map[string]func(p *Pipeline){
		"name and place": func(p *Pipeline) { p.Name, p.File, p.Line, p.Inputs[2].Line, p.Columns[0].Line = "x", "x", 1, 1, 1 },
		"comments":       func(p *Pipeline) { p.SQL = "select a,\n $start -- hi\n from reports;" },
		"words":          func(p *Pipeline) { p.Description, p.Owner, p.Tags = "d", "o", []string{"t"} },
		"begin and end":  func(p *Pipeline) { p.Calendar.Begin, p.Calendar.End = time.Time{}, instant("2030-01-01T00:00:00Z") },
		"batches":        func(p *Pipeline) { p.BatchSize, p.Lookback = 7, 3 },
		"checks":         func(p *Pipeline) { p.Checks = []Check{{Name: "unique(a)", Unique: []string{"a"}}} },
		"waivers":        func(p *Pipeline) { p.Allow = []Waiver{{Rule: "limit", Reason: "safe"}} },
		"allow_empty":    func(p *Pipeline) { p.AllowEmpty = true },
		"headers":        func(p *Pipeline) { p.Inputs[0].HTTP.Headers = map[string]string{"Authorization": "b"} },
		"password":       func(p *Pipeline) { p.Inputs[1].Database.URL = "postgres://u:q@h/d" },
		"explicit UTC":   func(p *Pipeline) { p.Calendar.Zone = time.UTC },
		"case of a type": func(p *Pipeline) { p.Columns[0].Type = "BIGINT" },
	} {
		p := digestible()
		change(p)
		if p.Digest() != base {
			t.Errorf("%s: it counts, but cannot change rows", what)
		}
	}
}

func TestDigestSees(t *testing.T) {
	base := digestible().Digest()
	for what, change := range map[string]func(p *Pipeline){
		"sql":              func(p *Pipeline) { p.SQL = "select a, $end from reports" },
		"table":            func(p *Pipeline) { p.Table.Name = "other" },
		"write":            func(p *Pipeline) { p.Write = Overwrite },
		"time column":      func(p *Pipeline) { p.TimeColumn = "at" },
		"grain":            func(p *Pipeline) { p.Calendar.Grain = Hour },
		"zone":             func(p *Pipeline) { p.Calendar.Zone = zone(t, "Europe/Rome") },
		"key":              func(p *Pipeline) { p.UniqueKey = []string{"a", "b"} },
		"version":          func(p *Pipeline) { p.Version = "v" },
		"when_missing":     func(p *Pipeline) { p.WhenMissing = "delete" },
		"on_schema_change": func(p *Pipeline) { p.OnSchemaChange = "append_new_columns" },
		"column type":      func(p *Pipeline) { p.Columns[0].Type = "int" },
		"path":             func(p *Pipeline) { p.Inputs[2].Files.Path = "in/{start:%y}.csv" },
		"null texts":       func(p *Pipeline) { p.Inputs[2].Files.Nulls = nil },
		"query":            func(p *Pipeline) { p.Inputs[1].Database.Query = "select 2" },
		"address":          func(p *Pipeline) { p.Inputs[0].HTTP.URL = "https://y.org" },
		"input's name":     func(p *Pipeline) { p.Inputs[2].Name = "other" },
		"kind of source":   func(p *Pipeline) { p.Inputs[1].Database.Engine = "mysql" },
	} {
		p := digestible()
		change(p)
		if p.Digest() == base {
			t.Errorf("%s: it does not count", what)
		}
	}
}
