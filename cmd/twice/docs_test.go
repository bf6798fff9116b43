package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the repository, as the tests of this package see it.
const root = "../.."

func page(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestReadmeTranscript plays the commands of the README's console block and holds what they print against it, times
// aside. With -update it writes the block anew.
func TestReadmeTranscript(t *testing.T) {
	readme := page(t, "README.md")
	block := regexp.MustCompile("(?s)```console\n(.*?)```")
	told := block.FindStringSubmatch(readme)
	if told == nil {
		t.Fatal("README.md has no console block")
	}
	played := play(t, told[1])
	if *update {
		readme = strings.Replace(readme, told[1], played, 1)
		if err := os.WriteFile(filepath.Join(root, "README.md"), []byte(readme), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if timeless(played) != timeless(told[1]) {
		t.Errorf("the README's transcript is not what happens; -update writes it anew.\nREADME:\n%s\nplayed:\n%s", told[1], played)
	}
}

// timeless leaves fingerprints alone: the demo's are the same everywhere.
func timeless(text string) string {
	return regexp.MustCompile(`\b\d+(\.\d+)?(ms|µs|s)\b`).ReplaceAllString(text, "TIME")
}

// play runs the lines of a transcript that start with "$ " and answers with them and what they printed.
func play(t *testing.T, transcript string) string {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin, dir := t.TempDir(), t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "twice")); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.SplitSeq(transcript, "\n") {
		typed, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			continue
		}
		if out.Len() > 0 {
			out.WriteString("\n")
		}
		out.WriteString(line + "\n")
		if to, ok := strings.CutPrefix(typed, "cd "); ok {
			dir = filepath.Join(dir, to)
			continue
		}
		c := exec.CommandContext(t.Context(), "sh", "-c", "exec env "+typed)
		c.Dir = dir
		c.Env = append(os.Environ(), "TWICE_TEST_AS_PROGRAM=1", "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
		printed, err := c.CombinedOutput()
		out.Write(printed)
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == -1 {
			out.WriteString("Killed\n") // as a shell says it
		} else if err != nil {
			t.Fatalf("%s: %v\n%s", typed, err, printed)
		}
	}
	return out.String()
}

// TestDocsKeys holds that docs/pipelines.md and docs/checks.md speak of every key of the header and of twice.yml.
func TestDocsKeys(t *testing.T) {
	text := page(t, "docs/pipelines.md") + page(t, "docs/checks.md")
	for _, schema := range []string{"schema/header.schema.json", "schema/twice.schema.json"} {
		var s any
		if err := json.Unmarshal([]byte(page(t, schema)), &s); err != nil {
			t.Fatal(err)
		}
		for _, key := range keys(s) {
			if !regexp.MustCompile("`[^`\n]*\\b" + key + "\\b[^`\n]*`").MatchString(text) {
				t.Errorf("%s has the key %s, of which docs/pipelines.md and docs/checks.md say nothing", schema, key)
			}
		}
	}
}

// keys lists the names of all properties in a JSON Schema.
func keys(schema any) []string {
	var found []string
	switch s := schema.(type) {
	case map[string]any:
		for name, inner := range s {
			if properties, ok := inner.(map[string]any); ok && name == "properties" {
				for key := range properties {
					found = append(found, key)
				}
			}
			found = append(found, keys(inner)...)
		}
	case []any:
		for _, inner := range s {
			found = append(found, keys(inner)...)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// TestDocsLedger holds that docs/ledger.md speaks of every table and column that a run leaves in the schema twice, and
// that its examples run.
func TestDocsLedger(t *testing.T) {
	w := newWorld(t, map[string]string{"pipelines/t.sql": "/* @twice\nwrite: overwrite\n*/\nselect 1 as one\n"})
	w.must("run")
	target := filepath.Join(w.dir, "target.duckdb")
	text := page(t, "docs/ledger.md")

	var columns bytes.Buffer
	err := duck(&columns, target, "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'twice' ORDER BY ALL")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(columns.String()), "\n")
	if len(lines) < 20 {
		t.Fatalf("the ledger has only the columns %q", lines)
	}
	for _, line := range lines {
		table, column, _ := strings.Cut(line, " ")
		if !strings.Contains(text, "twice."+table) || !strings.Contains(text, "`"+column+"`") {
			t.Errorf("docs/ledger.md does not speak of twice.%s.%s", table, column)
		}
	}

	_, examples, _ := strings.Cut(text, "```sql\n")
	examples, _, _ = strings.Cut(examples, "```")
	n := 0
	for example := range strings.SplitSeq(examples, ";") {
		if strings.TrimSpace(example) == "" {
			continue
		}
		n++
		if err := duck(&columns, target, example); err != nil {
			t.Errorf("%s\n%v", example, err)
		}
	}
	if n == 0 {
		t.Error("docs/ledger.md has no examples")
	}
}

// TestDocsExamples holds that the pipelines and the checks that the pages show are right.
func TestDocsExamples(t *testing.T) {
	fenced := regexp.MustCompile("(?s)```(sql|yaml)\n(.*?)```")
	n := 0
	for _, path := range []string{"README.md", "docs/pipelines.md", "docs/checks.md"} {
		for _, m := range fenced.FindAllStringSubmatch(page(t, path), -1) {
			pipeline := m[2]
			if strings.HasPrefix(pipeline, "columns:") {
				pipeline = "/* @twice\nwrite: overwrite\n" + pipeline + "*/\nselect 1 as one\n"
			}
			if !strings.HasPrefix(pipeline, "/* @twice") {
				continue
			}
			n++
			if r := newWorld(t, map[string]string{"pipelines/mart/daily.sql": pipeline}).run("check"); r.code != 0 {
				t.Errorf("an example of %s is wrong:\n%s%s", path, r.stdout, r.stderr)
			}
		}
	}
	if n != 3 {
		t.Errorf("%d examples were found, want 3", n)
	}
}

// TestDocsLinks holds that what the pages link to is there.
func TestDocsLinks(t *testing.T) {
	pages := []string{"README.md", "CONTRIBUTING.md", "CHANGELOG.md"}
	err := fs.WalkDir(os.DirFS(root), "docs", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			pages = append(pages, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, path := range pages {
		for _, m := range link.FindAllStringSubmatch(page(t, path), -1) {
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", path, m[1])
			}
		}
	}
}
