package project

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twice-data/twice"
)

var update = flag.Bool("update", false, "rewrite the golden files and the schemas")

// golden compares got with a file, which -update rewrites.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(got) {
		t.Errorf("%s is not current (-update rewrites it); got\n%s", file, got)
	}
}

// folder writes files, given as name and text in turn, into a new folder.
func folder(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const twoTargets = `project: covid
default_target: dev
targets:
  dev:  {engine: duckdb, path: warehouse.duckdb}
  prod: {engine: postgres, url: "${DATABASE_URL}", schema: shop}
`

const publish = "/* @twice\nwrite: publish\n*/\nselect 1\n"

func TestLoad(t *testing.T) {
	dir := folder(t, "twice.yml", twoTargets, "pipelines/daily.sql", "\uFEFF"+strings.ReplaceAll(publish, "\n", "\r\n"),
		"pipelines/mart/daily.sql", publish, "pipelines/.draft.sql", "?", "pipelines/.old/x.sql", "?", "pipelines/notes.md", "?")
	p, err := Load(dir, env("DATABASE_URL", "postgres://u:p@h/d"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "covid" || p.DefaultTarget != "dev" || names(p.Pipelines) != "daily mart.daily" {
		t.Errorf("project is %+v", p)
	}
	if pl := p.Pipeline("daily"); pl.SQL != "select 1\n" || pl.Line != 4 {
		t.Errorf("line endings count: %q in line %d", pl.SQL, pl.Line)
	}
	if p.Pipeline("nobody") != nil {
		t.Error("a pipeline is found that is not there")
	}
	dev, err := p.Target("")
	if want := (Target{Name: "dev", Engine: "duckdb", Path: filepath.Join(dir, "warehouse.duckdb"), Line: 4}); err != nil || dev != want {
		t.Errorf("default target is %+v, %v, want %+v", dev, err, want)
	}
	prod, err := p.Target("prod")
	if want := (Target{Name: "prod", Engine: "postgres", URL: "postgres://u:p@h/d", Schema: "shop", Line: 5}); err != nil || prod != want {
		t.Errorf("prod is %+v, %v, want %+v", prod, err, want)
	}
}

func TestMissingVariableStopsOnlyItsTarget(t *testing.T) {
	p, err := Load(folder(t, "twice.yml", twoTargets), env())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Target("dev"); err != nil {
		t.Errorf("dev needs the variable of prod: %v", err)
	}
	_, err = p.Target("prod")
	if err == nil || err.Error() != "twice.yml:5: targets.prod: the environment variable DATABASE_URL is not set" {
		t.Errorf("got %v", err)
	}
	_, err = p.Target("prd")
	if err == nil || err.Error() != `twice.yml: there is no target "prd"; did you mean "prod"?` || twice.ExitCode(err) != twice.ExitProject {
		t.Errorf("got %v", err)
	}
}

func TestBadProjectFiles(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", "1: the key \"project\" is missing\n1: the key \"targets\" is missing"},
		{"project: x\ntarget: {}", `2: unknown key "target"; did you mean "targets"?`},
		{"project: x\ndefault_taget: dev\n" + twoTargets[strings.Index(twoTargets, "targets"):], `2: unknown key "default_taget"; did you mean "default_target"?`},
		{"project: x\ntargets: {}", "2: targets: there is no target"},
		{"project: x\ntargets: {a: {engine: duckdb}}", `2: targets.a: a duckdb target needs the key "path"`},
		{"project: x\ntargets:\n  a:\n    engine: duckdb\n    path: y\n    url: z", "6: targets.a.url: a duckdb target has no url"},
		{"project: x\ntargets: {a: {engine: postgres, path: y}}", "2: targets.a: a postgres target needs the key \"url\"\n2: targets.a.path: a postgres target has no path"},
		{"project: x\ntargets: {a: {engine: postgres, url: u, memory: 2GB}}", "2: targets.a.memory: a postgres target has no memory"},
		{"project: x\ntargets: {a: {engine: duckdb, path: y, memory: lots}}", `2: targets.a.memory: expected a size like 2GB, found "lots"`},
		{"project: x\ntargets: {a: {engine: mysql}}", `2: targets.a.engine: expected duckdb or postgres, found "mysql"`},
		{"project: x\ndefault_target: dve\n" + twoTargets[strings.Index(twoTargets, "targets"):], `2: default_target: there is no target "dve"; did you mean "dev"?`},
		{"project: x\n" + twoTargets[strings.Index(twoTargets, "targets"):], "1: there are several targets and no default_target"},
	} {
		_, err := Load(folder(t, "twice.yml", test.text), env())
		if err == nil || strings.ReplaceAll(err.Error(), "twice.yml:", "") != test.want || twice.ExitCode(err) != twice.ExitProject {
			t.Errorf("%s\n got %v\nwant %s", test.text, err, test.want)
		}
	}
	dir := t.TempDir()
	if _, err := Load(dir, env()); err == nil || err.Error() != "there is no twice.yml in "+dir {
		t.Errorf("got %v", err)
	}
}

func TestConflictsBetweenPipelines(t *testing.T) {
	_, err := Load(folder(t, "twice.yml", twoTargets, "pipelines/a.sql", publish,
		"pipelines/main/A.sql", publish,
		"pipelines/c.sql", "/* @twice\nwrite: publish\ninputs:\n  a: {files: x.csv}\n  d: {table: public.a}\n  c: {files: c.csv}\n*/ select 1",
	), env())
	want := "pipelines/c.sql:4: the input a has the name of the table that a fills\n" +
		"pipelines/c.sql:5: the input d is the table public.a, which a fills\n" +
		"pipelines/main/A.sql:1: a and main.A both fill the table main.A"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

// Everything that is wrong in a folder is said at once.
func TestTenMistakes(t *testing.T) {
	_, err := Load(filepath.Join("testdata", "ten"), env())
	errs, ok := err.(twice.Errors)
	if !ok || len(errs) < 10 {
		t.Fatalf("expected at least ten problems, got %v", err)
	}
	var b strings.Builder
	for _, e := range errs {
		fmt.Fprintf(&b, "%s: %s [%s]\n    %s\n", e.Place(), e.Message, e.Code, e.Next)
	}
	golden(t, filepath.Join("testdata", "ten.golden"), []byte(b.String()))
}
