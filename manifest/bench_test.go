package manifest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twice-data/twice"
)

func BenchmarkHash30MB(b *testing.B) {
	dir := b.TempDir()
	content := make([]byte, 30<<20)
	copy(content, "PAR1")
	copy(content[len(content)-8:], "\x50\x00\x00\x00PAR1")
	put(b, dir, "a.parquet", string(content))
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		if _, err := resolve(dir, "a.parquet"); err != nil {
			b.Fatal(err)
		}
	}
}

// Each iteration plans 100,000 windows of one known file each.
func BenchmarkResolveKnown(b *testing.B) {
	const n = 100_000
	dir := b.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "in"), 0o755); err != nil {
		b.Fatal(err)
	}
	start := time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC)
	var windows []twice.Window
	known := map[string]twice.File{}
	for i := range n {
		w := twice.Window{Start: start.Add(time.Duration(i) * time.Hour), End: start.Add(time.Duration(i+1) * time.Hour)}
		name := "in/" + w.Start.Format("2006-01-02T15") + ".csv"
		if err := os.WriteFile(filepath.Join(dir, name), []byte("id\n"), 0o644); err != nil {
			b.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			b.Fatal(err)
		}
		known[name] = twice.File{Path: name, Size: 3, SHA256: "x", ModAt: info.ModTime()}
		windows = append(windows, w)
	}
	for _, path := range []string{"in/{start:%Y-%m-%dT%H}.csv", "in/{start:%Y-%m-%dT%H}*.csv"} {
		b.Run(fmt.Sprintf("glob=%v", hasGlob(path)), func(b *testing.B) {
			in := input(path)
			for b.Loop() {
				f := &Files{Dir: dir, Known: func(path string) (twice.File, bool) { k, ok := known[path]; return k, ok }}
				for i := range windows {
					if _, err := f.Resolve(context.Background(), in, windows[i:i+1]); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func BenchmarkCheckUTF8(b *testing.B) {
	dir := b.TempDir()
	content := make([]byte, 60<<20)
	for i := range content {
		content[i] = "1234567,some name,12.50,Forlì\n"[i%31]
	}
	put(b, dir, "a.csv", string(content[:len(content)/31*31]))
	in := input("a.csv")
	pin, err := resolve(dir, "a.csv")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		if _, err := (&Files{Dir: dir}).Relation(context.Background(), in, pin, dir); err != nil {
			b.Fatal(err)
		}
	}
}
