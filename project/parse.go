package project

import (
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/twice-data/twice"
)

func reflectOf[T any](p *T) reflect.Value { return reflect.ValueOf(p).Elem() }

// builder makes a pipeline from its header.
type builder struct {
	*decoder
	h header
	p *twice.Pipeline
}

// Parse reads one pipeline's file. The pipeline is as complete as the problems allow.
func Parse(file, text string, env Env) (*twice.Pipeline, twice.Errors) {
	name := strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(file, "pipelines/"), ".sql"), "/", ".")
	p := &twice.Pipeline{Name: name, File: file, Table: ParseTable(name), BatchSize: 1, OnSchemaChange: "fail"}
	parts, problem := split(file, text)
	if problem != nil {
		return p, twice.Errors{problem}
	}
	p.SQL, p.Line = parts.sql, parts.line
	b := &builder{decoder: &decoder{file: file, shift: parts.before, env: env}, p: p}
	b.read(parts.yaml, &b.h)
	if len(b.errs) == 1 && b.errs[0].Code == "yaml" {
		return p, b.errs // nothing was read that could be judged
	}
	b.about()
	b.table(name)
	b.calendar()
	b.writing()
	b.inputs()
	b.dedupe()
	b.stream()
	b.relay()
	b.contract()
	b.checks()
	b.relayChecks()
	b.waivers()
	b.sql()
	return p, b.errs
}

func (b *builder) about() {
	b.p.Description, b.p.Owner = strings.TrimSpace(b.h.Description), b.h.Owner
	b.p.Tags = slices.Compact(slices.Sorted(slices.Values(b.h.Tags)))
}

var identifier = regexp.MustCompile(`^[\pL_][\pL\pN_]*$`)

func (b *builder) table(name string) {
	for part := range strings.SplitSeq(name, ".") {
		if !identifier.MatchString(part) {
			b.errorf("", "bad-name", "the name %q, from the file's path, is not letters, digits and _", part).
				WithNext("rename %s", path.Clean(b.file))
		}
	}
	if b.has("table") {
		name = b.h.Table
		if !isTable(name) {
			b.errorf("table", "bad-name", "expected name or schema.name, found %q", name).
				WithNext("write letters, digits and _, with at most one dot")
		}
	} else if strings.Count(name, ".") > 1 {
		b.errorf("", "bad-name", "the path of the pipeline %s has more parts than schema.name", name).
			WithNext("move the file up, or add a line: table: schema.name")
	}
	b.p.Table = ParseTable(name)
	if strings.EqualFold(b.p.Table.Schema, "twice") {
		b.errorf("table", "bad-name", "the schema twice belongs to the ledger").WithNext("choose another schema")
	}
}

func isTable(name string) bool {
	parts := strings.Split(name, ".")
	return len(parts) <= 2 && !slices.ContainsFunc(parts, func(p string) bool { return !identifier.MatchString(p) })
}

func (b *builder) writing() {
	p, h := b.p, &b.h
	p.Write = twice.Write(h.Write)
	p.TimeColumn, p.UniqueKey, p.Version = h.TimeColumn, h.UniqueKey, h.Version
	p.WhenMissing, p.AllowEmpty = h.WhenMissing, h.AllowEmpty
	if h.OnSchemaChange != "" {
		p.OnSchemaChange = h.OnSchemaChange
	}
	b.columnNames("unique_key", h.UniqueKey)
	if !b.has("write") && !b.has("to") && !b.failedAt("") {
		b.errorf("", "missing-key", "the key %q is missing", "write").
			WithNext("add a line %q, with %s", "write: overwrite", listing([]string{"overwrite", "merge", "publish"}))
	}
	switch p.Write {
	case twice.Merge:
		if !b.has("unique_key") && !b.has("dedupe") {
			b.errorf("write", "missing-key",
				"merge needs the columns that identify a row: the key \"unique_key\" is missing").
				WithNext("add a line: unique_key: [id]")
		}
	case twice.Overwrite, twice.Publish:
		if p.Windowed() && b.grainKnown() && !b.has("time_column") {
			b.errorf("window", "missing-key",
				"%s by window needs the column that says which window a row is in: the key \"time_column\" is missing",
				p.Write).WithNext("add a line: time_column: NAME; or write the whole table: window: none")
		}
		for _, key := range []string{"version", "when_missing"} {
			if b.has(key) {
				b.errorf(key, "contradiction", "it means nothing with write: %s, only with merge", p.Write).
					WithNext("delete it, or write: merge")
			}
		}
	}
}

