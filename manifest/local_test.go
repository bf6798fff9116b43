package manifest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/twice-data/twice"
)

func capture(t testing.TB, s Store, content string) twice.File {
	t.Helper()
	file, err := s.Put(context.Background(), strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func reread(s Store, sha string) (string, error) {
	in, err := s.Open(context.Background(), sha)
	if err != nil {
		return "", err
	}
	defer in.Close()
	b, err := io.ReadAll(in)
	return string(b), err
}

// entries lists every file below dir.
func entries(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestLocalKeepsCaptures(t *testing.T) {
	ctx := context.Background()
	l := Local{Dir: filepath.Join(t.TempDir(), "captures")}
	if files, err := l.List(ctx); err != nil || len(files) != 0 {
		t.Fatalf("a store that is not there yet: %v, %v", files, err)
	}
	contents := []string{"id\n", "", strings.Repeat("a long one\n", 100_000)}
	for _, content := range contents {
		file := capture(t, l, content)
		if file.Size != int64(len(content)) || capture(t, l, content) != file {
			t.Errorf("%+v", file)
		}
		if got, err := reread(l, file.SHA256); err != nil || got != content {
			t.Errorf("%d bytes came back as %d, %v", len(content), len(got), err)
		}
	}
	if got := capture(t, l, "id\n").SHA256; got != "984a644ec3b56d32b0404777e1eb73390c4b0742a6a0e183f07861056b6746de" {
		t.Error(got)
	}
	files, err := l.List(ctx)
	if err != nil || len(files) != len(contents) || len(entries(t, l.Dir)) != len(contents) {
		t.Fatalf("%v, %v, %v", files, err, entries(t, l.Dir))
	}
	for i, file := range files {
		if i > 0 && files[i-1].SHA256 >= file.SHA256 || file.ModAt.IsZero() {
			t.Errorf("%+v", files)
		}
		for range 2 {
			if err := l.Delete(ctx, file.SHA256); err != nil {
				t.Error(err)
			}
		}
		_, err := reread(l, file.SHA256)
		wantCode(t, err, "capture-missing")
	}
	for _, name := range []string{"", "ab", "../../../etc/passwd", strings.Repeat("A", 64)} {
		_, err := l.Open(ctx, name)
		wantCode(t, err, "capture-missing")
		if err := l.Delete(ctx, name); err != nil {
			t.Error(err)
		}
	}
}

func TestLocalFindsDamageAndMendsIt(t *testing.T) {
	l := Local{Dir: t.TempDir()}
	content := strings.Repeat("some bytes\n", 50_000)
	file := capture(t, l, content)
	for name, damaged := range map[string]string{
		"cut":     content[:len(content)-1],
		"longer":  content + "x",
		"flipped": "S" + content[1:],
		"emptied": "",
	} {
		if err := os.WriteFile(l.path(file.SHA256), []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := reread(l, file.SHA256)
		if e := twice.AsError(err); err == nil || e.Code != "capture-damaged" || e.Next == "" {
			t.Errorf("%s: %v", name, err)
		}
		capture(t, l, content)
		if got, err := reread(l, file.SHA256); err != nil || got != content {
			t.Errorf("%s: not mended: %v", name, err)
		}
	}
}

func TestLocalKeepsNothingOfAFailure(t *testing.T) {
	l := Local{Dir: t.TempDir()}
	broken := errors.New("the source broke off")
	_, err := l.Put(context.Background(), io.MultiReader(strings.NewReader("half"), &failing{broken}))
	if !errors.Is(err, broken) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.Put(ctx, strings.NewReader("all")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if left := entries(t, l.Dir); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	file := put(t, t.TempDir(), "file", "x")
	_, err = Local{Dir: file}.Put(context.Background(), strings.NewReader("all"))
	wantCode(t, err, "capture-store")
	full := Local{Dir: "/captures"}.failed(&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC})
	wantCode(t, full, "disk-full")
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

func TestLocalTogether(t *testing.T) {
	l := Local{Dir: t.TempDir()}
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			content := fmt.Sprint("content ", i%8)
			file, err := l.Put(context.Background(), strings.NewReader(content))
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := reread(l, file.SHA256); err != nil || got != content {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	all.Wait()
	if n := len(entries(t, l.Dir)); n != 8 {
		t.Errorf("%d files; want 8", n)
	}
}

// A process that is killed in Put leaves a temporary file, which the next Put removes; that of a process that lives stays.
func TestLocalSweepsWhatAKilledProcessLeft(t *testing.T) {
	if dir := os.Getenv("TWICE_TEST_PUT"); dir != "" {
		_, err := Local{Dir: dir}.Put(context.Background(), io.MultiReader(strings.NewReader("half"), announce{}))
		t.Fatal("Put came back: ", err)
	}
	l := Local{Dir: t.TempDir()}
	child := exec.Command(os.Args[0], "-test.run=^TestLocalSweepsWhatAKilledProcessLeft$")
	child.Env = append(os.Environ(), "TWICE_TEST_PUT="+l.Dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	capture(t, l, "id\n")
	if n := len(entries(t, l.Dir)); n != 2 {
		t.Errorf("%d files while the other process lives; want its own and the capture", n)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	if n := len(entries(t, l.Dir)); n != 2 {
		t.Fatalf("%d files; the killed process should have left one", n)
	}
	capture(t, l, "id\n")
	if left := entries(t, l.Dir); len(left) != 1 {
		t.Errorf("left over: %v", left)
	}
}

// announce says that what came before it has been read, and then gives nothing for as long as the parent lives.
type announce struct{}

func (announce) Read(p []byte) (int, error) {
	fmt.Println("put")
	return os.Stdin.Read(p)
}
