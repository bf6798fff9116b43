package scaffold

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/project"
)

// golden is the digest of each template's whole tree. A demo that changes by accident, or differs between machines,
// changes what its users and the README's transcript see.
var golden = map[string]string{
	"demo":   "455ec0927e24b2e8",
	"stream": "ccbec1e6d76190b5",
	"empty":  "454fe1afa38715ca",
}

func TestTemplatesAreTheSameBytesEverywhere(t *testing.T) {
	for _, template := range Templates {
		t.Run(template, func(t *testing.T) {
			first, second := write(t, template), write(t, template)
			if a, b := digest(t, first), digest(t, second); a != b {
				t.Fatalf("two projects of one template differ: %s and %s", a, b)
			}
			if got := digest(t, first); got != golden[template] {
				t.Errorf("the template's tree has the digest %s, golden is %s", got, golden[template])
			}
		})
	}
}

func TestTemplatesLoad(t *testing.T) {
	for template, want := range map[string]map[string]twice.Write{
		"demo": {
			"staging.order_events": twice.Overwrite, "orders": twice.Merge,
			"mart.daily_revenue": twice.Overwrite, "mart.customers": twice.Publish,
		},
		"stream": {"events": twice.Merge, "hourly": twice.Overwrite},
		"empty":  {},
	} {
		p, err := project.Load(write(t, template), os.LookupEnv)
		if err != nil {
			t.Fatalf("%s: %v", template, err)
		}
		got := map[string]twice.Write{}
		for _, pipeline := range p.Pipelines {
			got[pipeline.Name] = pipeline.Write
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s has the pipelines %v, want %v", template, got, want)
		}
	}
}

func TestTheExampleOfTheEmptyProjectIsAPipeline(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(write(t, "empty"), "pipelines", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```sql\n")
	example, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("the README has no example")
	}
	if _, problems := project.Parse("pipelines/daily.sql", example, os.LookupEnv); problems != nil {
		t.Error(problems)
	}
}

func TestWriteReturnsExactlyWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	paths, err := Write(dir, "demo")
	if err != nil {
		t.Fatal(err)
	}
	if got := tree(t, dir); !slices.Equal(paths, got) {
		t.Errorf("returned %v, wrote %v", paths, got)
	}
	for _, want := range []string{"twice.yml", ".gitignore", "pipelines/orders.sql", "landing/orders-2026-03-01.csv"} {
		if !slices.Contains(paths, want) {
			t.Errorf("%s is missing", want)
		}
	}
}

func TestWriteOverwritesNothing(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "pipelines", "orders.sql")
	if err := os.MkdirAll(filepath.Dir(mine), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(mine, []byte("select 1"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}

	paths, err := Write(dir, "demo")
	if paths != nil {
		t.Errorf("returned %d paths next to an error", len(paths))
	}
	wantError(t, err, "file-exists", "holds pipelines/orders.sql; nothing was written")
	if got, _ := os.ReadFile(mine); string(got) != "select 1" {
		t.Errorf("the file now holds %q", got)
	}
	if got := tree(t, dir); !slices.Equal(got, []string{"notes.txt", "pipelines/orders.sql"}) {
		t.Errorf("something was written all the same: %v", got)
	}
}

func TestWriteKeepsOutOfADanglingLink(t *testing.T) {
	dir := t.TempDir()
	elsewhere := filepath.Join(t.TempDir(), "elsewhere.yml")
	if err := os.Symlink(elsewhere, filepath.Join(dir, "twice.yml")); err != nil {
		t.Skip(err)
	}
	_, err := Write(dir, "empty")
	wantError(t, err, "file-exists", "twice.yml")
	if _, err := os.Stat(elsewhere); err == nil {
		t.Error("wrote through the link")
	}
}

func TestWriteSharesAFolderWithOtherFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Write(dir, "empty"); err != nil {
		t.Error(err)
	}
}

func TestWriteRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Write(t.TempDir(), "dmeo")
	wantError(t, err, "unknown-template", `"dmeo"`, "demo, stream or empty")
	_, err = Write(file, "empty")
	wantError(t, err, "init-failed", file)
}

// wantError checks the code, that the project is to blame, and what a person gets to read.
func wantError(t *testing.T, err error, code string, says ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", code)
	}
	e := twice.AsError(err)
	if e.Code != code || twice.ExitCode(err) != twice.ExitProject {
		t.Fatalf("got %s with exit code %d (%v), want %s with %d", e.Code, twice.ExitCode(err), err, code, twice.ExitProject)
	}
	for _, want := range says {
		if !strings.Contains(e.Message+"\n"+e.Next, want) {
			t.Errorf("the error should say %q: %s; %s", want, e.Message, e.Next)
		}
	}
}

func write(t *testing.T, template string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "new", "project")
	if _, err := Write(dir, template); err != nil {
		t.Fatal(err)
	}
	return dir
}

// tree lists the files under dir, sorted.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		paths = append(paths, filepath.ToSlash(rel))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(paths)
	return paths
}

// digest is a hash over the names and the bytes of the files under dir.
func digest(t *testing.T, dir string) string {
	t.Helper()
	var all bytes.Buffer
	for _, path := range tree(t, dir) {
		content, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "%s %x\n", path, sha256.Sum256(content))
	}
	sum := sha256.Sum256(all.Bytes())
	return hex.EncodeToString(sum[:8])
}
