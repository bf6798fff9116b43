package manifest

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twice-data/twice"
)

// days are three windows with a file each, which are old enough for their hashes to be kept.
func days(t *testing.T) (dir string, in *twice.Input, windows []twice.Window) {
	dir = t.TempDir()
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for i := range 3 {
		w := twice.Window{Start: start.AddDate(0, 0, i), End: start.AddDate(0, 0, i+1)}
		name := w.Start.Format("2006-01-02") + ".csv"
		put(t, dir, name, "id\n1\n")
		windows = append(windows, w)
	}
	return dir, input("{start:%Y-%m-%d}.csv"), windows
}

func TestWarmReadsOnceAndSeveralAtATime(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	dir, in, windows := days(t)
	var bytes, readers atomic.Int64
	both := make(chan struct{})
	f := &Files{Dir: dir, Read: func(n int) {
		bytes.Add(int64(n))
		if readers.Add(1) == 2 {
			close(both)
		}
		<-both // no file is read to its end before another one is begun
	}}
	f.Warm(context.Background(), in, append(windows, twice.Window{Start: windows[2].End, End: windows[2].End.AddDate(0, 0, 1)}))
	if bytes.Load() != 15 {
		t.Errorf("%d bytes were read, want those of three files, 15", bytes.Load())
	}
	for i := range windows {
		pin, err := f.Resolve(context.Background(), in, windows[i:i+1])
		if err != nil || len(pin.Files) != 1 || len(pin.Files[0].SHA256) != 64 {
			t.Errorf("window %s: %+v, %v", windows[i], pin, err)
		}
	}
	if bytes.Load() != 15 {
		t.Errorf("after Resolve %d bytes were read: the hashes were not kept", bytes.Load())
	}
}

func TestWarmLeavesAlone(t *testing.T) {
	dir, in, windows := days(t)
	read := 0
	f := &Files{Dir: dir, Read: func(n int) { read += n }}
	f.Known = func(path string) (twice.File, bool) {
		return twice.File{Size: 5, ModAt: old, SHA256: "known"}, path == "2026-03-01.csv"
	}
	touch(t, filepath.Join(dir, "2026-03-02.csv"), time.Now()) // so young that its hash would not be kept
	if err := os.Remove(filepath.Join(dir, "2026-03-03.csv")); err != nil {
		t.Fatal(err)
	}
	f.Warm(context.Background(), in, windows)
	if read != 0 {
		t.Errorf("%d bytes of files were read that are known, too young, or not there", read)
	}
}
