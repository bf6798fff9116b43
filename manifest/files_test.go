package manifest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"pgregory.net/rapid"

	"github.com/twice-data/twice"
)

// old is a modification time that is long past.
var old = time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.UTC)

func put(t testing.TB, dir, name, content string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	touch(t, file, old)
	return file
}

func touch(t testing.TB, file string, at time.Time) {
	t.Helper()
	if err := os.Chtimes(file, at, at); err != nil {
		t.Fatal(err)
	}
}

func input(path string) *twice.Input {
	return &twice.Input{Name: "reports", Line: 7, Files: &twice.FilesInput{Path: path}}
}

func resolve(dir, path string, windows ...twice.Window) (twice.Pin, error) {
	if len(windows) == 0 {
		windows = []twice.Window{{}}
	}
	f := &Files{Dir: dir, Source: "pipelines/daily.sql"}
	return f.Resolve(context.Background(), input(path), windows)
}

func paths(pin twice.Pin) string {
	var names []string
	for _, f := range pin.Files {
		names = append(names, f.Path)
	}
	return strings.Join(names, " ")
}

func TestResolveFindsFiles(t *testing.T) {
	dir := t.TempDir()
	outside := t.TempDir()
	for _, name := range []string{
		"in/2020-03-01.csv", "in/2020-03-01-b.csv", "in/2020-03-02.csv", "in/.2020-03-03.csv", "in/.2020-03-01.csv.part", "in/deep/er/x.csv",
		"in/deep/y.csv", "in/deep/.hidden/z.csv", "in/{a,b}.csv", "in/folder.csv/inner.csv", "in/a[1].csv", "in/a1.csv",
	} {
		put(t, dir, name, "id\n"+name)
	}
	away := put(t, outside, "away.csv", "id\n")
	sibling := put(t, filepath.Dir(dir), filepath.Base(outside)+"/sibling.csv", "id\n")
	if err := os.Symlink(filepath.Join(dir, "in"), filepath.Join(dir, "in/deep/loop")); err != nil {
		t.Fatal(err)
	}
	both := []twice.Window{day("2020-03-01"), day("2020-03-02")}
	relative, err := filepath.Rel(dir, sibling)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path    string
		windows []twice.Window
		want    string
	}{
		{"in/{start:%Y-%m-%d}.csv", both[:1], "in/2020-03-01.csv"},
		{"./in//{start:%Y-%m-%d}.csv", both, "in/2020-03-01.csv in/2020-03-02.csv"},
		{"in/{start:%Y-%m-%d}*.csv", both[:1], "in/2020-03-01-b.csv in/2020-03-01.csv"},
		{"in/{start:%Y-%m-%d}?b.csv", both[:1], "in/2020-03-01-b.csv"},
		{"in/{end:%Y-%m}-0[12].csv", both, "in/2020-03-01.csv in/2020-03-02.csv"},
		{"in/2020-03-01.csv", both, "in/2020-03-01.csv"},
		{"in/**/*.csv", nil, "in/2020-03-01-b.csv in/2020-03-01.csv in/2020-03-02.csv in/a1.csv in/a[1].csv in/deep/er/x.csv " +
			"in/deep/y.csv in/folder.csv/inner.csv in/{a,b}.csv"},
		{"in/deep/**", nil, "in/deep/er/x.csv in/deep/y.csv"},
		{"in/d*/y.csv", nil, "in/deep/y.csv"},
		{"in/.*", nil, "in/.2020-03-01.csv.part in/.2020-03-03.csv"},
		{"in/{a,b}.csv", nil, "in/{a,b}.csv"},
		{"in/{a,*.csv", nil, "in/{a,b}.csv"},
		{`in/a\[1].csv`, nil, "in/a[1].csv"},
		{"in/a[1].csv", nil, "in/a1.csv"},
		{dir + "/in/a1.csv", nil, "in/a1.csv"},
		{dir + "/in/*1.csv", nil, "in/2020-03-01.csv in/a1.csv"},
		{away, nil, away},
		{filepath.Dir(away) + "/*y.csv", nil, away},
		{relative, nil, filepath.ToSlash(relative)},
	} {
		pin, err := resolve(dir, c.path, c.windows...)
		if err != nil || paths(pin) != c.want {
			t.Errorf("%s: %s, %v; want %s", c.path, paths(pin), err, c.want)
		}
	}
}

func TestResolvePins(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.csv", "id\n")
	pin, err := resolve(dir, "a.csv")
	if err != nil {
		t.Fatal(err)
	}
	want := twice.File{
		Path: "a.csv", Size: 3, ModAt: old, SHA256: "984a644ec3b56d32b0404777e1eb73390c4b0742a6a0e183f07861056b6746de",
	}
	if pin.Name != "reports" || pin.Kind != "files" || pin.Files[0] != want {
		t.Errorf("%+v", pin)
	}
}

func TestResolveWaits(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "in/03-01-2020.csv", "id\n")
	put(t, dir, "in/03-03-2020.csv", "id\n")
	for path, want := range map[string]string{
		"in/{start:%m-%d-%Y}.csv":  "in/03-02-2020.csv is not there yet (nearest: 03-01-2020.csv, 03-03-2020.csv)",
		"in/{start:%m-%d-%Y}*.csv": "in/03-02-2020*.csv is not there yet (nearest: 03-01-2020.csv, 03-03-2020.csv)",
		"no/{start:%m-%d-%Y}.csv":  "no/03-02-2020.csv is not there yet (there is no folder no)",
	} {
		_, err := resolve(dir, path, day("2020-03-02"))
		e := wantCode(t, err, "input-waiting")
		if !IsWaiting(err) || e.Message != want || e.Place() != "pipelines/daily.sql:7" {
			t.Errorf("%s: %v", path, err)
		}
	}
	days := []twice.Window{day("2020-03-01"), day("2020-03-02"), day("2020-03-04")}
	_, err := resolve(dir, "in/{start:%m-%d-%Y}.csv", days...)
	if e := wantCode(t, err, "input-waiting"); !strings.HasPrefix(e.Message, "in/03-02-2020.csv, in/03-04-2020.csv are not there") {
		t.Error(err)
	}
	if IsWaiting(fmt.Errorf("no")) || IsWaiting(nil) {
		t.Error("other errors are not waiting")
	}
}

func TestResolveRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "folder/a.csv", "id\n")
	for link, target := range map[string]string{"loop": "loop", "dangling.csv": "gone.csv"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for path, code := range map[string]string{
		"folder": "not-a-file", "loop": "input-unreadable", "dangling.csv": "input-unreadable", "d*.csv": "input-unreadable",
		"/dev/null": "not-a-file", "folder/a.csv/b.csv": "input-unreadable",
	} {
		_, err := resolve(dir, path)
		if e := twice.AsError(err); err == nil || e.Code != code || e.Place() != "pipelines/daily.sql:7" {
			t.Errorf("%s: %v", path, err)
		}
	}
	if os.Getuid() == 0 {
		t.Skip("root may read everything")
	}
	if err := os.Chmod(filepath.Join(dir, "folder/a.csv"), 0); err != nil {
		t.Fatal(err)
	}
	_, err := resolve(dir, "folder/a.csv")
	wantCode(t, err, "input-unreadable")
}

func TestResolveReusesHashes(t *testing.T) {
	dir := t.TempDir()
	file := put(t, dir, "a.csv", "id\n1\n")
	ctx := context.Background()
	pin := func(f *Files) twice.File {
		t.Helper()
		f.Dir = dir
		pin, err := f.Resolve(ctx, input("a.csv"), []twice.Window{{}})
		if err != nil {
			t.Fatal(err)
		}
		return pin.Files[0]
	}
	first := pin(&Files{})
	recorded := first
	recorded.SHA256 = "recorded"
	known := func(string) (twice.File, bool) { return recorded, true }
	if got := pin(&Files{Known: known}); got.SHA256 != "recorded" {
		t.Error("the recorded hash was not reused")
	}
	if got := pin(&Files{Known: known, Rehash: true}); got != first {
		t.Error("the recorded hash was reused in spite of Rehash")
	}
	touch(t, file, old.Add(time.Nanosecond))
	if got := pin(&Files{Known: known}); got.SHA256 != first.SHA256 {
		t.Error("the recorded hash was reused for another modification time")
	}
	touch(t, file, old)
	recorded.Size++
	if got := pin(&Files{Known: known}); got.SHA256 != first.SHA256 {
		t.Error("the recorded hash was reused for another size")
	}
	// Written to again within the same tick of the file system's clock.
	young := pin(&Files{Now: func() time.Time { return old.Add(time.Second) }})
	if !young.ModAt.IsZero() {
		t.Error("a file that is a second old can be written to without a trace")
	}
	recorded = young
	put(t, dir, "a.csv", "id\n2\n")
	if got := pin(&Files{Known: known}); got.SHA256 == young.SHA256 {
		t.Error("the hash of a young file was reused")
	}
}

func TestResolveReadsAFileOnceForAllWindows(t *testing.T) {
	dir := t.TempDir()
	file := put(t, dir, "a.csv", "id\n1\n")
	f := &Files{Dir: dir}
	first, err := f.Resolve(context.Background(), input("a.csv"), []twice.Window{day("2020-03-01")})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("id\n2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	touch(t, file, old)
	second, err := f.Resolve(context.Background(), input("a.csv"), []twice.Window{day("2020-03-02")})
	if err != nil || second.Files[0].SHA256 != first.Files[0].SHA256 {
		t.Errorf("read again: %v", err)
	}
}

// Two windows that are resolved at the same time and mean the same file: one reads it, the other waits for that.
func TestResolveReadsASharedFileOnce(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "in.csv", "id\n1\n")
	synctest.Test(t, func(t *testing.T) {
		var read atomic.Int64
		goOn := make(chan struct{})
		f := &Files{Dir: dir, Read: func(n int) { read.Add(int64(n)); <-goOn }}
		in := input("in.csv")
		var g errgroup.Group
		for range 2 {
			g.Go(func() error {
				pin, err := f.Resolve(context.Background(), in, []twice.Window{{}})
				if err == nil && len(pin.Files[0].SHA256) != 64 {
					err = fmt.Errorf("resolved to %+v", pin)
				}
				return err
			})
		}
		synctest.Wait() // until both wait
		close(goOn)
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if read.Load() != 5 {
			t.Errorf("%d bytes were read, want 5", read.Load())
		}
	})
}

func TestDigestDoesNotDependOnTheOrderOfCreation(t *testing.T) {
	names := []string{"b.csv", "a.csv", "sub/c.csv", "sub/deep/d.csv", "Z.csv", "ä.csv"}
	build := func(order []string) string {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range order {
			put(t, dir, name, "id\n"+name)
		}
		pin, err := resolve(dir, "**/*.csv")
		if err != nil || len(pin.Files) != len(names) {
			t.Fatalf("%s, %v", paths(pin), err)
		}
		return twice.Manifest{Inputs: []twice.Pin{pin}}.Digest()
	}
	want := build(slices.Sorted(slices.Values(names)))
	rapid.Check(t, func(r *rapid.T) {
		if got := build(rapid.Permutation(names).Draw(r, "order")); got != want {
			r.Fatalf("digest %s; want %s", got, want)
		}
	})
}
