package project

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/twice-data/twice"
)

// Target is a database that pipelines write to.
type Target struct {
	Name   string
	Engine string // "duckdb" or "postgres"
	Path   string // duckdb: the database file
	URL    string // postgres: the connection's URL
	Schema string // the default schema; empty: the engine's own
	Memory string // duckdb: how much it may keep in memory, "2GB"; empty: 80 % of the machine's
	Line   int    // of twice.yml
}

// projectFile is twice.yml.
type projectFile struct {
	Project       string                `json:"project" jsonschema:"required"`
	DefaultTarget string                `json:"default_target,omitempty"`
	Targets       map[string]targetFile `json:"targets" jsonschema:"required"`
	Captures      string                `json:"captures,omitempty"`
}

type targetFile struct {
	Engine string `json:"engine" jsonschema:"required,enum=duckdb,enum=postgres"`
	Path   string `json:"path,omitempty"`
	URL    string `json:"url,omitempty"`
	Schema string `json:"schema,omitempty"`
	Memory string `json:"memory,omitempty"`
}

// readFile reads twice.yml into p.
func (p *Project) readFile(text string) twice.Errors {
	d := &decoder{file: FileName} // variables are looked up when a target is used
	var f projectFile
	d.read(text, &f)
	p.Name, p.DefaultTarget, p.captures = f.Project, f.DefaultTarget, f.Captures
	for _, name := range slices.Sorted(maps.Keys(f.Targets)) {
		t := f.Targets[name]
		path := "targets." + name
		p.Targets[name] = Target{name, t.Engine, t.Path, t.URL, t.Schema, t.Memory, d.line(path)}
		switch t.Engine {
		case "duckdb":
			d.only(path, "duckdb", "path", "url")
			if t.Memory != "" && !memory.MatchString(t.Memory) {
				d.errorf(join(path, "memory"), "unknown-value", "expected a size like 2GB, found %q", t.Memory).WithNext("write 512MB, or 2GB")
			}
		case "postgres":
			d.only(path, "postgres", "url", "path", "memory")
		}
	}
	p.chooseDefault(d)
	return d.errs
}

var memory = regexp.MustCompile(`^[1-9][0-9]* ?(MB|GB)$`)

// only asks for one key of a target and refuses others.
func (d *decoder) only(path, engine, needed string, foreign ...string) {
	if !d.has(join(path, needed)) {
		d.errorf(path, "missing-key", "a %s target needs the key %q", engine, needed).WithNext("add %s: …", needed)
	}
	for _, key := range foreign {
		if at := join(path, key); d.has(at) {
			d.errorf(at, "contradiction", "a %s target has no %s", engine, key).WithNext("delete it, or change engine:")
		}
	}
}

func (p *Project) chooseDefault(d *decoder) {
	names := slices.Sorted(maps.Keys(p.Targets))
	_, known := p.Targets[p.DefaultTarget]
	switch {
	case len(names) == 0:
		if d.has("targets") && len(d.errs) == 0 {
			d.errorf("targets", "missing-key", "there is no target").
				WithNext("add one: dev: {engine: duckdb, path: warehouse.duckdb}")
		}
	case known || d.has("default_target") && p.DefaultTarget == "" && len(d.errs) > 0:
	case d.has("default_target"):
		d.errorf("default_target", "unknown-target", "there is no target %q%s", p.DefaultTarget,
			didYouMean(p.DefaultTarget, names)).WithNext("write %s", listing(names))
	case len(names) == 1:
		p.DefaultTarget = names[0]
	default:
		d.errorf("", "missing-key", "there are several targets and no default_target").
			WithNext("add a line: default_target: %s", names[0])
	}
}

// Target is a target by name, or the default one for "", with its variables looked up and its path absolute. A variable
// that is not set is an error here and not in Load, so that one target's password is not needed to use another.
func (p *Project) Target(name string) (Target, error) {
	if name == "" {
		name = p.DefaultTarget
	}
	t, ok := p.Targets[name]
	if !ok {
		names := slices.Sorted(maps.Keys(p.Targets))
		return Target{}, twice.Errorf("unknown-target", "there is no target %q%s", name, didYouMean(name, names)).
			At(FileName, 0).WithNext("use --target with %s", listing(names)).WithExit(twice.ExitProject)
	}
	var errs twice.Errors
	for _, text := range []*string{&t.Path, &t.URL, &t.Schema} {
		expanded, missing := expand(*text, p.env)
		*text = expanded
		for _, variable := range missing {
			errs = append(errs, twice.Errorf("missing-variable",
				"targets.%s: the environment variable %s is not set", name, variable).
				At(FileName, t.Line).WithNext("set it: export %s=…; or use another --target", variable))
		}
	}
	if t.Engine == "duckdb" && len(errs) == 0 {
		if strings.TrimSpace(t.Path) == "" {
			errs = append(errs, twice.Errorf("unknown-value", "targets.%s.path: the path is empty", name).
				At(FileName, t.Line).WithNext("write a file's name, such as warehouse.duckdb"))
		}
		if !filepath.IsAbs(t.Path) {
			t.Path = filepath.Join(p.Dir, t.Path)
		}
	}
	return t, errs.Err()
}

// Captures is where captures are kept, with its variables looked up: an absolute folder, or s3://bucket/prefix.
func (p *Project) Captures() (string, error) {
	where, missing := expand(p.captures, p.env)
	switch {
	case len(missing) > 0:
		return "", twice.Errorf("missing-variable", "captures: the environment variable %s is not set", missing[0]).
			At(FileName, 0).WithNext("set it: export %s=…", missing[0]).WithExit(twice.ExitProject)
	case where == "":
		return filepath.Join(p.Dir, ".twice", "captures"), nil
	case strings.Contains(where, "://") || filepath.IsAbs(where):
		return where, nil
	default:
		return filepath.Join(p.Dir, where), nil
	}
}
