package run

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twice-data/twice"
	"github.com/twice-data/twice/manifest"
)

// Three windows have a file and a fourth has none. No file is read to its end before another one is begun.
func TestFindReadsSeveralFilesAtATime(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	dir := t.TempDir()
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for day := range 3 {
		path := filepath.Join(dir, begin.AddDate(0, 0, day).Format(time.DateOnly)+".csv")
		if err := os.WriteFile(path, []byte("id\n1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, begin, begin); err != nil {
			t.Fatal(err)
		}
	}
	var readers atomic.Int64
	both := make(chan struct{})
	r := &Runner{Dir: dir, Reading: func(int) {
		if readers.Add(1) == 2 {
			close(both)
		}
		<-both
	}}
	r.files = map[string]*manifest.Files{}
	r.Now = begin.AddDate(0, 0, 4)
	p := &twice.Pipeline{
		Name: "t", Calendar: twice.Calendar{Grain: twice.Day, Begin: begin},
		Inputs: []twice.Input{{Name: "feed", Files: &twice.FilesInput{Path: "{start:%Y-%m-%d}.csv"}}},
	}
	pl := r.newPlanner(nil, &Plan{})
	if err := <-pl.find(context.Background(), []*twice.Pipeline{p}); err != nil {
		t.Fatal(err)
	}
	steps := pl.found["t"]
	if len(steps) != 4 {
		t.Fatalf("%d steps, want 4", len(steps))
	}
	for i := range steps[:3] {
		if st := &steps[i]; st.Err != nil || len(st.Manifest.Inputs) != 1 || len(st.Manifest.Inputs[0].Files) != 1 {
			t.Errorf("window %s: %+v, %v", st.Window, st.Manifest, st.Err)
		}
	}
	if st := &steps[3]; st.Err == nil || st.Err.Code != "input-waiting" || st.Manifest.Inputs != nil {
		t.Errorf("the window without a file: %+v, %v", st.Manifest, st.Err)
	}
}
