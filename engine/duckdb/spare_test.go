package duckdb

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// torn is a database that was killed in the middle of a checkpoint: at every place of the files that have been copied
// before the checkpoint, and of the blocks that it wrote in place.
type torn struct {
	before map[string][]byte // the files before the checkpoint, by what their names end in
	after  []byte            // the database behind it
	places []extent          // of what it writes in place
}

// tear fills a table, through several checkpoints, and copies the files around the last one.
func tear(t *testing.T) torn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.duckdb")
	var c torn
	for round := range 4 {
		d := openTest(t, Options{Path: path})
		s := session(t, d)
		exec := func(query string) {
			if err := s.Tx(t.Context(), func() error { _, err := s.Exec(t.Context(), "test", query); return err }); err != nil {
				t.Fatal(err)
			}
		}
		exec("CREATE TABLE IF NOT EXISTS t (n BIGINT, s VARCHAR)")
		exec(fmt.Sprintf("INSERT INTO t SELECT i, 'row ' || i FROM range(%d, %d) r(i)", round*1000, round*1000+1000))
		if round == 3 {
			if err := d.protect(); err != nil {
				t.Fatal(err)
			}
			c.before = map[string][]byte{}
			for _, suffix := range []string{"", ".wal", spareSuffix} {
				c.before[suffix] = bytesOf(t, path+suffix)
			}
			var err error
			if c.places, err = d.written(t.Context()); err != nil || len(c.places) == 0 {
				t.Fatalf("no block of metadata has room: %v", err)
			}
		}
		s.Close()
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	c.after = bytesOf(t, path)
	if left, _ := filepath.Glob(path + "?*"); len(left) > 0 {
		t.Fatalf("left behind: %v", left)
	}
	return c
}

func bytesOf(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// lay writes the files of a kill that came when so many bytes of a block had been written, and gives the database's path.
func (c torn) lay(t *testing.T, p extent, written int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.duckdb")
	for suffix, b := range c.before {
		b = slices.Clone(b)
		if suffix == "" {
			copy(b[p.At:p.At+written], c.after[p.At:])
		}
		if err := os.WriteFile(path+suffix, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// counted opens a database and counts its rows.
func counted(t *testing.T, path string) (string, error) {
	t.Helper()
	d, err := Open(t.Context(), Options{Path: path})
	if err != nil {
		return "", err
	}
	defer d.Close()
	var got string
	err = d.db.QueryRowContext(t.Context(), "SELECT count(*) || ' ' || count(DISTINCT n) || ' ' || count(CASE WHEN s = 'row ' || n THEN 1 END) FROM t").Scan(&got)
	return got, err
}

// TestATornCheckpointIsMended cuts each write in place after each of its pages, as a SIGKILL does: without the spare file
// databases are lost, with it none is.
func TestATornCheckpointIsMended(t *testing.T) {
	c := tear(t)
	cuts, lost := 0, 0
	for _, p := range c.places {
		for written := int64(0); written <= p.Size; written += 4096 {
			cuts++
			path := c.lay(t, p, written)
			if got, err := counted(t, path); err != nil || got != "4000 4000 4000" {
				t.Fatalf("%d bytes of the block at %d were written: %q, %v", written, p.At, got, err)
			}
			if left, _ := filepath.Glob(path + "?*"); len(left) > 0 {
				t.Fatalf("left behind: %v", left)
			}
			path = c.lay(t, p, written)
			if err := os.Remove(path + spareSuffix); err != nil {
				t.Fatal(err)
			}
			if _, err := counted(t, path); err != nil && strings.Contains(err.Error(), "checksum") {
				lost++
			}
		}
	}
	if lost == 0 {
		t.Error("no cut needs a spare file: DuckDB may write its metadata elsewhere by now")
	}
	t.Logf("%d cuts of %d blocks: without the spare file %d databases are lost, with it none", cuts, len(c.places), lost)
}