// columnNames checks a list of columns: there is one, and none is there twice.
func (b *builder) columnNames(at string, columns []string) {
	if b.has(at) && columns != nil && len(columns) == 0 {
		b.errorf(at, "unknown-value", "expected at least one column, found none").WithNext("name a column")
	}
	seen := map[string]bool{}
	for _, c := range columns {
		if c == "" {
			b.errorf(at, "unknown-value", "a column's name is empty").WithNext("name a column")
		} else if seen[strings.ToLower(c)] {
			b.errorf(at, "duplicate-column", "the column %s is there twice", c).WithNext("delete one of the two")
		}
		seen[strings.ToLower(c)] = true
	}
}

func (b *builder) contract() {
	names := make([]string, 0, len(b.h.Columns))
	for i, c := range b.h.Columns {
		line := b.line(indexed("columns", i))
		b.p.Columns = append(b.p.Columns, twice.Column{Name: c.Name, Type: c.Type, Line: line})
		if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, c.Name) }) && c.Name != "" {
			b.errorf(indexed("columns", i), "duplicate-column", "the column %s is there twice", c.Name).
				WithNext("delete one of the two")
		}
		names = append(names, c.Name)
	}
	b.inContract("time_column", b.h.TimeColumn)
	b.inContract("version", b.h.Version)
	for _, c := range b.h.UniqueKey {
		b.inContract("unique_key", c)
	}
}

// inContract checks that a column that the header speaks of is one that columns: lists, if it lists any.
func (b *builder) inContract(at, column string) {
	if column == "" || len(b.h.Columns) == 0 {
		return
	}
	names := make([]string, len(b.h.Columns))
	for i, c := range b.h.Columns {
		if strings.EqualFold(c.Name, column) {
			return
		}
		names[i] = c.Name
	}
	b.errorf(at, "unknown-column", "columns: does not list %s%s", column, didYouMean(column, names)).
		WithNext("add {name: %s, type: …} to columns:, or correct the name", column)
}

func (b *builder) waivers() {
	for i, w := range b.h.Allow {
		at := indexed("allow", i)
		b.p.Allow = append(b.p.Allow, twice.Waiver{Rule: w.Rule, Reason: w.Reason, Line: b.line(at)})
		if b.has(at+".reason") && strings.TrimSpace(w.Reason) == "" {
			b.errorf(at+".reason", "missing-key", "the reason is empty").WithNext("say why %s is safe here", w.Rule)
		}
	}
}

func (b *builder) sql() {
	if twice.Canonical(b.p.SQL) == "" {
		b.errs = append(b.errs, twice.Errorf("no-sql", "there is no SELECT under the header").At(b.file, b.p.Line).
			WithNext("write the SELECT that gives the table's rows"))
		return
	}
	for _, e := range b.parameters(b.p.SQL) {
		b.errs = append(b.errs, e.At(b.file, LineAt(b.p, e.Line)))
	}
}

// parameters finds what Bind will refuse in a text; Line holds the byte offset.
func (b *builder) parameters(sql string) twice.Errors {
	var errs twice.Errors
	for _, param := range twice.Params(sql) {
		switch {
		case param.Name != "start" && param.Name != "end":
			errs = append(errs, twice.Errorf("unknown-parameter", "unknown parameter $%s%s", param.Name,
				didYouMean(param.Name, windowBounds)).At("", param.At).
				WithNext("the only parameters are $start and $end, the window's bounds"))
		case !b.p.Windowed():
			errs = append(errs, twice.Errorf("no-window", "the SQL uses $%s, but the pipeline has no window",
				param.Name).At("", param.At).
				WithNext("add window: and begin: to the header, or take $%s out", param.Name))
		}
	}
	return errs
}

// LineAt is the line of the file at a byte offset of p's SQL; an unknown offset (-1) is where the SQL starts.
func LineAt(p *twice.Pipeline, at int) int {
	at = min(max(at, 0), len(p.SQL))
	return p.Line + strings.Count(p.SQL[:at], "\n")
}
