package twice_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/twice-data/twice"

// mayImport says what of the project a package may import: "." is the root. What is not listed may import anything but
// the drivers and the command, which only the command sees.
var mayImport = map[string][]string{
	".":                    {},
	"engine":               {"."},
	"engine/duckdb":        {".", "engine"},
	"engine/postgres/wire": {},                               // a library: everybody may import it
	"engine/postgres":      {".", "engine", "engine/duckdb"}, // files reach PostgreSQL through the embedded DuckDB
	"scaffold":             {"."},
	"manifest":             {".", "engine"},
	"ledger":               {".", "engine"},
	"capture":              {".", "engine", "engine/duckdb", "engine/postgres", "manifest"}, // reads sources, writes Parquet
}

func TestImportsPointOneWay(t *testing.T) {
	imports, err := projectImports(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{".", "engine"} {
		if _, there := imports[want]; !there {
			t.Fatalf("package %q was not found: the test looks in the wrong place", want)
		}
	}
	for _, wrong := range violations(imports) {
		t.Error(wrong)
	}
}

func TestWrongImportsAreFound(t *testing.T) {
	for from, to := range map[string]string{
		".":             "engine",
		"engine":        "ledger",
		"engine/duckdb": "engine/postgres",
		"run":           "engine/duckdb",
		"server":        "cmd/twice",
	} {
		if len(violations(map[string][]string{from: {to}})) != 1 {
			t.Errorf("%s may import %s", from, to)
		}
	}
	fine := map[string][]string{"cmd/twice": {".", "engine/duckdb", "engine/postgres", "run"}, "run": {"engine", "ledger"}}
	if wrong := violations(fine); wrong != nil {
		t.Error(wrong)
	}
}

// violations names every import that points the wrong way.
func violations(imports map[string][]string) []string {
	var wrong []string
	for from, tos := range imports {
		for _, to := range tos {
			if !allowed(from, to) {
				wrong = append(wrong, fmt.Sprintf("package %s must not import %s", from, to))
			}
		}
	}
	slices.Sort(wrong)
	return wrong
}

func allowed(from, to string) bool {
	if list, listed := mayImport[from]; listed {
		return slices.Contains(list, to)
	}
	if strings.HasPrefix(from, "cmd/") {
		return true
	}
	driver := strings.HasPrefix(to, "engine/") && to != "engine/enginetest" && to != "engine/postgres/wire"
	return !driver && !strings.HasPrefix(to, "cmd/")
}

// projectImports reads, for each package under root, which packages of the project it imports. Tests do not count: they
// may open a real engine.
func projectImports(root string) (map[string][]string, error) {
	imports := map[string][]string{}
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && file != root && (strings.HasPrefix(name, ".") || name == "testdata") {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		from := path.Dir(filepath.ToSlash(file))
		imports[from] = append(imports[from], ownImports(parsed.Imports)...)
		return nil
	})
	for from, tos := range imports {
		slices.Sort(tos)
		imports[from] = slices.Compact(tos)
	}
	return imports, err
}

// ownImports picks the imports of the project, relative to its module.
func ownImports(specs []*ast.ImportSpec) []string {
	var own []string
	for _, spec := range specs {
		full, err := strconv.Unquote(spec.Path.Value)
		switch {
		case err != nil:
			continue
		case full == module:
			own = append(own, ".")
		case strings.HasPrefix(full, module+"/"):
			own = append(own, strings.TrimPrefix(full, module+"/"))
		}
	}
	return own
}
