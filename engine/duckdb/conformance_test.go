package duckdb_test

import (
	"path/filepath"
	"testing"

	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/engine/duckdb"
	"github.com/twice-data/twice/engine/enginetest"
)

func TestConformance(t *testing.T) {
	enginetest.Run(t, func(t *testing.T, tap engine.Tap) *engine.DB {
		d, err := duckdb.Open(t.Context(), duckdb.Options{Path: filepath.Join(t.TempDir(), "target.duckdb")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		return engine.Open(d, tap)
	})
}
