package postgres_test

import (
	"testing"

	"github.com/twice-data/twice/engine"
	"github.com/twice-data/twice/engine/enginetest"
	"github.com/twice-data/twice/engine/postgres"
	"github.com/twice-data/twice/engine/postgres/pgtest"
)

func TestConformance(t *testing.T) {
	enginetest.Run(t, func(t *testing.T, tap engine.Tap) *engine.DB {
		d, err := postgres.Open(t.Context(), postgres.Options{URL: pgtest.Start(t).Database(t)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		return engine.Open(d, tap)
	})
}
