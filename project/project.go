package project

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/twice-data/twice"
)

// FileName is the project's file; the folder that holds it is the project's folder.
const FileName = "twice.yml"

// Env looks up a variable of the environment, as os.LookupEnv does.
type Env = func(name string) (value string, ok bool)

// Project is a project's folder, read and validated.
type Project struct {
	Dir           string // absolute
	Name          string
	DefaultTarget string
	Targets       map[string]Target // as written; Project.Target gives one that can be opened
	Pipelines     []*twice.Pipeline // sorted by name

	captures string // as written
	env      Env
}

// Load reads the project in dir. The error, if any, is a twice.Errors with every problem of every file.
func Load(dir string, env Env) (*Project, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	p := &Project{Dir: abs, Targets: map[string]Target{}, env: env}
	var errs twice.Errors
	text, problem := readText(abs, FileName)
	if problem != nil && errors.Is(problem.Err, fs.ErrNotExist) {
		return nil, twice.Errors{twice.Errorf("no-project", "there is no %s in %s", FileName, abs).
			WithNext("go to the project's folder, pass --project DIR, or start one with: twice init DIR").
			WithExit(twice.ExitProject)}
	}
	if problem != nil {
		errs = append(errs, problem)
	} else {
		errs = append(errs, p.readFile(text)...)
	}
	files, err := pipelineFiles(abs)
	if err != nil {
		return nil, twice.Errors{twice.Errorf("unreadable", "%w", err).WithExit(twice.ExitProject)}
	}
	for _, file := range files {
		text, problem := readText(abs, file)
		if problem != nil {
			errs = append(errs, problem)
			continue
		}
		pl, problems := Parse(file, text, env)
		errs = append(errs, problems...)
		p.Pipelines = append(p.Pipelines, pl)
	}
	slices.SortFunc(p.Pipelines, byName)
	errs = append(errs, p.conflicts()...)
	if len(errs) > 0 {
		sortErrors(errs)
		return nil, errs
	}
	return p, nil
}

// Pipeline finds a pipeline by name, or nil.
func (p *Project) Pipeline(name string) *twice.Pipeline {
	i, ok := slices.BinarySearchFunc(p.Pipelines, name, func(pl *twice.Pipeline, name string) int {
		return strings.Compare(pl.Name, name)
	})
	if !ok {
		return nil
	}
	return p.Pipelines[i]
}

func byName(a, b *twice.Pipeline) int { return strings.Compare(a.Name, b.Name) }

// pipelineFiles lists pipelines/**/*.sql relative to dir, with slashes, without hidden files and folders.
func pipelineFiles(dir string) ([]string, error) {
	var files []string
	err := fs.WalkDir(os.DirFS(dir), "pipelines", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // a project without pipelines yet
		case err != nil:
			return err
		case strings.HasPrefix(entry.Name(), ".") && entry.IsDir():
			return fs.SkipDir
		case !entry.IsDir() && strings.HasSuffix(path, ".sql") && !strings.HasPrefix(entry.Name(), "."):
			files = append(files, path)
		}
		return nil
	})
	return files, err
}

// readText reads a file with lines that end in \n alone, so that a checkout's line endings change nothing.
func readText(dir, file string) (string, *twice.Error) {
	b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(file)))
	if err != nil {
		e := twice.Errorf("unreadable", "cannot read the file: %w", err).At(file, 0)
		return "", e.WithNext("make %s readable", file)
	}
	if !utf8.Valid(b) {
		return "", twice.Errorf("not-utf8", "the file is not UTF-8 text").At(file, 0).WithNext("save it as UTF-8")
	}
	text := strings.TrimPrefix(string(b), "\uFEFF")
	return strings.ReplaceAll(text, "\r\n", "\n"), nil
}

// sortErrors puts twice.yml first, then file by file and line by line.
func sortErrors(errs twice.Errors) {
	slices.SortStableFunc(errs, func(a, b *twice.Error) int {
		if (a.File == FileName) != (b.File == FileName) {
			if a.File == FileName {
				return -1
			}
			return 1
		}
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
}

// conflicts finds what is only wrong between pipelines.
func (p *Project) conflicts() twice.Errors {
	var errs twice.Errors
	owners := p.owners()
	for _, pl := range p.Pipelines {
		if owner := owners[tableKey(pl.Table)]; owner != pl && pl.To == nil {
			e := twice.Errorf("table-taken", "%s and %s both fill the table %s", owner.Name, pl.Name, pl.Table)
			errs = append(errs, e.At(pl.File, 1).
				WithNext("give one of them another table: in its header, or delete one file"))
		}
		for _, in := range pl.Inputs {
			errs = append(errs, inputConflicts(pl, in, owners)...)
		}
	}
	return errs
}

func inputConflicts(pl *twice.Pipeline, in twice.Input, owners map[string]*twice.Pipeline) twice.Errors {
	var errs twice.Errors
	if owner := owners[tableKey(twice.Table{Name: in.Name})]; owner != nil && owner != pl {
		errs = append(errs, twice.Errorf("input-hides-table", "the input %s has the name of the table that %s fills",
			in.Name, owner.Name).At(pl.File, in.Line).
			WithNext("rename the input; to read the pipeline, name its table in the SQL, without an entry here"))
	}
	if owner := owners[tableKey(ParseTable(in.Table))]; in.Table != "" && owner != nil {
		errs = append(errs, twice.Errorf("input-is-pipeline", "the input %s is the table %s, which %s fills",
			in.Name, in.Table, owner.Name).At(pl.File, in.Line).
			WithNext("delete the entry and read %s in the SQL", owner.Table))
	}
	return errs
}

// owners maps a table's key to the first pipeline, by name, that fills it.
func (p *Project) owners() map[string]*twice.Pipeline {
	owners := make(map[string]*twice.Pipeline, len(p.Pipelines))
	for _, pl := range p.Pipelines {
		if pl.To != nil {
			continue // it fills a topic
		}
		if _, taken := owners[tableKey(pl.Table)]; !taken {
			owners[tableKey(pl.Table)] = pl
		}
	}
	return owners
}

// ParseTable reads "name" or "schema.name".
func ParseTable(text string) twice.Table {
	if schema, name, ok := strings.Cut(text, "."); ok {
		return twice.Table{Schema: schema, Name: name}
	}
	return twice.Table{Name: text}
}

// tableKey is equal for two names of one table: case does not count, and "main" (DuckDB) and "public" (PostgreSQL) are
// the default schema.
func tableKey(t twice.Table) string {
	schema := strings.ToLower(t.Schema)
	if schema == "main" || schema == "public" {
		schema = ""
	}
	return schema + "." + strings.ToLower(t.Name)
}
